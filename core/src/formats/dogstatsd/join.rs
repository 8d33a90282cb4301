//! Messages that are joined into packets here, and not by a [`Packer`](crate::Packer).

use crate::events::batch::Written;
use crate::wire::text::out::Full;

/// Writes as many of `messages` as fit, joined by newlines and ended by one if so wanted, to the front of `out`.
///
/// # Errors
/// [`Full`] where the first of them does not fit.
pub(super) fn join<M>(
    messages: impl Iterator<Item = M>,
    ends_with_newline: bool,
    out: &mut [u8],
    write: impl Fn(M, &mut [u8]) -> Result<usize, Full>,
) -> Result<Written, Full> {
    let mut written = Written::default();
    for message in messages {
        match append(out, written.bytes, ends_with_newline, |room| write(message, room)) {
            Ok(bytes) => written = Written { items: written.items + 1, bytes },
            Err(Full) if written.items == 0 => return Err(Full),
            Err(Full) => break,
        }
    }
    end(out, &mut written.bytes, ends_with_newline);
    Ok(written)
}

/// Writes one more message after the first `bytes` of `out`, with a newline between them; returns how many those are now.
/// Where the packet is to end with a newline, there is room for it.
pub(super) fn append(
    out: &mut [u8],
    bytes: usize,
    ends_with_newline: bool,
    write: impl FnOnce(&mut [u8]) -> Result<usize, Full>,
) -> Result<usize, Full> {
    let (start, end) = (bytes + usize::from(bytes != 0), out.len().saturating_sub(ends_with_newline.into()));
    let length = out.get_mut(start..end).ok_or(Full).and_then(write)?;
    out[bytes..start].fill(b'\n');
    Ok(start + length)
}

/// Ends a packet of `bytes`, unless it is empty.
pub(super) fn end(out: &mut [u8], bytes: &mut usize, ends_with_newline: bool) {
    if *bytes != 0 && ends_with_newline {
        out[*bytes] = b'\n';
        *bytes += 1;
    }
}
