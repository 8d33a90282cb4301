//! Counters of 16 bits, lanes, that carry into a word of 64 bits: exact, and read while they are counted in.
//!
//! A lane has one writer. Each time it has counted half a turn, 2^15 requests, its wide word grows by one. The wide word
//! says how many half turns there were and the lane where in its turn it is, so that a reader which has both from the time
//! between two carries knows the total, whichever half the lane is in. Were it to carry at the full turn, a reader could
//! not tell a lane that has just begun a turn from one that begins it again.
//!
//! What a reader needs of the order of the stores is said at each; `ci/orderings.sh` shows that none of them can go.

use crate::atomics::owned::{OwnValue as _, OwnedU16, OwnedU64};
use crate::atomics::{AtomicU64, Ordering};
use crate::counts::orderings;

/// Requests that a lane counts between two carries.
pub(crate) const HALF_TURN: u64 = if cfg!(loom) { 2 } else { 1 << 15 };
/// Requests after which a lane begins again.
const TURN: u64 = 2 * HALF_TURN;

/// Counts one in a lane that this thread alone writes; whether it must [`carry`] now.
#[inline(always)]
pub(crate) fn count(lane: &OwnedU16) -> bool {
    let next = (u64::from(lane.own_value()) + 1) % TURN;
    // Relaxed: what a reader must see of it in order comes with the next carry.
    lane.store(next as u16, Ordering::Relaxed);
    next % HALF_TURN == 0
}

/// Counts half a turn in a lane's wide word. `wide_in_use` is the word of its cell that says that there are such.
pub(crate) fn carry(wide: &OwnedU64, wide_in_use: &AtomicU64) {
    // Relaxed: the fence below comes before the first lane that has begun a turn again.
    wide_in_use.store(1, Ordering::Relaxed);
    // Release: whoever sees the carry sees the half turn in the lane.
    wide.store(wide.own_value().wrapping_add(1), orderings::WIDE_STORE);
    // Whoever sees a later value of the lane sees the carry.
    orderings::fence_after_carry();
}

/// The total of a lane and its wide word. A lane that carries meanwhile is read again, which happens once in half a turn.
#[inline]
pub(crate) fn total(lane: &OwnedU16, wide: &OwnedU64) -> u64 {
    loop {
        // Acquire pairs with the release store in `carry`.
        let carried = wide.load(orderings::WIDE_LOAD);
        let in_turn = u64::from(lane.load(Ordering::Relaxed));
        // Pairs with the fence in `carry`: a lane from after it shows its carry to the next load.
        orderings::fence_before_second_look();
        if wide.load(Ordering::Relaxed) == carried {
            let half_turns = carried.wrapping_mul(HALF_TURN);
            return half_turns.wrapping_add(in_turn.wrapping_sub(half_turns) % TURN);
        }
    }
}

/// Copies lanes of a cell to `copy`, which has room for them, where none of the cell's wide words was in use; else returns
/// `false`, and what was copied is of no use.
#[inline(always)]
pub(crate) fn copy_narrow(lanes: &[OwnedU16], wide_in_use: &AtomicU64, copy: &mut [u16]) -> bool {
    if wide_in_use.load(Ordering::Relaxed) != 0 {
        return false;
    }
    for (copy, lane) in copy.iter_mut().zip(lanes) {
        *copy = lane.load(Ordering::Relaxed);
    }
    // Pairs with the fence in `carry`: a lane that has begun a turn again shows that wide words are in use.
    orderings::fence_after_copy();
    wide_in_use.load(Ordering::Relaxed) == 0
}
