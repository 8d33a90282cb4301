//! Writing the next body of a cycle: when a cycle begins, and when it is complete.

use super::cycle::{Cycle, ExportInFlight};
use super::{ExportMachine, ExportSource, WriteOutcome};
use crate::export::turn::BETWEEN_TURNS;
use crate::export::{Id, Now, Tick};
use crate::registry::drop_reason::DropReason;
use crate::request::sample::Timestamp;

/// What came of writing the next body.
pub(super) enum NextBody {
    /// A body, in the buffer.
    Written,
    /// Nothing is to be sent now.
    Nothing,
    /// A larger buffer is wanted first.
    NeedsBuffer(usize),
    /// Other tasks have their turn until then.
    Later(Tick),
}

impl<C: Copy> ExportMachine<C> {
    /// At a stop, all that was counted is sent once more. What is left of the cycle under way is part of that.
    pub(super) fn begin_anew_at_a_stop(&mut self) {
        if self.timing.is_stopping() && !self.limits.is_delta && !self.is_final {
            (self.cycle, self.is_again, self.resumes) = (None, false, true);
        }
    }

    /// Writes the next body.
    pub(super) fn write_next<S: ExportSource<Cursor = C>>(
        &mut self,
        now: Now,
        source: &mut S,
        out: &mut [u8],
    ) -> NextBody {
        loop {
            let Some(cycle) = self.cycle_at(now, source) else { return NextBody::Nothing };
            let limit = source.body_limit(self.size.bytes());
            match source.write(cycle.cursor, limit, out) {
                WriteOutcome::Nothing => {
                    self.complete(now, source);
                    return NextBody::Nothing;
                }
                WriteOutcome::Passed(place) => {
                    self.cycle = Some(Cycle { cursor: place, ..cycle });
                    return NextBody::Later(now.tick.after(BETWEEN_TURNS));
                }
                WriteOutcome::Body(part) => {
                    let is_short = !part.is_last && out.len() < limit;
                    if let Some(bytes) = is_short.then(|| self.growth.ask(out.len(), 0, limit)).flatten() {
                        return NextBody::NeedsBuffer(bytes);
                    }
                    self.in_flight = Some(ExportInFlight { part, sent_as: Id::default() });
                    return NextBody::Written;
                }
                WriteOutcome::TooSmall { needs, point } => {
                    if needs <= self.limits.max_request_bytes
                        && let Some(bytes) = self.growth.ask(out.len(), needs, self.limits.max_request_bytes)
                    {
                        return NextBody::NeedsBuffer(bytes);
                    }
                    self.accounts.lost(DropReason::TooLarge, &point, source);
                    self.advance(&point, source);
                }
            }
        }
    }

    /// After a pause, a cycle of which nothing can have arrived is begun anew. Until when other tasks have their turn, where its
    /// interval is not read whole.
    pub(super) fn resume<S: ExportSource<Cursor = C>>(&mut self, now: Now, source: &mut S) -> Option<Tick> {
        if self.resumes && self.reading.is_none() {
            let is_due = self.timing.resume(now);
            match &mut self.cycle {
                // What was read at a later time is not shown as of an earlier one.
                Some(cycle) if cycle.is_touched => cycle.is_stale |= is_due,
                _ => {
                    let at = self.time(now);
                    source.end_interval(at);
                    self.reading = Some(at);
                }
            }
        }
        if let Some(at) = self.reading {
            if !source.read_on() {
                return Some(now.tick.after(BETWEEN_TURNS));
            }
            self.is_final = self.timing.is_stopping();
            self.accounts.begin();
            self.cycle = Some(Cycle::new(source.begin(at)));
        }
        (self.resumes, self.reading) = (false, None);
        None
    }

    /// Where the cycle goes on.
    fn cycle_at<S: ExportSource<Cursor = C>>(&mut self, now: Now, source: &S) -> Option<Cycle<C>> {
        let mut cycle = self.cycle?;
        if core::mem::take(&mut cycle.is_stale) {
            cycle.cursor = source.with_time(cycle.cursor, self.time(now));
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

    fn complete<S: ExportSource<Cursor = C>>(&mut self, now: Now, source: &mut S) {
        (self.cycle, self.resumes) = (None, true);
        self.timing.cycle_ended(now);
        if self.is_final {
            self.finish(source);
        }
    }
}
