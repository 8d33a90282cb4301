//! Cutting a cycle into bodies: where it is begun, and when it is complete.

use super::cycle::{Cycle, Flight};
use super::{Exports, Source, Wrote};
use crate::export::{Id, Now};
use crate::registry::ledger::Cause;
use crate::request::sample::Timestamp;

/// What came of cutting.
pub(super) enum Cut {
    /// A body, in the buffer.
    Body,
    /// Nothing is to be sent now.
    Nothing,
    /// A larger buffer is wanted first.
    Room(usize),
}

impl<C: Copy> Exports<C> {
    /// At a stop, all that was counted is sent once more: what is left of the cycle before is in it.
    pub(super) fn give_way_to_the_last(&mut self) {
        if self.timing.is_stopping() && !self.limits.is_delta && !self.is_final {
            (self.cycle, self.is_again, self.resumes) = (None, false, true);
        }
    }

    /// Cuts the next body.
    pub(super) fn cut<S: Source<Cursor = C>>(&mut self, now: Now, source: &mut S, out: &mut [u8]) -> Cut {
        loop {
            let Some(cycle) = self.cycle_at(now, source) else { return Cut::Nothing };
            let limit = self.size.bytes();
            match source.write(cycle.place, limit, out) {
                Wrote::Nothing => {
                    self.complete(now, source);
                    return Cut::Nothing;
                }
                Wrote::Body(part) => {
                    let is_short = !part.is_last && out.len() < limit;
                    if let Some(bytes) = is_short.then(|| self.room.ask(out.len(), 0, limit)).flatten() {
                        return Cut::Room(bytes);
                    }
                    self.flight = Some(Flight { part, sent_as: Id::default() });
                    return Cut::Body;
                }
                Wrote::TooSmall { needs, point } => {
                    if needs <= self.limits.max_request_bytes
                        && let Some(bytes) = self.room.ask(out.len(), needs, self.limits.max_request_bytes)
                    {
                        return Cut::Room(bytes);
                    }
                    self.books.lost(Cause::TooLarge, &point, source.ledger());
                    self.pass(&point, source);
                }
            }
        }
    }

    /// After a pause: a cycle of which nothing can have arrived is begun anew.
    pub(super) fn resume<S: Source<Cursor = C>>(&mut self, now: Now, source: &mut S) {
        if !core::mem::take(&mut self.resumes) {
            return;
        }
        let is_due = self.timing.resume(now);
        match &mut self.cycle {
            // What was read at a later time is not shown as of an earlier one.
            Some(cycle) if cycle.is_touched => cycle.is_stale |= is_due,
            _ => {
                self.is_final = self.timing.is_stopping();
                self.books.begin();
                self.cycle = Some(Cycle::new(source.begin(self.time(now))));
            }
        }
    }

    /// Where the cycle goes on.
    fn cycle_at<S: Source<Cursor = C>>(&mut self, now: Now, source: &S) -> Option<Cycle<C>> {
        let mut cycle = self.cycle?;
        if core::mem::take(&mut cycle.is_stale) {
            cycle.place = source.at(cycle.place, self.time(now));
        }
        self.cycle = Some(cycle);
        self.cycle
    }

    /// A time that no point had before.
    fn time(&mut self, now: Now) -> Timestamp {
        let next = self.last_time.as_unix_nanos().saturating_add(1);
        self.last_time = Timestamp::from_unix_nanos(now.wall.as_unix_nanos().max(next));
        self.last_time
    }

    fn complete<S: Source<Cursor = C>>(&mut self, now: Now, source: &mut S) {
        (self.cycle, self.resumes) = (None, true);
        self.timing.rest(now);
        if self.is_final {
            self.finish(source);
        }
    }
}
