//! When exports are due, how long pauses and calls last, and what a stop changes about that.

use core::time::Duration;

use super::ExportLimits;
use crate::export::{Backoff, LONGEST_EXPORT_PAUSE, Now, Random, Stopping, Tick};

/// The moments that the machine waits for.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    interval: Duration,
    timeout: Duration,
    export_timeout: Duration,
    stopping: Stopping,
    backoff: Backoff,
    random: Random,
    /// When the next export is due.
    due: Tick,
    /// When the attempts at the one under way end.
    expires: Tick,
    /// Until when nothing is done.
    until: Tick,
    /// Until when the receiver asked to be left alone.
    asked_until: Tick,
    /// When the call under way is given up.
    call_until: Tick,
    /// Whether a stop leaves that call less than its timeout.
    is_cut_short: bool,
    /// Whether the last attempt failed.
    has_failed: bool,
    /// Whether no attempt is made until the next export is due.
    is_between_exports: bool,
}

impl Timing {
    pub(super) fn new(limits: &ExportLimits, seed: u64, now: Now) -> Self {
        let due = now.tick.after(limits.interval);
        Self {
            interval: limits.interval,
            timeout: limits.timeout,
            export_timeout: limits.export_timeout.unwrap_or(Duration::MAX),
            stopping: Stopping::NOT_ASKED,
            backoff: Backoff::EXPORT,
            random: Random::new(seed),
            due,
            expires: Tick::NEVER,
            until: due,
            asked_until: now.tick,
            call_until: Tick::NEVER,
            is_cut_short: false,
            has_failed: false,
            is_between_exports: true,
        }
    }

    /// A stop is asked for: an ordinary pause ends at once.
    pub(super) fn stop(&mut self, now: Now, deadline: Tick) {
        if self.stopping.ask(deadline) {
            self.backoff = Backoff::EXPORT_AT_A_STOP;
            self.expires = Tick::NEVER;
            self.until = self.until.min(self.asked_until.min(self.stopping.pause(now, Duration::MAX)));
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_asked()
    }

    /// Whether a stop has no use for another attempt.
    pub(super) fn is_over(&self, now: Now, has_connected: bool) -> bool {
        self.stopping.is_asked() && (self.stopping.is_overdue(now) || self.stopping.gives_up(has_connected))
    }

    /// Until when nothing is done; `None` where that is over.
    pub(super) fn waits(&self, now: Now) -> Option<Tick> {
        Some(self.stopping.clamp(self.until)).filter(|until| now.tick < *until)
    }

    /// A pause is over. Whether the next export is due, and what goes on belongs to it.
    pub(super) fn resume(&mut self, now: Now) -> bool {
        if core::mem::take(&mut self.is_between_exports) && !self.is_stopping() {
            self.expires = now.tick.after(self.export_timeout);
        }
        let is_due = now.tick >= self.due;
        if is_due {
            self.due = now.tick.after(self.interval);
        }
        is_due
    }

    /// A cycle is complete: the next one begins when it is due, at a stop at once.
    pub(super) fn cycle_ended(&mut self, now: Now) {
        self.is_between_exports = true;
        self.until = if self.is_stopping() { now.tick } else { self.due };
    }

    /// When a call is given up that begins now. `is_followed`: more is to come after it.
    pub(super) fn call_deadline(&mut self, now: Now, is_followed: bool) -> Tick {
        let until = self.stopping.call(now, self.timeout, is_followed || self.has_failed);
        self.is_cut_short = until < now.tick.after(self.timeout);
        self.call_until = until.min(self.expires);
        self.call_until
    }

    /// When the call under way is given up, now that a stop was asked for.
    pub(super) fn shortened_deadline(&mut self, now: Now, is_followed: bool) -> Tick {
        let before = (self.call_until, self.is_cut_short);
        if self.call_deadline(now, is_followed) >= before.0 {
            (self.call_until, self.is_cut_short) = before;
        }
        self.call_until
    }

    pub(super) fn call_is_over(&self, now: Now) -> bool {
        now.tick >= self.call_until
    }

    /// Whether only the stop ended the call.
    pub(super) fn was_cut_short(&self, now: Now) -> bool {
        self.is_cut_short && self.call_is_over(now)
    }

    pub(super) fn went_well(&mut self) {
        self.has_failed = false;
        self.backoff.reset();
    }

    /// An attempt has failed.
    pub(super) fn failed(&mut self) {
        self.has_failed = true;
        self.stopping.failed();
    }

    /// A pause, of no less than the receiver asks for. Whether it takes longer than the export may.
    pub(super) fn pause(&mut self, now: Now, asked: Duration) -> bool {
        let asked = asked.min(LONGEST_EXPORT_PAUSE);
        let pause = self.backoff.pause_of_at_least(asked, self.random.next());
        self.asked_until = now.tick.after(asked);
        self.until = self.stopping.pause(now, pause);
        self.is_between_exports = self.until >= self.expires;
        if self.is_between_exports {
            self.until = self.asked_until.max(self.due);
        }
        self.is_between_exports
    }
}
