//! Protobuf's wire format: a writer that works back to front, so that lengths are known when they are written, and a
//! small reader for answers. Source: protobuf.dev, "Encoding".

use crate::wire::text::out::Full;

/// Wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
/// Groups are no part of proto3, but what is not known is passed over, whatever it is.
const GROUP: u8 = 3;
const GROUP_END: u8 = 4;
const FIXED32: u8 = 5;

/// Tag of a varint field; all fields here are below 16, so that a tag is one byte.
pub(crate) const fn varint_tag(field: u8) -> u8 {
    field << 3 | VARINT
}

/// Tag of a field of eight bytes.
pub(crate) const fn fixed64_tag(field: u8) -> u8 {
    field << 3 | FIXED64
}

/// Tag of a field with a length.
pub(crate) const fn bytes_tag(field: u8) -> u8 {
    field << 3 | BYTES
}

/// Fills a buffer from its end to its front. Of the front, a reserve can be kept free.
pub(crate) struct ReverseWriter<'b> {
    buffer: &'b mut [u8],
    /// Where the bytes written so far begin.
    start: usize,
    reserve: usize,
}

impl<'b> ReverseWriter<'b> {
    pub(crate) const fn new(buffer: &'b mut [u8], reserve: usize) -> Self {
        let start = buffer.len();
        Self { buffer, start, reserve }
    }

    /// A place to measure from or to go back to.
    pub(crate) const fn mark(&self) -> usize {
        self.start
    }

    /// The mark of an empty buffer.
    pub(crate) const fn end_mark(&self) -> usize {
        self.buffer.len()
    }

    /// Takes back everything written since `mark`.
    pub(crate) fn rewind(&mut self, mark: usize) {
        self.start = mark;
    }

    /// Bytes written since `mark`.
    pub(crate) const fn since(&self, mark: usize) -> usize {
        mark - self.start
    }

    /// Allows writing into the reserve; returns it for [`Self::restore_reserve`].
    pub(crate) const fn release_reserve(&mut self) -> usize {
        core::mem::replace(&mut self.reserve, 0)
    }

    /// Keeps what is left of the reserve free again.
    pub(crate) const fn restore_reserve(&mut self, reserve: usize) {
        self.reserve = if reserve < self.start { reserve } else { self.start };
    }

    /// The room before what is written, where `length` bytes may be put there; [`Self::commit`] keeps them.
    #[inline]
    pub(crate) fn front(&mut self, length: usize) -> Result<FrontRoom<'_>, Full> {
        if self.start < self.reserve + length {
            return Err(Full);
        }
        self.buffer.get_mut(..self.start).map(FrontRoom).ok_or(Full)
    }

    /// Counts the last `length` bytes of [`Self::front`] as written.
    #[inline]
    pub(crate) const fn commit(&mut self, length: usize) {
        self.start = self.start.saturating_sub(length);
    }

    pub(crate) fn into_written(self) -> &'b [u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Puts `bytes` before what is written.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let start = self.start.checked_sub(bytes.len()).filter(|&start| start >= self.reserve).ok_or(Full)?;
        let room = self.buffer.get_mut(start..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(Full)?;
        room.copy_from_slice(bytes);
        self.start = start;
        Ok(())
    }

    /// Makes what was written since `mark` the content of field `field`: puts its length and tag before it.
    pub(crate) fn length_since(&mut self, mark: usize, field: u8) -> Result<(), Full> {
        self.varint(self.since(mark) as u64)?;
        self.put(&[bytes_tag(field)])
    }

    pub(crate) fn varint_field(&mut self, field: u8, value: u64) -> Result<(), Full> {
        self.varint(value)?;
        self.put(&[varint_tag(field)])
    }

    /// A field of eight bytes that is left out when it is zero, as proto3 demands.
    pub(crate) fn fixed64(&mut self, field: u8, value: u64) -> Result<(), Full> {
        if value == 0 { Ok(()) } else { self.put_forced_fixed64(field, value) }
    }

    /// A field of eight bytes that is `optional` or a member of a oneof: written even when it is zero.
    pub(crate) fn put_forced_fixed64(&mut self, field: u8, value: u64) -> Result<(), Full> {
        self.put(&value.to_le_bytes())?;
        self.put(&[fixed64_tag(field)])
    }

    /// A number without a tag.
    pub(crate) fn varint(&mut self, mut value: u64) -> Result<(), Full> {
        // Counts and lengths are short: no loop for those.
        if value < 1 << 7 {
            return self.put(&[value as u8]);
        }
        if value < 1 << 14 {
            return self.put(&[value as u8 | 0x80, (value >> 7) as u8]);
        }
        let mut bytes = [0; 10];
        let mut length = 0;
        loop {
            let more = value > 0x7f;
            bytes[length] = value as u8 & 0x7f | u8::from(more) << 7;
            length += 1;
            value >>= 7;
            if !more {
                return self.put(&bytes[..length]);
            }
        }
    }
}

/// A `sint32` as the varint that stands for it.
pub(crate) const fn zigzag(value: i32) -> u64 {
    ((value << 1) ^ (value >> 31)) as u32 as u64
}

/// Tag and length of a field of fewer than 16,384 bytes, and how many bytes at the end of the block they are.
#[inline]
pub(crate) const fn prefix(field: u8, length: usize) -> ([u8; 4], usize) {
    debug_assert!(length < 1 << 14);
    let (tag, low, high) = (bytes_tag(field) as u32, length as u32 & 0x7f, length as u32 >> 7);
    if high == 0 {
        ((tag << 16 | low << 24).to_le_bytes(), 2)
    } else {
        ((tag << 8 | (low | 0x80) << 16 | high << 24).to_le_bytes(), 3)
    }
}

/// Room that is filled from its end in blocks of known length. A block may spill: it may begin with bytes that the next
/// one overwrites. So copies need no loop and no call.
pub(crate) struct FrontRoom<'b>(&'b mut [u8]);

impl<'b> FrontRoom<'b> {
    /// Puts `block` at the end.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, block: &[u8; N]) -> Result<(), Full> {
        self.put_last(block, N)
    }

    /// Puts the last `length` bytes of `block` at the end.
    #[inline(always)]
    pub(crate) fn put_last<const N: usize>(&mut self, block: &[u8; N], length: usize) -> Result<(), Full> {
        *self.spill::<N>()? = *block;
        self.take(length).map(|_| ())
    }

    /// The last `N` bytes, which stay part of the room.
    #[inline(always)]
    pub(crate) fn spill<const N: usize>(&mut self) -> Result<&mut [u8; N], Full> {
        self.0.last_chunk_mut::<N>().ok_or(Full)
    }

    /// Chunks of `N` bytes before the last `AFTER`, which all stay part of the room.
    pub(crate) fn before<const AFTER: usize, const N: usize>(&mut self) -> &mut [[u8; N]] {
        let end = self.0.len().saturating_sub(AFTER);
        self.0[..end].as_rchunks_mut::<N>().1
    }

    /// Takes the last `length` bytes out of the room.
    #[inline(always)]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'b mut [u8], Full> {
        let room = core::mem::take(&mut self.0);
        let (room, end) = room.len().checked_sub(length).and_then(|at| room.split_at_mut_checked(at)).ok_or(Full)?;
        self.0 = room;
        Ok(end)
    }
}

/// Groups in groups that are passed over, as many as by prost.
const MOST_GROUPS: u8 = 100;

/// Reads a message field by field.
pub(crate) struct ProtobufReader<'m> {
    message: &'m [u8],
    position: usize,
}

impl<'m> ProtobufReader<'m> {
    pub(crate) const fn new(message: &'m [u8]) -> Self {
        Self { message, position: 0 }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.position >= self.message.len()
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.message.get(self.position)?;
            self.position += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn bytes(&mut self) -> Option<&'m [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let end = self.position.checked_add(length)?;
        let bytes = self.message.get(self.position..end)?;
        self.position = end;
        Some(bytes)
    }

    /// Passes over the content of a field whose tag has been read.
    pub(crate) fn skip(&mut self, tag: u64) -> Option<()> {
        self.skip_nested(tag, MOST_GROUPS)
    }

    /// The same where `depth` groups may lie in each other.
    fn skip_nested(&mut self, tag: u64, depth: u8) -> Option<()> {
        // There is no field 0.
        if tag < 8 {
            return None;
        }
        match (tag & 7) as u8 {
            VARINT => self.varint().map(|_| ()),
            BYTES => self.bytes().map(|_| ()),
            FIXED64 => self.advance(8),
            FIXED32 => self.advance(4),
            GROUP => self.skip_group(tag, depth.checked_sub(1)?),
            _ => None,
        }
    }

    /// Passes over the fields of a group, to the end that has its number.
    fn skip_group(&mut self, start: u64, depth: u8) -> Option<()> {
        loop {
            let tag = self.varint()?;
            if (tag & 7) as u8 == GROUP_END {
                return (tag >> 3 == start >> 3).then_some(());
            }
            self.skip_nested(tag, depth)?;
        }
    }

    fn advance(&mut self, bytes: usize) -> Option<()> {
        self.position = self.position.checked_add(bytes).filter(|&end| end <= self.message.len())?;
        Some(())
    }
}
