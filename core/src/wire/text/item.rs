//! A cursor for the per-request formats, which write one short item after another.
//!
//! A copy of known length is a move or two, so a part is copied as the whole array that it lies in, and the cursor
//! advances by its length; the next part overwrites the rest. Where less room is left than the array takes, exactly
//! the part is copied. What [`TextWriter`](crate::wire::text::out::TextWriter) does for any text, this does for parts whose longest is known.

use crate::atomics::stored_text::StoredText;
use crate::wire::text::out::Full;
use crate::wire::text::short_text::ShortText;

/// Room for the longest number, a suffix of up to eight bytes, and what is copied with them.
const NUMBER_BYTES: usize = 48;

/// What is left of the caller's buffer.
pub(crate) struct ItemWriter<'b> {
    rest: &'b mut [u8],
}

impl<'b> ItemWriter<'b> {
    #[inline(always)]
    pub(crate) const fn new(buffer: &'b mut [u8]) -> Self {
        Self { rest: buffer }
    }

    /// Bytes that are left.
    #[inline(always)]
    pub(crate) const fn room(&self) -> usize {
        self.rest.len()
    }

    /// Appends `length` bytes, at most `N`, of `bytes`.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: &[u8; N], length: usize) -> Result<(), Full> {
        match self.rest.first_chunk_mut() {
            Some(room) => *room = *bytes,
            None => copy(bytes, length, self.rest)?,
        }
        self.advance(length)
    }

    /// Appends `bytes`, whose length is known.
    #[inline(always)]
    pub(crate) fn put_all<const N: usize>(&mut self, bytes: &[u8; N]) -> Result<(), Full> {
        self.put(bytes, N)
    }

    /// Appends `bytes`.
    #[inline(always)]
    pub(crate) fn put_exact(&mut self, bytes: &[u8]) -> Result<(), Full> {
        copy(bytes, bytes.len(), self.rest)?;
        self.advance(bytes.len())
    }

    /// Appends `bytes`, of which there are none usually.
    #[inline(always)]
    pub(crate) fn put_some(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if bytes.is_empty() { Ok(()) } else { self.put_exact(bytes) }
    }

    /// Appends an integer, and `suffix` after it.
    #[inline(always)]
    pub(crate) fn put_integer<const M: usize>(&mut self, value: u64, suffix: &[u8; M]) -> Result<(), Full> {
        self.put_piece::<NUMBER_BYTES>(|piece| {
            piece.put_integer(value);
            piece.put(suffix, M);
        })
    }

    /// Appends nanoseconds as milliseconds, and `suffix` after them.
    #[inline(always)]
    pub(crate) fn put_millis<const M: usize>(&mut self, nanos: u64, suffix: &[u8; M]) -> Result<(), Full> {
        self.put_piece::<NUMBER_BYTES>(|piece| {
            piece.put_millis(nanos);
            piece.put(suffix, M);
        })
    }

    /// Appends a text that `write` writes into an empty piece: at most `N` bytes, less what its last part lies in beyond
    /// its length.
    #[inline(always)]
    pub(crate) fn put_piece<const N: usize>(&mut self, write: impl FnOnce(&mut ShortText<'_, N>)) -> Result<(), Full> {
        let mut own;
        let (room, is_own) = match self.rest.first_chunk_mut() {
            Some(room) => (room, false),
            None => {
                own = [0; N];
                (&mut own, true)
            }
        };
        let mut piece = ShortText::new(room);
        write(&mut piece);
        let length = piece.len();
        if is_own {
            let own = *room;
            copy(&own, length, self.rest)?;
        }
        self.advance(length)
    }

    /// Appends a text of an entry.
    #[inline(always)]
    pub(crate) fn put_text(&mut self, text: StoredText<'_>) -> Result<(), Full> {
        let length = text.copy_wide(self.rest).ok_or(Full)?;
        self.advance(length)
    }

    /// Appends a text of an entry with `bytes` in place of what it has at `at`.
    #[inline(always)]
    pub(crate) fn put_text_with<const N: usize>(
        &mut self,
        text: StoredText<'_>,
        at: usize,
        bytes: &[u8; N],
    ) -> Result<(), Full> {
        let length = text.copy_wide(self.rest).ok_or(Full)?;
        *self.rest.get_mut(at..).and_then(<[u8]>::first_chunk_mut).ok_or(Full)? = *bytes;
        self.advance(length)
    }

    /// Appends a text of an entry without the `N` bytes that it has at `at`; `false`, and the buffer holds nothing useful,
    /// where the whole text does not fit with what is copied after it.
    #[inline(always)]
    pub(crate) fn put_text_without<const N: usize>(&mut self, text: StoredText<'_>, at: usize) -> bool {
        let Some(left) = text.copy_wide(self.rest).and_then(|length| length.checked_sub(N)) else { return false };
        if at < left && !close_gap::<N>(self.rest, at, left) {
            return false;
        }
        self.advance(left).is_ok()
    }

    #[inline(always)]
    fn advance(&mut self, length: usize) -> Result<(), Full> {
        self.rest = core::mem::take(&mut self.rest).get_mut(length..).ok_or(Full)?;
        Ok(())
    }
}

/// Moves what is after the `N` bytes at `at` to where they are, until `end`; `false` where a part of `N` bytes is not there.
#[inline(never)]
fn close_gap<const N: usize>(room: &mut [u8], at: usize, end: usize) -> bool {
    let Some(mut parts) = room.get_mut(at..).map(|room| room.as_chunks_mut::<N>().0) else { return false };
    let mut moved = at;
    while moved < end {
        let [to, rest @ ..] = parts else { return false };
        let [from, ..] = rest else { return false };
        *to = *from;
        (parts, moved) = (rest, moved + N);
    }
    true
}

/// Copies exactly `length` bytes to the front of `room`.
#[cold]
#[inline(never)]
fn copy(bytes: &[u8], length: usize, room: &mut [u8]) -> Result<(), Full> {
    room.get_mut(..length).ok_or(Full)?.copy_from_slice(&bytes[..length]);
    Ok(())
}
