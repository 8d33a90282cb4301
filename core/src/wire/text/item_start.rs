//! What every item of an encoder begins with: a measurement, or a prefix and a metric's name.

use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// A text of at most `N - 1` bytes, and the newline that joins an item to the one before.
#[derive(Clone, Debug)]
pub(crate) struct ItemStart<const N: usize> {
    /// The newline first.
    bytes: [u8; N],
    /// Of the text.
    length: usize,
}

impl<const N: usize> ItemStart<N> {
    /// The `parts` one after another, as far as there is room for them.
    pub(crate) fn new(parts: &[&[u8]]) -> Self {
        let (mut bytes, mut length) = ([0; N], 0);
        if let Some((newline, room)) = bytes.split_first_mut() {
            *newline = b'\n';
            for (place, &byte) in room.iter_mut().zip(parts.iter().copied().flatten()) {
                *place = byte;
                length += 1;
            }
        }
        Self { bytes, length }
    }

    /// Bytes of the text.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    /// Begins an item.
    #[inline(always)]
    pub(crate) fn begin(&self, item: &mut ItemWriter<'_>) -> Result<(), Full> {
        put(&self.bytes[1..], self.length, item)
    }

    /// Begins an item after another one.
    #[inline(always)]
    pub(crate) fn join(&self, item: &mut ItemWriter<'_>) -> Result<(), Full> {
        put(&self.bytes, self.length + 1, item)
    }
}

/// Copies as much at once as the usual heads need.
#[inline(always)]
fn put(bytes: &[u8], length: usize, item: &mut ItemWriter<'_>) -> Result<(), Full> {
    match (bytes.first_chunk::<32>(), bytes.first_chunk::<64>()) {
        (Some(usual), _) if length <= usual.len() => item.put(usual, length),
        (_, Some(long)) if length <= long.len() => item.put(long, length),
        _ => item.put_exact(&bytes[..length]),
    }
}
