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
pub(crate) struct TextWriter<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl<'b> TextWriter<'b> {
    pub(crate) const fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
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

    #[inline]
    fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.length..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_leaves_the_cursor_where_it_was() {
        let mut buffer = [0; 4];
        let mut out = TextWriter::new(&mut buffer);
        out.put(b"abc").unwrap();
        assert_eq!((out.put(b"de"), out.len()), (Err(Full), 3));
        assert_eq!((out.put(b"d"), out.len()), (Ok(()), 4));
    }
}
