//! A 64-bit hash over words: for finding series, and for telling cut names apart. Not for secrets.

use crate::words;

/// 2^64 divided by the golden ratio, and the multiplier of a linear congruential generator with good spectra.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const MULTIPLIER: u64 = 0x5851_f42d_4c95_7f2d;

/// The hash of `bytes`.
pub(crate) fn of(bytes: &[u8]) -> u64 {
    finish(feed(SEED, bytes))
}

/// The hash of the parts of a series' key.
#[inline]
pub(crate) fn of_key(method: &str, name: &str, labels: &[u8]) -> u64 {
    let mut state = feed(feed(SEED, method.as_bytes()), name.as_bytes());
    if !labels.is_empty() {
        state = feed(state, labels);
    }
    finish(state)
}

#[inline]
fn feed(state: u64, bytes: &[u8]) -> u64 {
    let start = mix(state ^ bytes.len() as u64);
    words::values(bytes).fold(start, |state, word| mix(state ^ word))
}

/// Folding both halves of the product keeps every bit of the word in play.
#[inline]
fn mix(state: u64) -> u64 {
    let product = u128::from(state ^ SEED) * u128::from(MULTIPLIER);
    (product as u64) ^ (product >> 64) as u64
}

#[inline]
fn finish(state: u64) -> u64 {
    mix(state)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::HashSet;
    use std::format;

    #[test]
    fn near_names_hash_apart_in_both_halves() {
        let names = || (0..100_000).map(|i| format!("/api/v1/items/{i:05}"));
        let whole: HashSet<u64> = names().map(|name| of_key("GET", &name, &[])).collect();
        assert_eq!(whole.len(), 100_000);
        for shift in [0, 32] {
            let half: HashSet<u32> = names().map(|name| (of_key("GET", &name, &[]) >> shift) as u32).collect();
            assert!(half.len() > 99_990, "{} of 100,000 halves differ", half.len());
        }
    }

    #[test]
    fn the_border_between_method_and_name_counts() {
        assert_ne!(of_key("GET", "x", &[]), of_key("GE", "Tx", &[]));
        assert_ne!(of(b"a"), of(b"a\0"));
    }
}
