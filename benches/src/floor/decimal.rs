//! Numbers as the floors write them: integers by `itoa`, milliseconds from integers.

use crate::batches::BatchRequest;

/// How a floor writes a latency in milliseconds.
pub trait MillisFormat {
    /// Appends it to `out`.
    fn put(out: &mut Vec<u8>, request: &BatchRequest);
}

/// The exact decimal of a number of nanoseconds, as ours writes it.
#[derive(Clone, Copy, Debug)]
pub struct Nanos;

/// The exact decimal of a number of microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Micros;

/// Whole milliseconds, the rest cut off.
#[derive(Clone, Copy, Debug)]
pub struct Whole;

impl MillisFormat for Nanos {
    #[inline]
    fn put(out: &mut Vec<u8>, request: &BatchRequest) {
        let nanos = request.event.latency_ns;
        put(out, nanos / 1_000_000);
        let rest = (nanos % 1_000_000) as u32;
        if rest != 0 {
            let [a, b, c] = [rest / 10_000, rest / 100 % 100, rest % 100].map(|pair| PAIRS[pair as usize]);
            put_digits(out, [b'.', a[0], a[1], b[0], b[1], c[0], c[1], b'0']);
        }
    }
}

impl MillisFormat for Micros {
    #[inline]
    fn put(out: &mut Vec<u8>, request: &BatchRequest) {
        put(out, request.micros / 1_000);
        let rest = request.micros % 1_000;
        if rest != 0 {
            let [a, b] = [rest / 10, rest % 10 * 10].map(|pair| PAIRS[pair as usize]);
            put_digits(out, [b'.', a[0], a[1], b[0], b'0', b'0', b'0', b'0']);
        }
    }
}

impl MillisFormat for Whole {
    #[inline]
    fn put(out: &mut Vec<u8>, request: &BatchRequest) {
        put(out, request.micros / 1_000);
    }
}

/// Appends an integer.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends the digits without the zeros at their end.
#[inline]
fn put_digits(out: &mut Vec<u8>, digits: [u8; 8]) {
    let zeros = (u64::from_le_bytes(digits) ^ u64::from_le_bytes([b'0'; 8])).leading_zeros() / 8;
    out.extend_from_slice(&digits);
    out.truncate(out.len() - zeros as usize);
}

const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut i = 0;
    while i < 100 {
        pairs[i] = [b'0' + i as u8 / 10, b'0' + i as u8 % 10];
        i += 1;
    }
    pairs
};
