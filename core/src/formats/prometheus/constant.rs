//! The constant labels of a page, as its lines have them after those of a series.

use heapless::Vec;

use crate::labels::constant::{CONSTANT_BYTES, ConstantLabels};
use crate::labels::prometheus as labels;
use crate::wire::text::out::{Full, TextWriter};

/// Room for the text: every byte of a value may be escaped, and four bytes surround a label where its block has two.
pub(super) const TEXT_BYTES: usize = 2 * CONSTANT_BYTES;

/// `run="7",worker="w1"`, escaped once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ConstantText(Vec<u8, TEXT_BYTES>);

impl ConstantText {
    pub(super) fn new(constant: &ConstantLabels) -> Self {
        let mut text = Vec::new();
        // The room was sized for the longest labels with every byte escaped.
        let fits = constant.iter().try_for_each(|(name, value)| labels::put_label(&mut text, name, value));
        debug_assert_eq!(fits, Ok(()));
        Self(text)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and escaped values of a line's `own` labels, then of the constant ones whose names are not among them.
    pub(super) fn after<'l>(
        &'l self,
        own: impl Iterator<Item = EscapedLabel<'l>> + Clone,
    ) -> impl Iterator<Item = EscapedLabel<'l>> {
        own.clone().chain(self.rest(own))
    }

    /// Writes the same in braces; nothing where there are none.
    pub(super) fn put_after<'l>(
        &'l self,
        own: impl Iterator<Item = EscapedLabel<'l>> + Clone,
        out: &mut TextWriter<'_>,
    ) -> Result<(), Full> {
        let mut separator = b"{";
        for label in self.after(own) {
            put(separator, label, out)?;
            separator = b",";
        }
        if separator == b"," { out.put(b"}") } else { Ok(()) }
    }

    /// Writes the constant labels alone, those whose names are not among those of the text `own`, each with a comma before
    /// it. Out of line, so that it costs the lines of series nothing.
    #[inline(never)]
    pub(super) fn put_rest(&self, own: &[u8], out: &mut TextWriter<'_>) -> Result<(), Full> {
        self.rest(labels::pairs(own)).try_for_each(|label| put(b",", label, out))
    }

    fn rest<'l>(
        &'l self,
        own: impl Iterator<Item = EscapedLabel<'l>> + Clone,
    ) -> impl Iterator<Item = EscapedLabel<'l>> {
        labels::pairs(&self.0).filter(move |(name, _)| own.clone().all(|(other, _)| other != *name))
    }
}

/// A name and an escaped value.
type EscapedLabel<'l> = (&'l [u8], &'l [u8]);

fn put(separator: &[u8], (name, value): EscapedLabel<'_>, out: &mut TextWriter<'_>) -> Result<(), Full> {
    [separator, name, b"=\"", value, b"\""].into_iter().try_for_each(|part| out.put(part))
}
