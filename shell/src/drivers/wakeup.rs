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
        in_order(stops, event, due).await
    }
}

/// Where several are ready at once, the stop is told before the event: who never runs out of events would never stop. The event is told
/// before the moment, which passes anyway.
async fn in_order<T>(
    stops: impl Future<Output = Wakeup<T>>,
    event: impl Future<Output = Wakeup<T>>,
    due: impl Future<Output = Wakeup<T>>,
) -> Wakeup<T> {
    stops.or(event).or(due).await
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_lite::future::{Boxed, block_on};

    use super::*;

    #[test]
    fn of_what_is_ready_at_once_a_stop_is_told_first_and_the_moment_last() {
        for (is_stopped, has_event, expected) in
            [(true, true, "stop"), (true, false, "stop"), (false, true, "event"), (false, false, "due")]
        {
            let stops: Boxed<Wakeup<()>> = if is_stopped {
                Box::pin(ready(Wakeup::Stop { deadline: Tick::default() }))
            } else {
                Box::pin(pending())
            };
            let event: Boxed<Wakeup<()>> =
                if has_event { Box::pin(ready(Wakeup::Event(()))) } else { Box::pin(pending()) };
            let told = match block_on(in_order(stops, event, ready(Wakeup::Due))) {
                Wakeup::Stop { .. } => "stop",
                Wakeup::Event(()) => "event",
                Wakeup::Due => "due",
            };
            assert_eq!(told, expected);
        }
    }
}
