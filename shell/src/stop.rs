//! How the supervisor tells a running exporter to stop, and until when.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use event_listener::Event as Notify;
use futures_lite::FutureExt as _;

use crate::runtime::Runtime;

/// A request to stop, with the moment by which everything must be flushed. Clones share it; the first request counts.
#[derive(Clone, Default)]
pub(crate) struct StopSignal(Arc<Inner>);

#[derive(Default)]
struct Inner {
    deadline: OnceLock<Instant>,
    asked: Notify,
}

impl StopSignal {
    /// Asks everyone who listens to be done by `deadline`.
    pub(crate) fn ask(&self, deadline: Instant) {
        if self.0.deadline.set(deadline).is_ok() {
            self.0.asked.notify(usize::MAX);
        }
    }

    /// The deadline, once a stop was asked for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.deadline.get().copied()
    }

    /// Waits until a stop is asked for; returns the deadline.
    pub(crate) async fn asked(&self) -> Instant {
        loop {
            if let Some(deadline) = self.deadline() {
                return deadline;
            }
            let listener = self.0.asked.listen();
            if let Some(deadline) = self.deadline() {
                return deadline;
            }
            listener.await;
        }
    }

    /// The output of `work`, or `None` where a stop was asked for and its deadline passes first.
    pub(crate) async fn unless_overdue<R: Runtime, T>(&self, runtime: &R, work: impl Future<Output = T>) -> Option<T> {
        let overdue = async {
            sleep_until(runtime, self.asked().await).await;
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
