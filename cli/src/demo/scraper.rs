//! A Prometheus of the demo's own: scrapes at a fixed interval, and once more at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;

use crate::receivers::{scrape, well_formed};

/// A thread that scrapes.
pub(super) struct DemoScraper {
    /// Dropped to end the thread.
    stop: Sender<()>,
    thread: JoinHandle<io::Result<Scraped>>,
}

/// What was scraped. Every page was parsed; only the last, after the load, is one moment's picture.
pub(super) struct Scraped {
    pub(super) count: usize,
    pub(super) last: Vec<u8>,
}

impl DemoScraper {
    pub(super) fn start<R: Runtime>(page: SocketAddr, interval: Duration) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let body = move || {
            let mut count = 0;
            loop {
                let is_last = stopped.recv_timeout(interval) == Err(RecvTimeoutError::Disconnected);
                let last = scrape::<R>(page)?;
                well_formed(&last).map_err(io::Error::other)?;
                count += 1;
                if is_last {
                    return Ok(Scraped { count, last });
                }
            }
        };
        Ok(Self { stop, thread: thread::Builder::new().name("scraper".into()).spawn(body)? })
    }

    /// Scrapes once more, for what was recorded since the last time.
    pub(super) fn finish(self) -> io::Result<Scraped> {
        drop(self.stop);
        self.thread.join().map_err(|_| io::Error::other("the scraper panicked"))?
    }
}
