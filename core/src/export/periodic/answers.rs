//! What an answer, or its absence, means for the body that was sent and for what comes next.

use core::time::Duration;

use super::cycle::ExportInFlight;
use super::{CyclePart, ExportMachine, ExportSource, buffer_growth};
use crate::export::verdict::Said;
use crate::export::{BrokenCall, CallOutcome, Now, TooLarge};
use crate::registry::drop_reason::DropReason;

/// How often the same bytes go out again after silence.
const AGAIN: u8 = 3;

impl<C: Copy> ExportMachine<C> {
    pub(super) fn answered<S: ExportSource<Cursor = C>>(&mut self, now: Now, outcome: CallOutcome, source: &mut S) {
        let Some(flight) = self.in_flight else { return };
        match outcome {
            CallOutcome::Answered(Said::Stored) => self.accepted(now, &flight, 0, source),
            CallOutcome::Answered(Said::Partial { dropped }) => self.accepted(now, &flight, dropped, source),
            CallOutcome::Answered(Said::Unclear) => self.refused(now, &flight, DropReason::Unconfirmed, source),
            CallOutcome::Answered(Said::Refused | Said::Ill) => self.refused(now, &flight, DropReason::Refused, source),
            CallOutcome::Answered(Said::TooLarge) => self.too_large(now, &flight, source),
            CallOutcome::Answered(Said::Away { at_least, may_have_arrived }) => {
                self.note_arrival(&flight, may_have_arrived);
                self.failed(now, at_least);
            }
            // The connection was dead before; that says nothing about the receiver.
            CallOutcome::Broken(BrokenCall { began, kept: true }) => {
                self.note_arrival(&flight, began);
                self.is_again = true;
            }
            CallOutcome::Broken(BrokenCall { began: true, .. }) => self.silent(now, &flight, source),
            CallOutcome::Broken(BrokenCall { began: false, .. }) => self.failed(now, Duration::ZERO),
        }
    }

    /// The receiver is away: after a pause comes a new and smaller body.
    pub(super) fn failed(&mut self, now: Now, asked: Duration) {
        self.is_again = false;
        self.size.away();
        // Where bodies are larger than most buffers, halving alone would still send too many bytes to nobody.
        while self.size.bytes() > buffer_growth::FIRST {
            self.size.away();
        }
        self.failed_to_reach(now);
        self.pause(now, asked);
    }

    /// The end: what has a cause of its own is dropped for it.
    pub(super) fn finish<S: ExportSource<Cursor = C>>(&mut self, source: &S) {
        self.accounts.finish(source);
        self.is_done = true;
    }

    fn accepted<S: ExportSource<Cursor = C>>(
        &mut self,
        now: Now,
        flight: &ExportInFlight<C>,
        rejected: u64,
        source: &mut S,
    ) {
        // The receiver does not say which points it rejects. The heaviest are taken, so that no more counts as sent than was.
        let from = self.cycle.filter(|_| rejected != 0).map(|cycle| cycle.cursor);
        let heaviest = from.map_or(0, |from| source.weights(from, flight.part.next).heaviest(rejected));
        self.accounts.accepted(&flight.part, heaviest, source);
        self.advance(&flight.part, source);
        self.size.accepted(now);
        self.timing.went_well();
        self.drop_cause = DropReason::Deadline;
        match rejected {
            0 => self.attempts.went_well(),
            _ => self.attempts.failed(now.tick),
        }
    }

    /// The receiver will not take the body, or does not say that it has: the next part is sent at once.
    fn refused<S: ExportSource<Cursor = C>>(
        &mut self,
        now: Now,
        flight: &ExportInFlight<C>,
        cause: DropReason,
        source: &mut S,
    ) {
        self.attempt_failed(now);
        self.drop_cause = cause;
        self.accounts.lost(cause, &flight.part, source);
        self.advance(&flight.part, source);
    }

    fn too_large<S: ExportSource<Cursor = C>>(&mut self, now: Now, flight: &ExportInFlight<C>, source: &mut S) {
        match self.size.too_large(flight.part.bytes(), flight.part.points, now) {
            TooLarge::Halved => self.attempt_failed(now),
            TooLarge::Item => self.refused(now, flight, DropReason::TooLarge, source),
            TooLarge::Everything => {
                self.refused(now, flight, DropReason::Refused, source);
                self.pause(now, Duration::ZERO);
            }
        }
    }

    /// The body was sent, and no answer came.
    fn silent<S: ExportSource<Cursor = C>>(&mut self, now: Now, flight: &ExportInFlight<C>, source: &mut S) {
        self.note_arrival(flight, true);
        self.failed_to_reach(now);
        self.size.silent(flight.part.bytes(), now);
        let silences = self.cycle.as_mut().map_or(0, |cycle| {
            cycle.silences += 1;
            cycle.silences
        });
        self.is_again = silences <= AGAIN;
        if !self.is_again {
            self.give_up(flight, source);
        }
        self.pause(now, Duration::ZERO);
    }

    /// The same bytes are not sent again. Of values that move a new body is made; frozen ones may have arrived.
    fn give_up<S: ExportSource<Cursor = C>>(&mut self, flight: &ExportInFlight<C>, source: &mut S) {
        if self.limits.is_delta {
            self.accounts.lost(DropReason::Unconfirmed, &flight.part, source);
            self.advance(&flight.part, source);
        } else if let Some(cycle) = &mut self.cycle {
            cycle.silences = 0;
        }
    }

    /// A part is settled: the one after it comes next.
    pub(super) fn advance<S: ExportSource<Cursor = C>>(&mut self, part: &CyclePart<C>, source: &mut S) {
        if let Some(cycle) = &mut self.cycle {
            source.settle(cycle.cursor, part.next);
            cycle.advance(part);
        }
    }

    fn note_arrival(&mut self, flight: &ExportInFlight<C>, may_have_arrived: bool) {
        if may_have_arrived && let Some(cycle) = &mut self.cycle {
            cycle.may_have_arrived();
            self.accounts.may_have_arrived(&flight.part);
        }
    }

    fn failed_to_reach(&mut self, now: Now) {
        self.attempt_failed(now);
        if !self.timing.was_cut_short(now) {
            self.drop_cause = DropReason::Unreachable;
        }
    }

    fn attempt_failed(&mut self, now: Now) {
        self.attempts.failed(now.tick);
        self.timing.failed();
    }

    /// Begins a pause. If it lasts longer than the export may take, no more attempts are made at it: the next export holds all
    /// of it. A delta goes on.
    fn pause(&mut self, now: Now, asked: Duration) {
        self.resumes = true;
        if self.timing.pause(now, asked) && !self.limits.is_delta {
            (self.cycle, self.is_again) = (None, false);
        }
    }
}
