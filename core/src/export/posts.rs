//! Bodies of points that are posted to InfluxDB over HTTP: when one is sent, how much is in it, and what an answer means.
//!
//! One body is in flight at a time. Its items stay where they wait until the server has answered, so the machine keeps none
//! of them: what must be sent again is packed again. An InfluxDB point carries its own timestamp, so that one that arrives
//! twice overwrites itself. What may have arrived is therefore sent again as it is.
//!
//! | answer | what follows |
//! |---|---|
//! | stored | the items have arrived; the size of bodies doubles up to its ceiling |
//! | stored in part | so many items are `refused`, the others have arrived |
//! | unclear: a 2xx that is no acceptance | the items are `unconfirmed` |
//! | refused | the items are `refused`; no pause |
//! | away, or no connection | a pause that grows from 250 ms to 5 s, or the one that the server asks for, up to a minute; half the size |
//! | no answer in time, or the connection breaks | the same, and the items may have arrived |
//! | the connection was dead before the body was sent | the same body at once, over a new connection |
//! | too large | half the size; a single item is `too_large`; a server that finds less than 2,000 bytes too large refuses everything |
//! | ill (500) | sent again at once; after the second time a probe goes out: a point that is known to be good |
//! | ill, to the probe | the server is ill: pauses, and nothing but probes, until one is accepted |
//! | stored, to the probe | the body is poisoned: it is bisected, and the item that fails alone again and again is `refused` |
//!
//! Whatever may have arrived is dropped as `unconfirmed`, whatever the cause.

use core::time::Duration;

mod action;
mod answers;
mod bisection;
mod events;
mod gauges;
mod instruments;
mod intervals;
mod limits;
mod probe;
mod schedule;
mod sending;
#[cfg(all(test, not(loom)))]
mod tests;
mod watermarks;

pub use action::PostAction;
pub use events::EventPoints;
pub use gauges::GaugePoints;
pub use instruments::InstrumentPoints;
pub use intervals::IntervalPoints;
pub use limits::PostLimits;
pub use schedule::Schedule;

use bisection::{Bisection, NextPost};
use probe::{Probe, ProbeOrigin};
use schedule::ScheduleState;
use watermarks::Watermarks;

use super::items::{Items, PackedItems};
use super::turn::BETWEEN_TURNS;
use super::{
    Attempts, Backoff, BodyInput, BodySize, CallOutcome, Connection, ConnectionStep, Now, Random, Stopping, Tick,
};
use crate::registry::drop_reason::DropReason;

/// The machine. About 3 KB.
#[derive(Clone, Debug)]
pub struct PostMachine {
    timeout: Duration,
    connection: Connection,
    schedule: ScheduleState,
    size: BodySize,
    bisection: Bisection,
    watermarks: Watermarks,
    probe: Probe,
    in_flight: PostInFlight,
    /// When the call under way is given up, unless a stop shortens it.
    expires: Tick,
    outcome: Option<CallOutcome>,
    pause: Option<RetryPause>,
    /// A single item was too large, and nothing was accepted since.
    was_too_large: bool,
    backoff: Backoff,
    random: Random,
    attempts: Attempts,
    /// Why what still waits at the end is dropped.
    drop_cause: DropReason,
    stopping: Stopping,
    /// A stop was asked for since the last poll.
    is_stop_new: bool,
    /// An interval has ended that is not frozen yet.
    must_freeze: bool,
    /// One is frozen that is not read whole.
    is_reading: bool,
}

/// What is in flight.
#[derive(Clone, Copy, Debug)]
enum PostInFlight {
    /// The first items.
    Body(PackedItems),
    /// One item that shows whether the server is ill.
    Probe(PackedItems, ProbeOrigin),
}

/// A time without attempts; the next one is due when it is over.
#[derive(Clone, Copy, Debug)]
struct RetryPause {
    until: Tick,
    /// Whether the server asks for it: then a stop does not end it.
    is_asked_for: bool,
}

impl PostMachine {
    /// A machine that goes by `limits`. `seed` is any number, best a different one in each process.
    #[must_use]
    pub fn new(limits: &PostLimits, seed: u64) -> Self {
        Self {
            timeout: limits.timeout,
            connection: Connection::default(),
            schedule: ScheduleState::new(limits.schedule, limits.points),
            size: BodySize::new(limits.bytes),
            bisection: Bisection::new(),
            watermarks: Watermarks::default(),
            probe: Probe::new(),
            in_flight: PostInFlight::Body(PackedItems::default()),
            expires: Tick::NEVER,
            outcome: None,
            pause: None,
            was_too_large: false,
            backoff: Backoff::POST,
            random: Random::new(seed),
            attempts: Attempts::NONE,
            drop_cause: DropReason::Deadline,
            stopping: Stopping::NOT_ASKED,
            is_stop_new: false,
            must_freeze: false,
            is_reading: false,
        }
    }

    /// Notes what has happened. An answer to something that is over is ignored.
    pub fn handle(&mut self, _now: Now, input: BodyInput<'_>) {
        if let BodyInput::Stop { deadline } = input {
            self.is_stop_new |= self.stopping.ask(deadline);
            self.connection.shorten(self.stopping.deadline());
        }
        self.outcome = self.connection.handle(input).or(self.outcome);
    }

    /// Settles what was noted and says what to do next. `out` is as long as [`PostLimits::bytes`] or longer.
    pub fn poll<S: Items>(&mut self, now: Now, items: &mut S, out: &mut [u8]) -> PostAction {
        match self.outcome.take() {
            Some(CallOutcome::Answered(said)) => self.answered(now, said, items),
            Some(CallOutcome::Broken(broken)) => self.broken(now, broken, items),
            None => {}
        }
        self.schedule.observe(now, items.len());
        if core::mem::take(&mut self.is_stop_new) {
            self.begin_stop(now, items);
        }
        loop {
            let action = if self.connection.is_busy() { self.go_on(now, items, out) } else { self.begin(now, items) };
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// What the attempts so far have shown.
    #[must_use]
    pub const fn attempts(&self) -> Attempts {
        self.attempts
    }

    /// The most bytes of a body that the server has shown to take, where that is below what was configured.
    #[must_use]
    pub fn learned_bytes(&self) -> Option<usize> {
        self.size.learned()
    }

    /// What is next in the call under way; nothing where it is over.
    fn go_on<S: Items>(&mut self, now: Now, items: &mut S, out: &mut [u8]) -> Option<PostAction> {
        match self.connection.step(now) {
            ConnectionStep::Resolve { id } => Some(PostAction::Resolve { id }),
            ConnectionStep::Connect { id, address } => Some(PostAction::Connect { id, address }),
            ConnectionStep::Cancel { id } => Some(PostAction::Cancel { id }),
            ConnectionStep::Wait { until } => Some(PostAction::Wait { until, events: usize::MAX }),
            ConnectionStep::Ready => self.send(now, items, out),
            ConnectionStep::Failed => {
                self.away(now, Duration::ZERO);
                None
            }
        }
    }

    /// Begins a call, unless everything is done or no call is due.
    fn begin<S: Items>(&mut self, now: Now, items: &mut S) -> Option<PostAction> {
        self.freeze(now, items);
        if self.is_reading && !self.stopping.is_overdue(now) && !self.read_on(now, items) {
            let until = self.stopping.clamp(now.tick.after(BETWEEN_TURNS));
            return Some(PostAction::Wait { until, events: usize::MAX });
        }
        if self.is_done(now, items) {
            self.drop_front(items, items.len(), self.drop_cause, false);
            return Some(PostAction::Done { cause: self.drop_cause });
        }
        let (due, events) = self.next_call(items);
        if now.tick < due {
            return Some(PostAction::Wait { until: self.stopping.clamp(due.min(self.next_interval())), events });
        }
        self.pause = None;
        self.expires = now.tick.after(self.timeout);
        self.connection.begin(self.call_deadline(now, items));
        None
    }

    /// When the next call is due, and how many items make it due at once.
    fn next_call<S: Items>(&self, items: &S) -> (Tick, usize) {
        if items.is_empty() {
            return self.schedule.next_body(0, self.size.bytes(), self.bisection.window());
        }
        match self.pause {
            Some(pause) => (pause.until, usize::MAX),
            None if self.stopping.is_asked() || self.bisection.is_under_way() => (Tick::default(), usize::MAX),
            None => self.schedule.next_body(items.len(), self.size.bytes(), self.bisection.window()),
        }
    }

    /// When a call that begins now is given up.
    fn call_deadline<S: Items>(&self, now: Now, items: &S) -> Tick {
        let (_, full) = self.schedule.next_body(items.len(), self.size.bytes(), self.bisection.window());
        let shares = self.attempts.are_failing() || self.bisection.is_under_way() || items.len() > full;
        self.stopping.call(now, self.timeout, shares)
    }

    /// Freezes an interval that has ended, once nothing that still waits of an earlier one can have arrived.
    fn freeze<S: Items>(&mut self, now: Now, items: &mut S) {
        self.must_freeze |= now.tick >= self.next_interval();
        if self.must_freeze && !self.is_reading && self.schedule.may_freeze(!self.watermarks.are_clear()) {
            items.freeze(now);
            (self.must_freeze, self.is_reading) = (false, true);
            self.watermarks = Watermarks::default();
            self.bisection.items_change();
            self.schedule.frozen(now);
        }
    }

    /// Reads some of an interval that has ended; whether it is read whole.
    fn read_on<S: Items>(&mut self, now: Now, items: &mut S) -> bool {
        self.is_reading = !items.read_on();
        self.schedule.observe(now, items.len());
        !self.is_reading
    }

    /// When the next interval ends; the last one ends with the stop.
    fn next_interval(&self) -> Tick {
        if self.must_freeze || self.stopping.is_asked() { Tick::NEVER } else { self.schedule.interval_end() }
    }

    fn begin_stop<S: Items>(&mut self, now: Now, items: &S) {
        // What came while an interval was read is part of the last one.
        (self.must_freeze, self.is_reading) = (self.schedule.has_intervals(), false);
        self.backoff.reset();
        if let Some(pause) = &mut self.pause {
            let end = self.stopping.pause(now, pause.until.since(now.tick));
            pause.until = if pause.is_asked_for { end } else { now.tick };
        }
        self.connection.shorten(self.call_deadline(now, items));
    }

    fn is_done<S: Items>(&self, now: Now, items: &S) -> bool {
        let has_sent_all = items.is_empty() && !self.must_freeze;
        let gives_up = self.stopping.gives_up(self.connection.has_connected());
        self.stopping.is_asked() && (has_sent_all || gives_up || self.stopping.is_overdue(now))
    }
}
