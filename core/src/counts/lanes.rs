//! Counters of 16 bits, lanes, that carry into a word of 32 bits: exact up to 2^47 requests a lane, and read while they are
//! counted in.
//!
//! A lane has one writer. Each time it has counted half a turn, 2^15 requests, its wide word grows by one. The wide word
//! says how many half turns there were and the lane where in its turn it is, so that a reader which has both from the time
//! between two carries knows the total, whichever half the lane is in. Were it to carry at the full turn, a reader could
//! not tell a lane that has just begun a turn from one that begins it again.
//!
//! What a reader needs of the order of the stores is said at each; `sim/mutations/run model-lanes` shows that none of them
//! can go.

use crate::atomics::owned::{OwnedU16, OwnedU32, OwnedWord as _};
use crate::atomics::{AtomicU64, Ordering, fence};

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
    next.is_multiple_of(HALF_TURN)
}

/// Counts one in a lane that this thread alone writes, unless it must [`carry`] then: for whoever has a longer way for that.
/// Whether it was counted.
#[inline(always)]
pub(crate) fn count_between_carries(lane: &OwnedU16) -> bool {
    let next = (u64::from(lane.own_value()) + 1) % TURN;
    let is_between = !next.is_multiple_of(HALF_TURN);
    if is_between {
        // Relaxed, as in `count`.
        lane.store(next as u16, Ordering::Relaxed);
    }
    is_between
}

/// Counts half a turn in a lane's wide word. `wide_in_use` is the word of its cell that says that there are such.
pub(crate) fn carry(wide: &OwnedU32, wide_in_use: &AtomicU64) {
    // Relaxed: the fence below comes before the first lane that has begun a turn again.
    wide_in_use.store(1, Ordering::Relaxed);
    // Release: whoever sees the carry sees the half turn in the lane.
    wide.store(wide.own_value().wrapping_add(1), Ordering::Release);
    // Whoever sees a later value of the lane sees the carry.
    fence(Ordering::Release);
}

/// The total of a lane and its wide word. A lane that carries meanwhile is read again, which happens once in half a turn.
#[inline]
pub(crate) fn total(lane: &OwnedU16, wide: &OwnedU32) -> u64 {
    loop {
        // Acquire pairs with the release store in `carry`.
        let carried = wide.load(Ordering::Acquire);
        let in_turn = u64::from(lane.load(Ordering::Relaxed));
        // Pairs with the fence in `carry`: a lane from after it shows its carry to the next load.
        fence(Ordering::Acquire);
        if wide.load(Ordering::Relaxed) == carried {
            let half_turns = u64::from(carried).wrapping_mul(HALF_TURN);
            return half_turns.wrapping_add(in_turn.wrapping_sub(half_turns) % TURN);
        }
    }
}

/// Adds lanes to sums without their wide words. Right where [`were_narrow`] says so afterwards.
#[inline]
pub(crate) fn add_narrow(sums: &mut [u64], lanes: &[OwnedU16]) {
    each_narrow(sums, lanes, |sum, lane| *sum = sum.wrapping_add(lane));
}

/// The same for sums of which nothing is kept.
#[inline]
pub(crate) fn copy_narrow(sums: &mut [u64], lanes: &[OwnedU16]) {
    each_narrow(sums, lanes, |sum, lane| *sum = lane);
}

#[inline(always)]
fn each_narrow(sums: &mut [u64], lanes: &[OwnedU16], take: impl Fn(&mut u64, u64)) {
    // Relaxed: the fence in `were_narrow` comes after all of them.
    let take = |(sum, lane): (&mut u64, &OwnedU16)| take(sum, lane.load(Ordering::Relaxed).into());
    // Eight at a time: no compiler unrolls a loop over atomics.
    let (eights, rest) = lanes.as_chunks::<8>();
    let (sums_of_eights, sums_of_rest) = sums.split_at_mut_checked(8 * eights.len()).unwrap_or_default();
    for (sums, lanes) in sums_of_eights.as_chunks_mut::<8>().0.iter_mut().zip(eights) {
        sums.iter_mut().zip(lanes).for_each(take);
    }
    sums_of_rest.iter_mut().zip(rest).for_each(take);
}

/// The same as [`add_narrow`] for the lanes of four cells at once.
#[inline]
pub(crate) fn add_four_narrow(sums: &mut [u64], lanes: [&[OwnedU16]; 4]) {
    let load = |lane: &OwnedU16| u64::from(lane.load(Ordering::Relaxed));
    let [a, b, c, d] = lanes.map(<[_]>::iter);
    for (sum, (a, (b, (c, d)))) in sums.iter_mut().zip(a.zip(b.zip(c.zip(d)))) {
        let four = load(a) + load(b) + load(c) + load(d);
        *sum = sum.wrapping_add(four);
    }
}

/// Whether no lane of a cell had begun a turn again when lanes of it were read before.
#[inline(always)]
pub(crate) fn were_narrow(wide_in_use: &AtomicU64) -> bool {
    // Pairs with the fence in `carry`: a lane that has begun a turn again shows that wide words are in use.
    fence(Ordering::Acquire);
    wide_in_use.load(Ordering::Relaxed) == 0
}
