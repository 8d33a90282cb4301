//! How a driver waits, and what wakes it.

use std::future::Future;
use std::time::Instant;

use futures_lite::FutureExt as _;
use loaddensity_metrics_core::export::{Now, Tick};

use crate::clock::ExporterClock;
use crate::runtime::Runtime;
use crate::stop::StopSignal;

/// What came first of all that a driver waited for.
pub(super) enum Wakeup<T> {
    /// A stop was asked for, or a nearer deadline.
    Stop { deadline: Tick },
    /// Something has happened.
    Event(T),
    /// It is time to ask the machine again.
    Due,
}

/// The clock and the stop signal of a driver that waits.
pub(super) struct Waiter<R: Runtime> {
    clock: ExporterClock<R>,
    stop: StopSignal,
    /// The deadline that the machine knows of.
    deadline: Option<Instant>,
}

impl<R: Runtime> Waiter<R> {
    pub(super) const fn new(clock: ExporterClock<R>, stop: StopSignal) -> Self {
        Self { clock, stop, deadline: None }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.read()
    }

    /// Waits for what comes first: a stop, an event, the moment, or that enough is `filled`.
    pub(super) async fn first<T>(
        &mut self,
        event: impl Future<Output = T> + Send,
        until: Tick,
        filled: impl Future<Output = ()> + Send,
    ) -> Wakeup<T> {
        let Self { clock, stop, deadline } = self;
        let stops = async {
            let asked = stop.nearer_than(*deadline).await;
            *deadline = Some(asked);
            Wakeup::Stop { deadline: clock.tick_of(asked) }
        };
        let event = async { Wakeup::Event(event.await) };
        let due = async {
            clock.sleep_until(until).or(filled).await;
            Wakeup::Due
        };
        stops.or(event).or(due).await
    }
}
