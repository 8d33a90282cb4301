//! How the supervisor tells a running exporter to stop, and until when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event_listener::Event as Notify;
use futures_lite::FutureExt as _;

use crate::runtime::Runtime;

/// The longest that a stop may take. Sums of a clock's reading and anything near [`Duration::MAX`] do not exist.
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long a stop may take where `asked` was asked for.
pub(crate) fn capped(asked: Duration) -> Duration {
    asked.min(LONGEST)
}

/// A request to stop, with the moment by which everything must be flushed. Clones share it. Of several requests the one
/// with the nearest deadline counts.
#[derive(Clone, Default)]
pub(crate) struct StopSignal(Arc<Inner>);

#[derive(Default)]
struct Inner {
    deadline: Mutex<Option<Instant>>,
    asked: Notify,
}

impl StopSignal {
    /// Asks everyone who listens to be done by `deadline`.
    pub(crate) fn ask(&self, deadline: Instant) {
        let mut nearest = self.lock();
        if nearest.is_none_or(|nearest| deadline < nearest) {
            *nearest = Some(deadline);
            drop(nearest);
            self.0.asked.notify(usize::MAX);
        }
    }

    /// The deadline, once a stop was asked for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        *self.lock()
    }

    /// Waits until a stop is asked for; returns the deadline.
    pub(crate) async fn asked(&self) -> Instant {
        self.asked_for(|_| true).await
    }

    /// Waits until a stop is asked for with a deadline that is nearer than the one that is `known`; returns it.
    #[cfg(feature = "drivers")]
    pub(crate) async fn nearer_than(&self, known: Option<Instant>) -> Instant {
        self.asked_for(|deadline| known.is_none_or(|known| deadline < known)).await
    }

    /// Waits until `grace` after the deadline of a stop, which may be asked for, and brought nearer, meanwhile.
    pub(crate) async fn overdue<R: Runtime>(&self, runtime: &R, grace: Duration) {
        let mut deadline = self.asked().await;
        loop {
            let passes = async {
                sleep_until(runtime, deadline + grace).await;
                None
            };
            let nearer = async { Some(self.asked_for(|nearest| nearest < deadline).await) };
            match passes.or(nearer).await {
                None => return,
                Some(nearest) => deadline = nearest,
            }
        }
    }

    /// The output of `work`, or `None` where a stop was asked for and its deadline passes first.
    pub(crate) async fn unless_overdue<R: Runtime, T>(&self, runtime: &R, work: impl Future<Output = T>) -> Option<T> {
        let overdue = async {
            self.overdue(runtime, Duration::ZERO).await;
            None
        };
        async { Some(work.await) }.or(overdue).await
    }

    /// Waits for `wait`, or until a stop is asked for.
    pub(crate) async fn cuts_short(&self, wait: impl Future<Output = ()>) {
        let asked = async {
            self.asked().await;
        };
        asked.or(wait).await;
    }

    /// Waits until a stop is asked for with a deadline that is `right`; returns it.
    async fn asked_for(&self, right: impl Fn(Instant) -> bool) -> Instant {
        let is_asked_for = || self.deadline().filter(|deadline| right(*deadline));
        loop {
            if let Some(deadline) = is_asked_for() {
                return deadline;
            }
            let listener = self.0.asked.listen();
            if let Some(deadline) = is_asked_for() {
                return deadline;
            }
            listener.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Completes at `moment`, at once where it has passed.
pub(crate) async fn sleep_until<R: Runtime>(runtime: &R, moment: Instant) {
    let left = moment.saturating_duration_since(runtime.now());
    if !left.is_zero() {
        runtime.sleep(left).await;
    }
}

/// The output of `work`, or `None` where `moment` comes first.
pub(crate) async fn before<R: Runtime, T>(runtime: &R, moment: Instant, work: impl Future<Output = T>) -> Option<T> {
    let late = async {
        sleep_until(runtime, moment).await;
        None
    };
    async { Some(work.await) }.or(late).await
}
