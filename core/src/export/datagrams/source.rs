//! Where datagrams come from.

use core::time::Duration;

use super::super::{Now, Tick};
use super::burst::Burst;
use crate::events::segments::Call;
use crate::registry::ledger::Cause;

/// What datagrams are made of, and the account that follows what becomes of them. Lent to the machine for one `poll`.
///
/// Packing takes nothing out. What was packed last is settled by [`taken`](Self::taken) or
/// [`is_too_large`](Self::is_too_large), or is packed again.
pub trait DatagramSource {
    /// What is to be sent now, if anything is. `is_last`: a stop was asked for, so that nothing comes any more.
    fn ready(&mut self, now: Now, is_last: bool) -> Ready;

    /// Packs the next call to the front of `out`; `None` where nothing is left of what was ready.
    fn pack(&mut self, now: Now, limits: CallLimits, out: &mut [u8]) -> Option<Call>;

    /// The kernel has taken the first `datagrams` of what was packed last. Returns how many requests they end that are
    /// held until [`arrived`](Self::arrived) or [`refused`](Self::refused) hears of them.
    fn taken(&mut self, datagrams: usize) -> u64;

    /// Whether the first datagram of what was packed last cannot be made smaller.
    fn is_single(&self) -> bool;

    /// The first datagram of what was packed last is too large, even alone. Returns what `taken` does, where what was
    /// taken before ends with it.
    fn is_too_large(&mut self) -> u64;

    /// Whether nothing is begun: what comes next may leave through another socket.
    fn is_between(&self) -> bool;

    /// A call that was taken has arrived, and with it `held` requests. `is_last`: it was the last that was taken of what is
    /// begun, if anything is.
    fn arrived(&mut self, held: u64, is_last: bool);

    /// The same, but it was refused: those requests are dropped as `unconfirmed`, and so is what else was in it.
    fn refused(&mut self, held: u64, is_last: bool);

    /// Nothing more is sent: what is left is dropped for `cause`.
    fn abandon(&mut self, cause: Cause);
}

/// What a source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// So much may leave now.
    Burst(Burst),
    /// It goes on once it is known what became of the last call.
    Unsettled,
    /// Nothing now.
    Waits {
        /// When it is to be asked again.
        until: Tick,
        /// How many requests must wait for it to be asked before that.
        events: usize,
    },
}

/// What a call may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Most datagrams, 1 or more.
    pub datagrams: usize,
    /// Bytes after which no other datagram begins.
    pub bytes: usize,
    /// Most bytes of a datagram of several items, as the socket has shown.
    pub largest: usize,
    /// Whether the socket takes several datagrams in a call.
    pub is_offloaded: bool,
}

/// When the interval ends that follows one which was to end at `due`. One that took too long moves those that follow.
pub(super) fn end_after(due: Tick, interval: Duration, now: Now) -> Tick {
    let interval = interval.max(Duration::from_nanos(1));
    let next = due.after(interval);
    if next > now.tick { next } else { now.tick.after(interval) }
}
