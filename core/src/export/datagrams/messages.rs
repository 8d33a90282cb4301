//! Periodic messages that are no requests: gauges, and telemetry. No account has them.
//!
//! A round of them leaves at every interval, and a last one at the stop. What cannot leave waits; it is written when it
//! leaves, so that it shows how things are then.

use core::time::Duration;

use super::super::{Now, Tick};
use super::burst::Burst;
use super::source::{Ready, Room, Source};
use crate::batch::Written;
use crate::ledger::Cause;
use crate::segments::Call;
use crate::text::out::Full;

/// Messages of one kind after the other, written when they leave.
pub trait Messages {
    /// Whether there is anything to write in a round that begins now.
    fn begin(&mut self, now: Now) -> bool;

    /// Writes the messages after the first `skip` of this round to the front of `out`, as many as may share a datagram and
    /// fit; none are left where it says 0.
    ///
    /// # Errors
    /// [`Full`] where the first of them does not fit.
    fn encode(&mut self, skip: usize, now: Now, out: &mut [u8]) -> Result<Written, Full>;

    /// So many messages were taken, after the first `skip`.
    fn taken(&mut self, skip: usize, messages: usize);
}

/// When rounds leave, and how far the one under way has come.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    packet_bytes: usize,
    interval: Duration,
    due: Tick,
    /// The messages of this round that have left; `None` between rounds.
    passed: Option<usize>,
    /// Messages in what was packed last.
    packed: usize,
    has_ended: bool,
    left_out: u64,
}

impl Rounds {
    /// Packets of at most `packet_bytes`. The first interval begins at `start`.
    #[must_use]
    pub fn new(packet_bytes: usize, interval: Duration, start: Now) -> Self {
        let due = start.tick.after(interval);
        Self { packet_bytes, interval, due, passed: None, packed: 0, has_ended: false, left_out: 0 }
    }

    /// Messages that were left out because none of their packets would hold them, in each round anew.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    const fn pass(&mut self, messages: usize) {
        if let Some(passed) = &mut self.passed {
            *passed += messages;
        }
        self.packed = 0;
    }
}

/// Messages, and their rounds.
#[derive(Debug)]
pub struct Periodic<'s, M> {
    /// When they leave.
    pub rounds: &'s mut Rounds,
    /// What leaves.
    pub messages: &'s mut M,
}

impl<M: Messages> Source for Periodic<'_, M> {
    fn ready(&mut self, now: Now, is_last: bool) -> Ready {
        let rounds = &mut *self.rounds;
        let is_due = now.tick >= rounds.due || is_last && !rounds.has_ended;
        if rounds.passed.is_none() && is_due && !rounds.has_ended {
            // A round that took too long moves those that follow.
            rounds.due = rounds.due.after(rounds.interval).max(now.tick);
            rounds.has_ended = is_last;
            rounds.passed = self.messages.begin(now).then_some(0);
        }
        match (rounds.passed, is_last && rounds.has_ended) {
            (Some(_), _) => Ready::Burst(Burst::OF_BYTES),
            (None, false) => Ready::Waits { until: rounds.due, events: usize::MAX },
            (None, true) => Ready::Waits { until: Tick::NEVER, events: usize::MAX },
        }
    }

    fn pack(&mut self, now: Now, room: Room, out: &mut [u8]) -> Option<Call> {
        let rounds = &mut *self.rounds;
        let most = rounds.packet_bytes.min(out.len());
        loop {
            let passed = rounds.passed?;
            let within = self.messages.encode(passed, now, &mut out[..room.largest.min(most)]);
            // What does not even fit into less goes alone.
            let written = within.or_else(|Full| self.messages.encode(passed, now, &mut out[..most]));
            match written {
                Ok(Written { items: 0, .. }) => rounds.passed = None,
                Ok(Written { items, bytes }) => {
                    rounds.packed = items.into();
                    return Some(Call { bytes, segment: bytes, datagrams: 1 });
                }
                Err(Full) => {
                    rounds.left_out += 1;
                    rounds.pass(1);
                }
            }
        }
    }

    fn taken(&mut self, _: usize) -> u64 {
        if let Some(passed) = self.rounds.passed {
            self.messages.taken(passed, self.rounds.packed);
        }
        self.rounds.pass(self.rounds.packed);
        0
    }

    fn is_single(&self) -> bool {
        self.rounds.packed <= 1
    }

    fn is_too_large(&mut self) -> u64 {
        self.rounds.left_out += 1;
        self.rounds.pass(1);
        0
    }

    fn is_between(&self) -> bool {
        true
    }

    fn arrived(&mut self, _: u64, _: bool) {}

    fn refused(&mut self, _: u64, _: bool) {}

    fn abandon(&mut self, _: Cause) {
        (self.rounds.passed, self.rounds.has_ended) = (None, true);
    }
}
