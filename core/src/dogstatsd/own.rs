//! Messages that belong to no series, joined into packets.

use crate::batch::Written;
use crate::text::out::Full;

/// Writes as many of `messages` as fit, joined by newlines, to the front of `out`.
///
/// # Errors
/// [`Full`] where the first of them does not fit.
pub(super) fn join<M>(
    messages: impl Iterator<Item = M>,
    out: &mut [u8],
    write: impl Fn(M, &mut [u8]) -> Result<usize, Full>,
) -> Result<Written, Full> {
    let mut written = Written::default();
    for message in messages {
        let start = written.bytes + usize::from(written.items != 0);
        match out.get_mut(start..).ok_or(Full).and_then(|room| write(message, room)) {
            Ok(length) => {
                if let Some(newline) = start.checked_sub(1).and_then(|before| out.get_mut(before)) {
                    *newline = b'\n';
                }
                written = Written { items: written.items + 1, bytes: start + length };
            }
            Err(Full) if written.items == 0 => return Err(Full),
            Err(Full) => break,
        }
    }
    Ok(written)
}
