//! The numbers of a page, with what stands behind them.

use crate::request::sample::Timestamp;
use crate::wire::text::digits;
use crate::wire::text::piece::{Piece, Write};

/// An integer and the end of its line.
pub(super) struct Integer(pub(super) u64);

/// Nanoseconds as milliseconds, and the end of their line.
pub(super) struct Millis(pub(super) u64);

/// An integer alone.
pub(super) struct Count(pub(super) u64);

/// Nanoseconds as milliseconds, and a space.
pub(super) struct Latency(pub(super) u64);

/// A time in seconds since the Unix epoch, and the end of its line.
pub(super) struct Seconds(pub(super) Timestamp);

/// Room for the longest number, its newline, and what is copied behind it.
const NUMBER_BYTES: usize = 48;

impl Write<NUMBER_BYTES> for Integer {
    #[inline(always)]
    fn write(&self, piece: &mut Piece<'_, NUMBER_BYTES>) {
        piece.put_integer(self.0);
        piece.put(b"\n", 1);
    }
}

impl Write<NUMBER_BYTES> for Millis {
    #[inline(always)]
    fn write(&self, piece: &mut Piece<'_, NUMBER_BYTES>) {
        piece.put_millis(self.0);
        piece.put(b"\n", 1);
    }
}

impl Write<NUMBER_BYTES> for Count {
    fn write(&self, piece: &mut Piece<'_, NUMBER_BYTES>) {
        piece.put_integer(self.0);
    }
}

impl Write<NUMBER_BYTES> for Latency {
    fn write(&self, piece: &mut Piece<'_, NUMBER_BYTES>) {
        piece.put_millis(self.0);
        piece.put(b" ", 1);
    }
}

impl Write<NUMBER_BYTES> for Seconds {
    fn write(&self, piece: &mut Piece<'_, NUMBER_BYTES>) {
        // Digit by digit, because a float would lose the nanoseconds: 1700000000.123456789.
        let nanos = self.0.as_unix_nanos();
        piece.put_integer(nanos / NANOS_PER_SECOND);
        let digits = digits::padded((nanos % NANOS_PER_SECOND / 10) as u32);
        piece.put(b".", 1);
        piece.put(&digits, digits.len());
        piece.put(&[b'0' + (nanos % 10) as u8, b'\n'], 2);
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;
