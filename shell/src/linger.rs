//! A page that lingers: after its exporter's stop it serves on until its last values were seen, or its time is over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event_listener::Event as Notify;
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::{Accounts, Exporter, Linger, Lingering};

use crate::runtime::Runtime;

/// What the scrapes of a page have shown, and whether the page lingers.
pub(crate) struct Scrapes {
    accounts: Accounts<'static>,
    /// Set once it was stopped and lingers, with the moment of the stop. It is locked while a delivered page is noted, so
    /// that no page comes between the account of a stop and this.
    linger: Mutex<Option<(Linger, Instant)>>,
    seen: Notify,
}

impl Scrapes {
    /// Begins to linger, for `limit` at most, unless everything was seen already.
    pub(crate) fn linger(&self, now: Instant, limit: Duration) -> bool {
        let mut note = self.lock();
        *note = self.accounts.linger(Exporter::Prometheus, limit).map(|linger| (linger, now));
        note.is_some()
    }

    /// Waits until a page that lingers is to end.
    pub(crate) async fn over<R: Runtime>(&self, runtime: &R) {
        loop {
            let seen = self.seen.listen();
            let note = *self.lock();
            let Some((linger, stopped)) = note else {
                return;
            };
            match linger.poll(runtime.now().saturating_duration_since(stopped)) {
                Lingering::Serve(left) => runtime.sleep(left).or(seen).await,
                Lingering::Seen | Lingering::Over => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Linger, Instant)>> {
        self.linger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

mod pages {
    use loaddensity_metrics_core::{Begun, PageTotals};

    use super::{Accounts, Exporter, Mutex, Notify, Scrapes};

    impl Scrapes {
        pub(crate) fn new(accounts: Accounts<'static>) -> Self {
            Self { accounts, linger: Mutex::new(None), seen: Notify::new() }
        }

        /// Whether a page that begins now begins after the stop.
        pub(crate) fn begun(&self) -> Begun {
            if self.lock().is_some() { Begun::AfterStop } else { Begun::BeforeStop }
        }

        /// Notes that a page that shows this was delivered whole.
        pub(crate) fn delivered(&self, shown: PageTotals, begun: Begun) {
            let mut note = self.lock();
            let counted = note.as_mut().map_or(shown, |(linger, _)| linger.delivered(shown, begun));
            self.accounts.delivered(Exporter::Prometheus, counted);
            self.seen.notify(usize::MAX);
        }
    }
}
