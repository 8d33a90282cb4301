//! The one place that knows how much room is left: a cursor over the caller's buffer.

use core::fmt;

/// It does not fit into the room that is left. What was written before stays; nothing of the item counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer has no room left for the next item")
    }
}

impl core::error::Error for Full {}

/// Not even an empty buffer of this size holds the next item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSmall {
    /// A size in bytes that always suffices.
    pub needed: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the buffer is too small for the next item; {} bytes always suffice", self.needed)
    }
}

impl core::error::Error for TooSmall {}

/// Appends to a buffer from the front.
pub(crate) struct Out<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl<'b> Out<'b> {
    pub(crate) const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Takes back everything behind `length`.
    pub(crate) fn rewind(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.room().get_mut(..bytes.len()).ok_or(Full)?.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }

    pub(crate) fn put_integer(&mut self, value: u64) -> Result<(), Full> {
        self.put(itoa::Buffer::new().format(value).as_bytes())
    }

    /// Milliseconds as the shortest exact decimal: `42`, `0.137`, `7.9`.
    pub(crate) fn put_millis(&mut self, nanos: u64) -> Result<(), Full> {
        self.put_integer(nanos / NANOS_PER_MILLI)?;
        let mut rest = nanos % NANOS_PER_MILLI;
        if rest == 0 {
            return Ok(());
        }
        let mut decimals = *b".000000";
        for place in decimals[1..].iter_mut().rev() {
            *place += (rest % 10) as u8;
            rest /= 10;
        }
        let end = decimals.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        self.put(&decimals[..end])
    }

    /// The room that is left, for a writer that says by [`Self::advance`] how much it took.
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.length..]
    }

    #[inline]
    pub(crate) fn advance(&mut self, bytes: Option<usize>) -> Result<(), Full> {
        self.length += bytes.ok_or(Full)?;
        Ok(())
    }
}

const NANOS_PER_MILLI: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_exact_and_short() {
        for (nanos, text) in [
            (0, "0"),
            (1, "0.000001"),
            (137_000, "0.137"),
            (7_900_000, "7.9"),
            (42_000_000, "42"),
            (10_000_010, "10.00001"),
            (u64::MAX, "18446744073709.551615"),
        ] {
            let mut buffer = [0; 32];
            let mut out = Out::new(&mut buffer);
            out.put_millis(nanos).unwrap();
            let length = out.len();
            assert_eq!(core::str::from_utf8(&buffer[..length]), Ok(text));
        }
    }

    #[test]
    fn what_does_not_fit_leaves_the_cursor_where_it_was() {
        let mut buffer = [0; 4];
        let mut out = Out::new(&mut buffer);
        out.put(b"abc").unwrap();
        assert_eq!((out.put(b"de"), out.len()), (Err(Full), 3));
        assert_eq!((out.put(b"d"), out.len()), (Ok(()), 4));
    }
}
