//! A 64-bit hash of bytes, and its parts: for finding series, and for telling cut names apart. Not for secrets.

use crate::atomics::words;

/// 2^64 divided by the golden ratio, and the multiplier of a linear congruential generator with good spectra.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
pub(crate) const MULTIPLIER: u64 = 0x5851_f42d_4c95_7f2d;

/// The hash of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    finish(feed(SEED, bytes))
}

/// Takes `bytes` into the state of a hash.
#[inline]
pub(crate) fn feed(state: u64, bytes: &[u8]) -> u64 {
    let start = mix(state ^ bytes.len() as u64);
    words::values(bytes).fold(start, |state, word| mix(state ^ word))
}

#[inline]
fn mix(state: u64) -> u64 {
    fold(state ^ SEED, MULTIPLIER)
}

/// Folding both halves of the product keeps every bit of both factors in play.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ (product >> 64) as u64
}

#[inline]
fn finish(state: u64) -> u64 {
    mix(state)
}
