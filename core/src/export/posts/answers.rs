//! What an answer, or its absence, means for what was sent, and which pause follows.

use core::time::Duration;

use super::{PostInFlight, PostMachine, ProbeOrigin, RetryPause};
use crate::export::items::{Items, PackedItems};
use crate::export::verdict::Said;
use crate::export::{BrokenCall, LONGEST_POST_PAUSE, Now, TooLarge};
use crate::registry::drop_reason::DropReason;

impl PostMachine {
    pub(super) fn answered<S: Items>(&mut self, now: Now, said: Said, items: &mut S) {
        match self.in_flight {
            PostInFlight::Body(body) => self.body_answered(now, said, body, items),
            PostInFlight::Probe(_, origin) => self.probe_answered(now, said, origin, items),
        }
    }

    fn body_answered<S: Items>(&mut self, now: Now, said: Said, body: PackedItems, items: &mut S) {
        match said {
            Said::Stored => {
                self.stored(now, body, 0, items);
                self.attempts.went_well();
            }
            Said::Partial { dropped } => {
                let lost = usize::try_from(dropped).unwrap_or(usize::MAX).min(body.items);
                self.stored(now, body, lost, items);
                self.attempts.failed(now.tick);
            }
            Said::Unclear => {
                self.not_stored(now, body, DropReason::Unconfirmed, items);
                self.drop_cause = DropReason::Deadline;
            }
            Said::Refused => self.not_stored(now, body, DropReason::Refused, items),
            Said::TooLarge => self.too_large(now, body, items),
            Said::Ill => {
                self.failed(now, DropReason::Unreachable);
                self.watermarks.failed(body.items);
                self.bisection.failed(body.items);
            }
            Said::Away { at_least, may_have_arrived } => {
                if may_have_arrived {
                    self.watermarks.silent(body.items);
                }
                self.away(now, at_least);
            }
        }
    }

    fn probe_answered<S: Items>(&mut self, now: Now, said: Said, origin: ProbeOrigin, items: &mut S) {
        match said {
            Said::Ill => {
                self.probe.failed();
                self.bisection.note_ill();
                self.failed(now, DropReason::Unreachable);
                return self.begin_pause(now, Duration::ZERO);
            }
            Said::Away { at_least, may_have_arrived } => {
                if may_have_arrived {
                    self.probe_may_have_arrived(origin, items);
                }
                return self.away(now, at_least);
            }
            Said::Stored => match origin {
                ProbeOrigin::Copy => self.probe.copy_accepted(),
                ProbeOrigin::Waiting(position) => {
                    self.watermarks.single(position);
                    self.probe.accepted(items, position);
                }
            },
            Said::Unclear => self.probe_may_have_arrived(origin, items),
            // The server is not ill.
            Said::Partial { .. } | Said::Refused | Said::TooLarge => {}
        }
        self.backoff.reset();
        if self.bisection.note_well() {
            self.drop_front(items, 1, DropReason::Refused, true);
            if self.bisection.given_up() {
                self.begin_pause(now, Duration::ZERO);
            }
        }
    }

    /// The connection is gone, without an answer to what was sent.
    pub(super) fn broken<S: Items>(&mut self, now: Now, broken: BrokenCall, items: &S) {
        let bytes = match self.in_flight {
            PostInFlight::Body(body) => {
                if broken.began {
                    self.watermarks.silent(body.items);
                }
                body.bytes
            }
            PostInFlight::Probe(body, origin) => {
                if broken.began {
                    self.probe_may_have_arrived(origin, items);
                }
                body.bytes
            }
        };
        if broken.kept {
            self.pause = Some(RetryPause { until: now.tick, is_asked_for: false });
        } else if broken.began {
            // Pauses do not grow while the next body is a smaller one.
            if self.size.silent(bytes, now) {
                self.backoff.reset();
            }
            self.fail_and_wait(now, Duration::ZERO);
        } else {
            self.away(now, Duration::ZERO);
        }
    }

    fn probe_may_have_arrived<S: Items>(&mut self, origin: ProbeOrigin, items: &S) {
        if let ProbeOrigin::Waiting(position) = origin {
            self.watermarks.single(position);
            self.probe.unanswered(items, position);
        }
    }

    /// The server has the items, but for `lost` of them.
    fn stored<S: Items>(&mut self, now: Now, body: PackedItems, lost: usize, items: &mut S) {
        let cause = if self.watermarks.may_hold(body.items) { DropReason::Unconfirmed } else { DropReason::Refused };
        if lost == 0 {
            self.probe.accepted(items, 0);
        }
        items.settle(body.items, lost, cause);
        self.watermarks.advance(body.items);
        self.bisection.accepted(body.items);
        self.size.accepted(now);
        self.backoff.reset();
        self.was_too_large = false;
        self.drop_cause = DropReason::Deadline;
    }

    /// The server has answered, and does not have the items, or does not say so.
    fn not_stored<S: Items>(&mut self, now: Now, body: PackedItems, cause: DropReason, items: &mut S) {
        self.bisection.forget();
        self.backoff.reset();
        self.failed(now, cause);
        self.drop_front(items, body.items, cause, false);
    }

    fn too_large<S: Items>(&mut self, now: Now, body: PackedItems, items: &mut S) {
        self.bisection.forget();
        self.failed(now, DropReason::TooLarge);
        match self.size.too_large(body.bytes, body.items, now) {
            TooLarge::Halved => self.pause = Some(RetryPause { until: now.tick, is_asked_for: false }),
            TooLarge::Item => {
                self.drop_front(items, body.items, DropReason::TooLarge, false);
                // Two in a row: the server may take nothing at all.
                if core::mem::replace(&mut self.was_too_large, true) {
                    self.begin_pause(now, Duration::ZERO);
                }
            }
            TooLarge::Everything => {
                self.drop_cause = DropReason::Refused;
                self.drop_front(items, body.items, DropReason::Refused, false);
                self.begin_pause(now, Duration::ZERO);
            }
        }
    }

    /// The server cannot be reached, or cannot take anything now.
    pub(super) fn away(&mut self, now: Now, at_least: Duration) {
        self.size.away();
        self.fail_and_wait(now, at_least);
    }

    fn fail_and_wait(&mut self, now: Now, at_least: Duration) {
        self.bisection.forget();
        let cause = if self.was_cut_short(now) { self.drop_cause } else { DropReason::Unreachable };
        self.failed(now, cause);
        self.begin_pause(now, at_least);
    }

    /// Whether only the stop ended the call, by its deadline or by a share of it: that says nothing about the server.
    fn was_cut_short(&self, now: Now) -> bool {
        let is_shortened = self.stopping.is_asked() && now.tick < self.expires;
        self.stopping.is_overdue(now) || (is_shortened && self.connection.is_late(now))
    }

    fn failed(&mut self, now: Now, cause: DropReason) {
        self.attempts.failed(now.tick);
        self.stopping.failed();
        self.drop_cause = cause;
    }

    fn begin_pause(&mut self, now: Now, at_least: Duration) {
        let pause = self.backoff.pause_of_at_least(at_least.min(LONGEST_POST_PAUSE), self.random.next());
        self.pause = Some(RetryPause { until: self.stopping.pause(now, pause), is_asked_for: !at_least.is_zero() });
    }

    /// Drops the first `count` items for `cause`, or as `unconfirmed` where they may have arrived. `alone`: the first item was
    /// sent alone and failed.
    pub(super) fn drop_front<S: Items>(&mut self, items: &mut S, mut count: usize, cause: DropReason, alone: bool) {
        while count != 0 {
            let (alike, may_have_arrived) = self.watermarks.front(count, alone);
            items.settle(alike, alike, if may_have_arrived { DropReason::Unconfirmed } else { cause });
            self.watermarks.advance(alike);
            count -= alike;
        }
    }
}
