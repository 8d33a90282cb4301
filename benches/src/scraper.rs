//! A scraper over plain sockets, which keeps nothing of a page but its size.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Time without a byte after which a page is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a scrape brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScrapedPage {
    /// Bytes of the page, without the answer's head.
    pub bytes: usize,
    /// Lines of the page.
    pub lines: usize,
    /// From connecting to the last byte.
    pub elapsed: Duration,
}

/// Fetches `/metrics` by HTTP/1.0, whose pages end with the connection: no chunks to read.
///
/// # Errors
/// What the sockets say, or an answer other than 200.
pub fn scrape(address: SocketAddr) -> io::Result<ScrapedPage> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut buffer = vec![0; 64 << 10];
    let mut held = 0;
    let head = loop {
        let read = stream.read(&mut buffer[held..])?;
        held += read;
        if let Some(end) = buffer[..held].windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if read == 0 {
            return Err(io::Error::other("the answer has no end of its head"));
        }
    };
    if buffer[..head].split(|byte| *byte == b' ').nth(1) != Some(b"200") {
        return Err(io::Error::other(String::from_utf8_lossy(&buffer[..head]).into_owned()));
    }
    let mut page = ScrapedPage::default();
    let mut add = |bytes: &[u8]| {
        page.bytes += bytes.len();
        page.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
    };
    add(&buffer[head..held]);
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            read => add(&buffer[..read]),
        }
    }
    page.elapsed = began.elapsed();
    Ok(page)
}

/// A thread that scrapes at an interval, until it is asked for a last page.
#[derive(Debug)]
pub struct PageScraper {
    /// Asks for the last page; dropped to end the thread.
    ask: SyncSender<()>,
    last: Receiver<io::Result<ScrapedPage>>,
    thread: JoinHandle<()>,
}

impl PageScraper {
    /// Name of the thread.
    pub const THREAD: &str = "scraper";

    /// Begins after `interval`.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn start(page: SocketAddr, interval: Duration) -> io::Result<Self> {
        let (ask, asked) = mpsc::sync_channel(1);
        let (answer, last) = mpsc::sync_channel(1);
        let body = move || {
            let mut outcome = Ok(());
            while asked.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                outcome = outcome.and_then(|()| scrape(page).map(drop));
            }
            // Nobody listens where the measurement was given up.
            let _ = answer.send(outcome.and_then(|()| scrape(page)));
            // The thread's CPU time is read while it lives.
            let _ = asked.recv();
        };
        Ok(Self { ask, last, thread: thread::Builder::new().name(Self::THREAD.into()).spawn(body)? })
    }

    /// Scrapes once more and never again; the page. The thread lives on until [`finish`](Self::finish).
    ///
    /// # Errors
    /// What this scrape said, or an earlier one.
    pub fn last(&self) -> io::Result<ScrapedPage> {
        self.ask.send(()).map_err(io::Error::other)?;
        self.last.recv().map_err(io::Error::other)?
    }

    /// Ends the thread.
    ///
    /// # Errors
    /// Where it panicked.
    pub fn finish(self) -> io::Result<()> {
        drop(self.ask);
        self.thread.join().map_err(|_| io::Error::other("the scraper panicked"))
    }
}
