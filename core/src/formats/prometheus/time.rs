//! Times as the text formats show them.

use crate::request::sample::Timestamp;
use crate::wire::text::digits;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;
use crate::wire::text::short_text::ShortText;

/// Appends a time in seconds since the Unix epoch, and the end of its line. Digit by digit, because a float would lose the
/// nanoseconds: `1700000000.123456789`.
pub(super) fn put_seconds(at: Timestamp, item: &mut ItemWriter<'_>) -> Result<(), Full> {
    let nanos = at.as_unix_nanos();
    item.put_piece(|piece: &mut ShortText<'_, SECONDS_BYTES>| {
        piece.put_integer(nanos / NANOS_PER_SECOND);
        let digits = digits::padded((nanos % NANOS_PER_SECOND / 10) as u32);
        piece.put(b".", 1);
        piece.put(&digits, digits.len());
        piece.put(&[b'0' + (nanos % 10) as u8, b'\n'], 2);
    })
}

/// Room for the longest time, its newline, and what is copied with them.
const SECONDS_BYTES: usize = 48;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
