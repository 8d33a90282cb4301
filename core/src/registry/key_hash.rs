//! The hash of a series' key. It is computed from the words that a look-up has read anyway.

use crate::hash::{self, MULTIPLIER, fold};
use crate::registry::key_words::{self, Block, KeyHead};
use crate::request::key::Key;

/// Constants that the words of a key are combined with, so that no ordinary text makes a factor of a multiplication
/// zero: the first bits of the fractional parts of the square roots of 2, 3, 5 and 7.
const KEYS: [u64; 4] = [0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1];

/// The hash of the rest of a key, for a key without a rest.
pub(crate) const NO_REST: (u64, u64) = (0, 0);

/// The hash of a key.
pub(crate) fn of_key(key: &Key<'_>, head: &KeyHead) -> u64 {
    of_head(if key_words::has_rest(key) { of_rest(key) } else { NO_REST }, head)
}

/// The hash of a key with this head, given the hash of its rest. It takes two long multiplications, and neither waits
/// for the result of the other.
#[inline(always)]
pub(crate) fn of_head((left, right): (u64, u64), head: &KeyHead) -> u64 {
    let [a, b, c, d] = head.name;
    fold(left ^ a ^ KEYS[0], b ^ KEYS[1]) ^ fold(right ^ c ^ mixed_method(head.method), d ^ head.lengths ^ KEYS[3])
}

/// The word of a method, changed so that the same text in a name has another value.
#[inline(always)]
pub(crate) const fn mixed_method(word: u64) -> u64 {
    word.wrapping_mul(MULTIPLIER)
}

fn of_rest(key: &Key<'_>) -> (u64, u64) {
    let state = of_name_rest(key.name);
    let (left, right) = key_words::method_rest(key.method).map_or(state, |[a, b, c]| absorb(state, [a, b, c, 0]));
    if key.labels.is_empty() { (left, right) } else { (hash::feed(left, key.labels), right) }
}

/// The hash of the rest of a key whose rest is only that of a long name.
#[inline]
pub(crate) fn of_name_rest(name: &str) -> (u64, u64) {
    key_words::name_rest(name).fold(NO_REST, absorb)
}

#[inline]
fn absorb((left, right): (u64, u64), [a, b, c, d]: Block) -> (u64, u64) {
    (fold(left ^ a ^ KEYS[0], b ^ KEYS[1]), fold(right ^ c ^ KEYS[2], d ^ KEYS[3]))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::request::key::{METHOD_BYTES, NAME_BYTES};
    use std::borrow::ToOwned;
    use std::collections::HashSet;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    fn key(method: &str, name: &str) -> u64 {
        let key = Key { method, name, labels: &[], cut: false };
        of_key(&key, &KeyHead::of(&key))
    }

    /// Checks that the hashes of these keys differ, and that no more of their halves collide than those of random
    /// numbers.
    fn check_spread(what: &str, keys: impl IntoIterator<Item = (String, String)>) {
        let hashes: Vec<u64> = keys.into_iter().map(|(method, name)| key(&method, &name)).collect();
        let count = hashes.len();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), count, "{what}");
        // Of n random numbers of 32 bits, about n²/2³³ collide with another. More than twice as many and ten show a bad
        // hash.
        let expected = count * count / (1 << 33);
        for shift in [0, 32] {
            let half: HashSet<u32> = hashes.iter().map(|hash| (hash >> shift) as u32).collect();
            let met = count - half.len();
            assert!(met <= 2 * expected + 10, "{what}: {met} of {count} halves from bit {shift} collide with another");
        }
        // The first place in an index comes from the upper bits of the lower half. No place of 1,024 may get far more
        // keys than its share.
        let mut places = [0_usize; 1_024];
        hashes.iter().for_each(|hash| places[((hash & u64::from(u32::MAX)) >> 22) as usize] += 1);
        let (fullest, share) = (places.into_iter().max().unwrap_or_default(), count / places.len());
        assert!(fullest <= 2 * share + 16, "{what}: {fullest} of {count} at one of 1,024 places");
    }

    #[test]
    fn similar_names_differ_in_both_halves_of_their_hashes() {
        let of = |number: usize, text: String| (["GET", "POST", "PUT", "DELETE"][number % 4].to_owned(), text);
        check_spread("numbers", (0..100_000).map(|i| of(0, format!("/api/v1/items/{i:05}"))));
        check_spread("numbers in the middle", (0..100_000).map(|i| of(i, format!("/api/v1/items/{i:05}/orders/page"))));
        check_spread("short numbers", (0..100_000).map(|i| of(i, format!("/{i}"))));
        check_spread("hundreds", (0..100_000).map(|i| of(0, format!("/shop/{i}00"))));
        check_spread("in long names", (0..100_000).map(|i| of(i, format!("{i:06}{}", "/customers/{id}".repeat(5)))));
        let pairs = || (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (char::from(a), char::from(b))));
        check_spread("two characters", pairs().map(|(a, b)| of(0, format!("{a}{b}"))));
        check_spread("two characters far apart", pairs().map(|(a, b)| of(0, format!("/a{a}/{:020}/{b}z", 0))));
        check_spread("of method and name", pairs().map(|(a, b)| (format!("M{a}"), format!("/{b}"))));
        check_spread("of lengths", (1..=NAME_BYTES).map(|length| of(0, "a".repeat(length))));
        check_spread("of zeros", (1..=NAME_BYTES).map(|length| of(0, "\0".repeat(length))));
    }

    #[test]
    fn keys_that_differ_only_in_where_the_method_ends_have_different_hashes() {
        let text = "GET/items/of/the/shop/and/of/its/other/branches";
        check_spread("borders", (1..=METHOD_BYTES).map(|at| (text[..at].to_owned(), text[at..].to_owned())));
        assert_ne!(key("GET", "x"), key("GE", "Tx"));
        assert_ne!(key("GET", "/only-a-word-or-PUT"), key("PUT", "/only-a-word-or-GET"));
        assert_ne!(hash::of(b"a"), hash::of(b"a\0"));
    }

    #[test]
    fn a_flipped_bit_flips_half_of_the_hash() {
        let (mut flipped, mut count) = ([0_u32; 64], 0);
        for name in ["/", "/items", "/api/v1/items/0001", "/api/v1/customers/{id}/orders/{id}/positions"] {
            // Only the lower seven bits of each character, so that the result is still text.
            for (at, bit) in (0..name.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
                let mut other = name.as_bytes().to_vec();
                other[at] ^= 1 << bit;
                let changed = key("GET", name) ^ key("GET", str::from_utf8(&other).unwrap());
                assert!((8..=56).contains(&changed.count_ones()), "{name}: bit {bit} of byte {at}: {changed:016x}");
                flipped.iter_mut().enumerate().for_each(|(i, sum)| *sum += (changed >> i & 1) as u32);
                count += 1;
            }
        }
        for (bit, times) in flipped.into_iter().enumerate() {
            assert!((count * 2 / 5..=count * 3 / 5).contains(&times), "bit {bit} flipped {times} times of {count}");
        }
    }
}
