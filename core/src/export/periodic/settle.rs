//! What an answer, or its absence, means for the body that was sent and for what comes next.

use core::time::Duration;

use super::cycle::Flight;
use super::{Exports, News, Piece, Source, room};
use crate::export::verdict::Said;
use crate::export::{Broken, Now, TooLarge};
use crate::registry::ledger::Cause;

/// How often the same bytes go out again after silence.
const AGAIN: u8 = 3;

impl<C: Copy> Exports<C> {
    pub(super) fn settle<S: Source<Cursor = C>>(&mut self, now: Now, news: News, source: &mut S) {
        let Some(flight) = self.flight else { return };
        match news {
            News::Answer(Said::Stored) => self.accepted(now, &flight, 0, source),
            News::Answer(Said::Partial { dropped }) => self.accepted(now, &flight, dropped, source),
            News::Answer(Said::Unclear) => self.refused(now, &flight, Cause::Unconfirmed, source),
            News::Answer(Said::Refused | Said::Ill) => self.refused(now, &flight, Cause::Refused, source),
            News::Answer(Said::TooLarge) => self.too_large(now, &flight, source),
            News::Answer(Said::Away { at_least, may_have_arrived }) => {
                self.note_arrival(&flight, may_have_arrived);
                self.failed(now, at_least);
            }
            // Only the connection was dead.
            News::Broken(Broken { began, kept: true }) => {
                self.note_arrival(&flight, began);
                self.is_again = true;
            }
            News::Broken(Broken { began: true, .. }) => self.silent(now, &flight, source),
            News::Broken(Broken { began: false, .. }) => self.failed(now, Duration::ZERO),
        }
    }

    /// The receiver is away: what comes next is cut anew, smaller, after a pause.
    pub(super) fn failed(&mut self, now: Now, asked: Duration) {
        self.is_again = false;
        self.size.away();
        // Of bodies that are larger than most buffers, halving alone would send too many bytes to nobody.
        while self.size.bytes() > room::FIRST {
            self.size.away();
        }
        self.failed_to_reach(now);
        self.pause(now, asked);
    }

    /// The end: what has a cause of its own is dropped for it.
    pub(super) fn finish<S: Source<Cursor = C>>(&mut self, source: &S) {
        self.books.finish(source.held(), source.ledger());
        self.is_done = true;
    }

    fn accepted<S: Source<Cursor = C>>(&mut self, now: Now, flight: &Flight<C>, rejected: u64, source: &mut S) {
        // Which points were rejected is not said: the heaviest, so that what counts as sent never claims too much.
        let from = self.cycle.filter(|_| rejected != 0).map(|cycle| cycle.place);
        let requests = from.map_or(0, |from| source.weights(from, flight.part.next).heaviest(rejected));
        self.books.accepted(&flight.part, requests, source.ledger());
        self.pass(&flight.part, source);
        self.size.accepted(now);
        self.timing.went_well();
        self.rest = Cause::Deadline;
        match rejected {
            0 => self.course.went_well(),
            _ => self.course.failed(now.tick),
        }
    }

    /// The receiver will not take it, or does not say so: the next part goes on at once.
    fn refused<S: Source<Cursor = C>>(&mut self, now: Now, flight: &Flight<C>, cause: Cause, source: &mut S) {
        self.attempt_failed(now);
        self.rest = cause;
        self.books.lost(cause, &flight.part, source.ledger());
        self.pass(&flight.part, source);
    }

    fn too_large<S: Source<Cursor = C>>(&mut self, now: Now, flight: &Flight<C>, source: &mut S) {
        match self.size.too_large(flight.part.bytes(), flight.part.points, now) {
            TooLarge::Halved => self.attempt_failed(now),
            TooLarge::Item => self.refused(now, flight, Cause::TooLarge, source),
            TooLarge::Everything => {
                self.refused(now, flight, Cause::Refused, source);
                self.pause(now, Duration::ZERO);
            }
        }
    }

    /// It went out, and no answer came.
    fn silent<S: Source<Cursor = C>>(&mut self, now: Now, flight: &Flight<C>, source: &mut S) {
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

    /// The same bytes are not sent again. Values that move are cut anew; those that are frozen may have arrived.
    fn give_up<S: Source<Cursor = C>>(&mut self, flight: &Flight<C>, source: &mut S) {
        if self.limits.is_delta {
            self.books.lost(Cause::Unconfirmed, &flight.part, source.ledger());
            self.pass(&flight.part, source);
        } else if let Some(cycle) = &mut self.cycle {
            cycle.silences = 0;
        }
    }

    /// A part is settled: the one after it comes next.
    pub(super) fn pass<S: Source<Cursor = C>>(&mut self, part: &Piece<C>, source: &mut S) {
        if let Some(cycle) = &mut self.cycle {
            source.settle(cycle.place, part.next);
            cycle.pass(part);
        }
    }

    fn note_arrival(&mut self, flight: &Flight<C>, may_have_arrived: bool) {
        if may_have_arrived && let Some(cycle) = &mut self.cycle {
            cycle.may_have_arrived();
            self.books.may_have_arrived(&flight.part);
        }
    }

    fn failed_to_reach(&mut self, now: Now) {
        self.attempt_failed(now);
        if !self.timing.was_cut_short(now) {
            self.rest = Cause::Unreachable;
        }
    }

    fn attempt_failed(&mut self, now: Now) {
        self.course.failed(now.tick);
        self.timing.failed();
    }

    /// Nothing goes out for a while. Where that is longer than the export may take, its attempts are over: the next one
    /// holds it all, but for a delta.
    fn pause(&mut self, now: Now, asked: Duration) {
        self.resumes = true;
        if self.timing.pause(now, asked) && !self.limits.is_delta {
            (self.cycle, self.is_again) = (None, false);
        }
    }
}
