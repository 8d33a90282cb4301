//! A point that shows whether the server is well.

use heapless::Vec;

use crate::export::Random;
use crate::export::items::{Items, PackedItems};

/// Longest line that is kept; of longer ones none is, and points that wait are used instead.
const LONGEST: usize = 2_048;

/// Whether the line that is kept may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProbeLine {
    /// There is none.
    Nothing,
    /// It is in what is under way.
    Candidate,
    /// The server has accepted it, or has not answered. It overwrites itself, so it needs no account.
    Usable,
}

/// Where a probe came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeOrigin {
    /// A copy.
    Copy,
    /// The item that waits at this position.
    Waiting(usize),
}

/// What is sent as a probe: a copy of a point that was accepted; where there is none, the newest that waits, and after that
/// one drawn at random. The newest again and again would wait for ever once the buffer is full and the newest is bad.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    line: Vec<u8, LONGEST>,
    kept: ProbeLine,
    has_failed: bool,
}

impl Probe {
    pub(super) const fn new() -> Self {
        Self { line: Vec::new(), kept: ProbeLine::Nothing, has_failed: false }
    }

    /// A body goes out, whose first line may become the probe.
    pub(super) fn consider(&mut self, body: &[u8]) {
        if self.kept != ProbeLine::Usable {
            self.keep(body.split(|&byte| byte == b'\n').next().unwrap_or_default());
        }
    }

    /// What is under way was accepted.
    pub(super) fn accepted(&mut self) {
        self.is_usable();
        self.has_failed = false;
    }

    /// Nobody knows whether it was.
    pub(super) fn unanswered(&mut self) {
        self.is_usable();
    }

    /// The server has failed over the probe, or refused it.
    pub(super) fn failed(&mut self) {
        (self.kept, self.has_failed) = (ProbeLine::Nothing, true);
    }

    /// Writes a probe to the front of `out`; nothing where none fits.
    pub(super) fn pack<S: Items>(
        &mut self,
        items: &S,
        random: &mut Random,
        out: &mut [u8],
    ) -> Option<(PackedItems, ProbeOrigin)> {
        if let (ProbeLine::Usable, Some(room)) = (self.kept, out.get_mut(..self.line.len())) {
            room.copy_from_slice(&self.line);
            return Some((PackedItems { bytes: room.len(), items: 1 }, ProbeOrigin::Copy));
        }
        let newest = items.len().checked_sub(1)?;
        let position = if self.has_failed { random.below(newest + 1) } else { newest };
        let body = items.pack(position, 1, out);
        self.keep(out.get(..body.bytes)?);
        (body.items != 0).then_some((body, ProbeOrigin::Waiting(position)))
    }

    fn keep(&mut self, line: &[u8]) {
        self.line.clear();
        let fits = self.line.extend_from_slice(line).is_ok();
        self.kept = if fits && !line.is_empty() { ProbeLine::Candidate } else { ProbeLine::Nothing };
    }

    fn is_usable(&mut self) {
        if self.kept == ProbeLine::Candidate {
            self.kept = ProbeLine::Usable;
        }
    }
}
