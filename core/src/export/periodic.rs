//! Periodic exports: OTLP, cumulative and delta, over gRPC and HTTP.
//!
//! In each interval one cycle goes out, in one or several bodies, one after the other: all that was counted so far
//! (cumulative), or what came in the interval (delta). What an answer means for the body that it answers:
//!
//! Bodies of requests come first, then those of own instruments, then those of gauges. What is said of requests below is true of
//! observations in the second, which have an account of their own.
//!
//! | answer | cumulative | delta |
//! |---|---|---|
//! | stored | its requests count for this cycle | its requests are sent |
//! | stored, but for some points | the requests of as many, the heaviest, do not count | those are `rejected` |
//! | refused, ill | the next body goes on; the next export holds it again | `refused`, the next body goes on |
//! | unclear | the same | `unconfirmed`, the next body goes on |
//! | too large | smaller bodies, at once; a single point is left out | smaller bodies, at once; a single point is `too_large` |
//! | too large, of less than 2,000 bytes | refused, and a pause | `refused`, and a pause |
//! | away | another body of the same points after a pause, for as long as it takes | the same |
//! | none | the same bytes after a pause, three times; then a new body of the same points, with a new time | the same bytes, three times; then `unconfirmed` |
//!
//! After a pause a cycle goes on where it was. If nothing of it can have arrived, it is begun anew, so that it also shows
//! what came during the pause; of a delta, the interval becomes longer by that. Where an export timeout is set, no more
//! attempts are made after it until the next export is due.
//!
//! At a stop, a cumulative exporter sends all that was counted once more. A delta exporter sends what is left of its cycle
//! and then the last interval; both in one cycle, if nothing of the earlier one can have arrived. Attempts are made until
//! the deadline. Sources: OTLP specification, "Failures", "Throttling" and "Partial Success". It forbids sending again, even in
//! halves, what was refused.

mod account;
mod action;
mod answers;
mod buffer_growth;
mod cumulative;
mod cursor;
mod cycle;
mod delta;
mod limits;
mod next_body;
mod source;
#[cfg(all(test, not(loom)))]
mod tests;
mod timing;

use core::time::Duration;

use super::{Attempts, BodyInput, BodySize, CallOutcome, Connection, ConnectionStep, Now, Tick};
use crate::registry::drop_reason::DropReason;
use crate::request::sample::Timestamp;
use account::ExportAccounts;
use buffer_growth::BufferGrowth;
use cycle::{Cycle, ExportInFlight};
use next_body::NextBody;
use timing::Timing;

pub use action::ExportAction;
pub use cumulative::Cumulative;
pub use cursor::ExportCursor;
pub use delta::Delta;
pub use limits::ExportLimits;
pub use source::{CyclePart, ExportSource, WriteOutcome};

/// The machine, for an [`ExportSource`] with cursors of type `C`. About 1.5 KB.
#[derive(Clone, Debug)]
pub struct ExportMachine<C> {
    limits: ExportLimits,
    connection: Connection,
    size: BodySize,
    growth: BufferGrowth,
    timing: Timing,
    accounts: ExportAccounts,
    attempts: Attempts,
    /// How the last call has ended, until the next poll.
    outcome: Option<CallOutcome>,
    /// The cycle that is not complete.
    cycle: Option<Cycle<C>>,
    /// Whether the cycle was begun after a stop was asked for: no other cycle comes after it.
    is_final: bool,
    /// Whether there was a pause, after which the cycle is begun anew if nothing of it can have arrived.
    resumes: bool,
    /// The time of the cycle whose interval is being read.
    reading: Option<Timestamp>,
    /// The time of the points that were made last.
    last_time: Timestamp,
    /// The body that was sent last, until it is settled.
    in_flight: Option<ExportInFlight<C>>,
    /// Whether the same bytes are sent again.
    is_again: bool,
    /// Why what is still held at the end is dropped.
    drop_cause: DropReason,
    is_done: bool,
}

impl<C: Copy> ExportMachine<C> {
    /// A machine that goes by `limits` and starts now; its first export is due after the first interval. `seed` is any
    /// number, best a different one for each process.
    #[must_use]
    pub fn new(limits: ExportLimits, seed: u64, now: Now) -> Self {
        Self {
            limits,
            connection: Connection::default(),
            size: BodySize::new(limits.max_request_bytes),
            growth: BufferGrowth::default(),
            timing: Timing::new(&limits, seed, now),
            accounts: ExportAccounts::new(limits.is_delta),
            attempts: Attempts::NONE,
            outcome: None,
            cycle: None,
            is_final: false,
            resumes: true,
            reading: None,
            last_time: now.wall,
            in_flight: None,
            is_again: false,
            drop_cause: DropReason::Deadline,
            is_done: false,
        }
    }

    /// Notes what has happened. [`poll`](Self::poll) must come before the next call, unless that tells of a stop.
    pub fn handle(&mut self, now: Now, input: BodyInput<'_>) {
        if let BodyInput::Stop { deadline } = input {
            self.stop(now, deadline);
        }
        self.outcome = self.connection.handle(input).or(self.outcome);
    }

    /// Settles what has happened and says what to do next. Poll again until it says [`ExportAction::Wait`].
    pub fn poll<S: ExportSource<Cursor = C>>(&mut self, now: Now, source: &mut S, out: &mut [u8]) -> ExportAction {
        loop {
            if let Some(outcome) = self.outcome.take() {
                self.answered(now, outcome, source);
            }
            let action =
                if self.connection.is_busy() { self.go_on(now, source, out) } else { self.begin(now, source, out) };
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

    /// The most bytes of a body that the receiver has shown to take, where that is below what was configured.
    #[must_use]
    pub fn learned_bytes(&self) -> Option<usize> {
        self.size.learned()
    }

    fn stop(&mut self, now: Now, deadline: Tick) {
        self.timing.stop(now, deadline);
        // What came while an interval was read is part of the last one.
        self.reading = None;
        if self.connection.is_busy() {
            self.connection.shorten(self.timing.shortened_deadline(now, !self.is_final));
        }
    }

    /// What comes next where no call is under way.
    fn begin<S: ExportSource<Cursor = C>>(&mut self, now: Now, source: &mut S, out: &mut [u8]) -> Option<ExportAction> {
        if !self.is_done && self.timing.is_over(now, self.connection.has_connected()) {
            self.finish(source);
        }
        if self.is_done {
            return Some(ExportAction::Done { cause: self.drop_cause });
        }
        if let Some(until) = self.timing.waits(now) {
            return Some(ExportAction::Wait { until });
        }
        self.begin_anew_at_a_stop();
        if let Some(until) = self.resume(now, source) {
            return Some(ExportAction::Wait { until });
        }
        let is_last = match self.in_flight.filter(|_| self.is_again) {
            Some(flight) => flight.part.is_last,
            None => match self.write_next(now, source, out) {
                NextBody::Written => self.in_flight?.part.is_last,
                NextBody::Nothing => return None,
                NextBody::NeedsBuffer(bytes) => return Some(ExportAction::GrowBuffer(bytes)),
                NextBody::Later(until) => return Some(ExportAction::Wait { until }),
            },
        };
        self.connection.begin(self.timing.call_deadline(now, !(self.is_final && is_last)));
        match self.connection.step(now) {
            ConnectionStep::Ready => self.send(),
            step => self.action_of(now, step),
        }
    }

    /// What comes next in a call.
    fn go_on<S: ExportSource<Cursor = C>>(&mut self, now: Now, source: &mut S, out: &mut [u8]) -> Option<ExportAction> {
        match self.connection.step(now) {
            ConnectionStep::Ready if self.timing.call_is_over(now) => {
                self.connection.withdraw();
                self.failed(now, Duration::ZERO);
                None
            }
            ConnectionStep::Ready => {
                self.begin_anew_at_a_stop();
                if let Some(until) = self.resume(now, source) {
                    return Some(ExportAction::Wait { until });
                }
                match if self.is_again { NextBody::Written } else { self.write_next(now, source, out) } {
                    NextBody::Written => self.send(),
                    NextBody::NeedsBuffer(bytes) => Some(ExportAction::GrowBuffer(bytes)),
                    NextBody::Later(until) => Some(ExportAction::Wait { until }),
                    NextBody::Nothing => {
                        self.connection.withdraw();
                        None
                    }
                }
            }
            step => self.action_of(now, step),
        }
    }

    fn action_of(&mut self, now: Now, step: ConnectionStep) -> Option<ExportAction> {
        Some(match step {
            ConnectionStep::Resolve { id } => ExportAction::Resolve { id },
            ConnectionStep::Connect { id, address } => ExportAction::Connect { id, address },
            ConnectionStep::Cancel { id } => ExportAction::Cancel { id },
            ConnectionStep::Wait { until } => ExportAction::Wait { until },
            ConnectionStep::Ready => return None,
            ConnectionStep::Failed => {
                self.failed(now, Duration::ZERO);
                return None;
            }
        })
    }

    /// Sends the body that was written, or the same bytes again.
    fn send(&mut self) -> Option<ExportAction> {
        let flight = self.in_flight.as_mut()?;
        let id = self.connection.send();
        if core::mem::take(&mut self.is_again) {
            return Some(ExportAction::Again { id, of: flight.sent_as });
        }
        flight.sent_as = id;
        Some(ExportAction::Send { id, range: flight.part.start..flight.part.end })
    }
}
