//! What tells the lines of a series apart: the bounds of the classic buckets as the label `le` shows them, or the outcome.
//!
//! LoadDensity's are floats as its Prometheus client prints them: with a fraction always, in exponents from a million
//! on (prometheus/client_python, utils.py, `floatToGoString`). From 10^10 on exponents have two digits, as Go's have;
//! that client writes three.

use heapless::Vec;

use super::family::Family;
use crate::counts::bounds::{BUCKETS, Bounds, Quantity};
use crate::wire::text::out::Full;

/// What comes between the labels of a series and the number, for each of its lines.
#[derive(Debug)]
pub(super) struct Fragments {
    /// Of all buckets, latency's before size's.
    buckets: [Fragment; BUCKETS],
    latency_buckets: usize,
}

/// `,le="5.0"} ` or `,outcome="success"} `, in an array that is copied whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment {
    pub(super) bytes: [u8; FRAGMENT_BYTES],
    length: usize,
}

/// The longest is `,le="1.125899906842624e+15"} `.
pub(super) const FRAGMENT_BYTES: usize = 32;

impl Fragments {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let latency_buckets = bounds.latency_buckets();
        let bucket = |bucket: usize| match bucket.checked_sub(latency_buckets) {
            None => of_bound(Quantity::Latency, bounds.latency_ns().get(bucket).copied()),
            Some(bucket) => of_bound(Quantity::Size, bounds.size().get(bucket).copied()),
        };
        Self { buckets: core::array::from_fn(|i| Fragment::of(&bucket(i))), latency_buckets }
    }

    /// The fragments of the lines of a series in `family`, in their order.
    pub(super) fn of(&self, family: Family) -> &[Fragment] {
        let (latency, size) = self.buckets.split_at_checked(self.latency_buckets).unwrap_or_default();
        match family {
            Family::Requests => &OUTCOMES,
            Family::Latency => latency,
            Family::Size => size,
        }
    }
}

impl Fragment {
    const fn of(text: &[u8]) -> Self {
        let (mut bytes, mut length) = ([0; FRAGMENT_BYTES], 0);
        while length < text.len() {
            bytes[length] = text[length];
            length += 1;
        }
        Self { bytes, length }
    }

    /// Its length in bytes; the minimum tells the compiler that it is not too long.
    #[inline(always)]
    pub(super) fn length(&self) -> usize {
        self.length.min(FRAGMENT_BYTES)
    }
}

const OUTCOMES: [Fragment; 2] = [Fragment::of(b",outcome=\"success\"} "), Fragment::of(b",outcome=\"failure\"} ")];

pub(super) type Le = Vec<u8, FRAGMENT_BYTES>;
/// Digits before the point from which on an exponent is written.
const EXPONENT_FROM: usize = 7;
/// Millionths below which an exponent is written.
const SMALL: u32 = 100;

/// The label of the bucket up to this bound, and what follows it, as a [`Fragment`] has them; past the last bound `+Inf`.
pub(super) fn of_bound(quantity: Quantity, bound: Option<u64>) -> Le {
    label(bound.map(|bound| match quantity {
        Quantity::Latency => (bound / 1_000_000, (bound % 1_000_000) as u32),
        Quantity::Size => (bound, 0),
    }))
}

/// The label of a number given as its whole part and its millionths; `+Inf` for none.
fn label(bound: Option<(u64, u32)>) -> Le {
    let mut text = Le::new();
    // The room was sized for the longest bound.
    let fits = put(&mut text, b",le=\"")
        .and_then(|()| match bound {
            None => put(&mut text, b"+Inf"),
            Some((whole, millionths)) => put_float(&mut text, whole, millionths),
        })
        .and_then(|()| put(&mut text, b"\"} "));
    debug_assert_eq!(fits, Ok(()));
    text
}

fn put_float(text: &mut Le, whole: u64, millionths: u32) -> Result<(), Full> {
    if whole == 0 && (1..SMALL).contains(&millionths) {
        return put_small(text, millionths);
    }
    let mut buffer = itoa::Buffer::new();
    let mut fraction = [0; 6];
    let mut rest = millionths;
    for digit in fraction.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let whole = buffer.format(whole).as_bytes();
    if whole.len() < EXPONENT_FROM {
        put(text, whole)?;
        put(text, b".")?;
        put(text, &fraction[..1])?;
        return put(text, trimmed(&fraction[1..]));
    }
    let mut digits: Vec<u8, 24> = Vec::new();
    digits.extend_from_slice(&whole[1..]).map_err(|_| Full)?;
    digits.extend_from_slice(&fraction).map_err(|_| Full)?;
    let exponent = whole.len() as u8 - 1;
    put(text, &whole[..1])?;
    let mantissa = trimmed(&digits);
    if !mantissa.is_empty() {
        put(text, b".")?;
        put(text, mantissa)?;
    }
    put(text, &[b'e', b'+', b'0' + exponent / 10, b'0' + exponent % 10])
}

/// Less than [`SMALL`] millionths, and not zero: `1e-06`, `5e-05`, `9.9e-05`.
fn put_small(text: &mut Le, millionths: u32) -> Result<(), Full> {
    let (tens, ones) = (b'0' + (millionths / 10) as u8, b'0' + (millionths % 10) as u8);
    match (tens, ones) {
        (b'0', _) => put(text, &[ones, b'e', b'-', b'0', b'6']),
        (_, b'0') => put(text, &[tens, b'e', b'-', b'0', b'5']),
        _ => put(text, &[tens, b'.', ones, b'e', b'-', b'0', b'5']),
    }
}

/// Without zeros at the end.
fn trimmed(digits: &[u8]) -> &[u8] {
    let end = digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    &digits[..end]
}

fn put(text: &mut Le, bytes: &[u8]) -> Result<(), Full> {
    text.extend_from_slice(bytes).map_err(|_| Full)
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String;

    #[test]
    fn bounds_look_as_the_original_writes_them() {
        // What `floatToGoString` of prometheus_client 0.21 answers.
        let table = [
            ((5, 0), "5.0"),
            ((0, 500_000), "0.5"),
            ((2, 250_000), "2.25"),
            ((10_000, 0), "10000.0"),
            ((100_000, 0), "100000.0"),
            ((1_000_000, 0), "1e+06"),
            ((1_048_576, 0), "1.048576e+06"),
            ((1_234_567, 890_000), "1.23456789e+06"),
            ((16_777_216, 0), "1.6777216e+07"),
            ((0, 100), "0.0001"),
            ((0, 99), "9.9e-05"),
            ((0, 50), "5e-05"),
            ((0, 1), "1e-06"),
            ((0, 0), "0.0"),
        ];
        for ((whole, millionths), expected) in table {
            let text = String::from_utf8(label(Some((whole, millionths))).to_vec()).unwrap();
            assert_eq!(text, std::format!(",le=\"{expected}\"}} "));
        }
        assert_eq!(label(None), b",le=\"+Inf\"} ");
        assert_eq!(label(Some((1 << 50, 0))), b",le=\"1.125899906842624e+15\"} ");
    }
}
