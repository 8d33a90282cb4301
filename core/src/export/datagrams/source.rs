//! Where the datagrams of an exporter come from.

use core::time::Duration;

use super::super::{Now, Tick};
use super::burst::Burst;
use crate::events::segments::Call;
use crate::registry::drop_reason::DropReason;

/// What datagrams are made of, and the account that follows what becomes of them. Lent to the machine for one `poll`.
///
/// Packing takes nothing out. What was packed last is settled by [`taken`](Self::taken) or
/// [`drop_too_large`](Self::drop_too_large), or is packed again.
pub trait DatagramSource {
    /// What is to be sent now, if anything is. `is_last`: a stop was asked for, so that nothing new comes any more.
    fn ready(&mut self, now: Now, is_last: bool) -> Ready;

    /// Packs the next call to the front of `out`; `None` where nothing is left of what was ready.
    fn pack(&mut self, now: Now, limits: CallLimits, out: &mut [u8]) -> Option<Call>;

    /// The kernel has taken the first `datagrams` of what was packed last. Returns how many requests they end that are
    /// held until [`arrived`](Self::arrived) or [`lost`](Self::lost) is called for them.
    fn taken(&mut self, datagrams: usize) -> u64;

    /// Whether the first datagram of what was packed last cannot be made smaller.
    fn is_smallest(&self) -> bool;

    /// Drops the first datagram of what was packed last, which is too large even alone. Returns what [`taken`](Self::taken)
    /// does, where requests of which a part was taken before end with it.
    fn drop_too_large(&mut self) -> u64;

    /// Whether what comes next may leave through another socket: no request or interval is half sent.
    fn may_change_socket(&self) -> bool;

    /// A call that was taken has arrived, and with it `held` requests. `is_last`: it was the last call on the socket that goes
    /// on with what is half sent.
    fn arrived(&mut self, held: u64, is_last: bool);

    /// A call that was taken is lost: those requests are dropped for `cause`, and so is whatever else was in it.
    fn lost(&mut self, held: u64, is_last: bool, cause: DropReason);

    /// Nothing more is sent: drops all that is left for `cause`.
    fn abandon(&mut self, cause: DropReason);
}

/// What a source has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ready {
    /// So much may leave now.
    Burst(Burst),
    /// Nothing until it is known what became of the last call.
    Unsettled,
    /// Nothing until it is asked again, soon, after other tasks had their turn.
    Reads,
    /// Nothing for now.
    Waits {
        /// When it is to be asked again.
        until: Tick,
        /// How many requests must wait for it to be asked before that.
        events: usize,
    },
}

/// What a call may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// The most datagrams, 1 or more.
    pub datagrams: usize,
    /// Bytes after which no other datagram begins.
    pub bytes: usize,
    /// The most bytes of a datagram of several items, as the socket has shown.
    pub largest: usize,
    /// Whether the socket takes several datagrams in a call.
    pub is_offloaded: bool,
}

/// When the next interval ends, after one that was to end at `due`. If that took too long, those after it are moved.
pub(super) fn end_after(due: Tick, interval: Duration, now: Now) -> Tick {
    let interval = interval.max(Duration::from_nanos(1));
    let next = due.after(interval);
    if next > now.tick { next } else { now.tick.after(interval) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_keep_their_times_unless_one_is_late_by_another() {
        let at = |seconds: u64| Tick::from_nanos(seconds * 1_000_000_000);
        for (now, next) in [(10, 20), (13, 20), (19, 20), (20, 30), (24, 34)] {
            let now = Now { tick: at(now), ..Now::default() };
            assert_eq!(end_after(at(10), Duration::from_secs(10), now), at(next), "{now:?}");
        }
    }
}
