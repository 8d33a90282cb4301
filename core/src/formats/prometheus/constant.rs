//! The constant labels of a page, as its lines have them after those of a series.

use heapless::Vec;

use crate::labels::constant::{CONSTANT_BYTES, ConstantLabels};
use crate::labels::prometheus as labels;
use crate::wire::text::out::{Full, TextWriter};

/// Room for the text: every byte of a value may be escaped, and four bytes surround a label where its block has two.
pub(super) const TEXT_BYTES: usize = 2 * CONSTANT_BYTES;

/// `,run="7",worker="w1"`, escaped once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ConstantText(Vec<u8, TEXT_BYTES>);

impl ConstantText {
    pub(super) fn new(constant: &ConstantLabels) -> Self {
        let mut text = Vec::new();
        // The room was sized for the longest labels with every byte escaped.
        let fits = constant.iter().try_for_each(|(name, value)| {
            text.push(b',').map_err(|_| Full)?;
            labels::put_label(&mut text, name, value)
        });
        debug_assert_eq!(fits, Ok(()));
        Self(text)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes those labels, each with a comma before it, whose names are not among `own`'s, which is a text of labels too.
    pub(super) fn put(&self, own: &[u8], out: &mut TextWriter<'_>) -> Result<(), Full> {
        self.put_where(|name| labels::pairs(own).all(|(other, _)| other != name), out)
    }

    /// The same for labels whose names these are.
    pub(super) fn put_except(
        &self,
        own: &(impl Iterator<Item = &'static str> + Clone),
        out: &mut TextWriter<'_>,
    ) -> Result<(), Full> {
        self.put_where(|name| own.clone().all(|other| other.as_bytes() != name), out)
    }

    fn put_where(&self, is_free: impl Fn(&[u8]) -> bool, out: &mut TextWriter<'_>) -> Result<(), Full> {
        for (name, value) in self.pairs().filter(|(name, _)| is_free(name)) {
            for part in [b",", name, b"=\"", value, b"\""] {
                out.put(part)?;
            }
        }
        Ok(())
    }

    /// Names and escaped values.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        labels::pairs(self.0.get(1..).unwrap_or_default())
    }
}
