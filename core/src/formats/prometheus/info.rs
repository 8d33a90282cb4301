//! Which run and worker a page is of: `loaddensity_run_info{run="nightly-7",worker="3",of="40"} 1`.

use heapless::Vec;

use super::constant::ConstantText;
use crate::labels::prometheus as labels;
use crate::wire::text::out::{Full, TextWriter};

/// As the text format and protobuf, which has no type `info` of its own, name it.
pub(super) const NAME: &str = "loaddensity_run_info";
pub(super) const HELP: &str = "Which run and worker the metrics are of";

/// Longest value of a label in bytes.
const VALUE_BYTES: usize = 64;
/// Room for the text of three labels: every byte of a value may be escaped.
const TEXT_BYTES: usize = 3 * ("worker=\"\",".len() + 2 * VALUE_BYTES);

/// The run and the worker that a page is of, as one series of value 1. As labels of every series they would make all
/// series new with every run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// `run="nightly-7",worker="3",of="40"`, escaped.
    text: Vec<u8, TEXT_BYTES>,
}

impl RunInfo {
    /// Of a run, at most 64 bytes long, of a worker, counted from 0, and of how many there are, as far as that is known.
    /// `None` where nothing is.
    ///
    /// # Errors
    /// [`Full`] where the name of the run is longer.
    pub fn new(run: Option<&str>, worker: Option<u32>, of: Option<u32>) -> Result<Option<Self>, Full> {
        if run.is_some_and(|run| run.len() > VALUE_BYTES) {
            return Err(Full);
        }
        let mut numbers = [itoa::Buffer::new(), itoa::Buffer::new()];
        let [first, second] = &mut numbers;
        let worker = worker.map(|worker| first.format(worker));
        let of = of.map(|of| second.format(of));
        let mut text = Vec::new();
        for (name, value) in [("run", run), ("worker", worker), ("of", of)] {
            let Some(value) = value else { continue };
            labels::put_label(&mut text, name, value)?;
        }
        Ok((!text.is_empty()).then_some(Self { text }))
    }

    /// All its lines, in the text format or in OpenMetrics, where a family of this type goes without `_info`.
    pub(super) fn write(
        &self,
        is_open_metrics: bool,
        constant: &ConstantText,
        out: &mut TextWriter<'_>,
    ) -> Result<(), Full> {
        let (family, kind) = if is_open_metrics { ("loaddensity_run", "info") } else { (NAME, "gauge") };
        for part in ["# HELP ", family, " ", HELP, "\n# TYPE ", family, " ", kind, "\n", NAME] {
            out.put(part.as_bytes())?;
        }
        constant.put_after(labels::pairs(&self.text), out)?;
        out.put(b" 1\n")
    }

    /// Its names and escaped values, and those of `constant` that have another name.
    pub(super) fn pairs<'i>(&'i self, constant: &'i ConstantText) -> impl Iterator<Item = (&'i [u8], &'i [u8])> {
        constant.after(labels::pairs(&self.text))
    }
}
