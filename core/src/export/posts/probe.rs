//! The probe: a point that shows whether the server is ill.

use heapless::Vec;

use crate::export::Random;
use crate::export::items::{Items, PackedItems};

/// The longest line that is kept. Where lines are longer, points that wait are used instead.
const LONGEST: usize = 2_048;

/// The state of the line that is kept for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProbeLine {
    /// There is none.
    Nothing,
    /// It is part of the body that is under way.
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

/// What is sent as a probe: a copy of a point that was accepted. Where there is none, it is the newest point that waits; if
/// that has failed, one that is drawn at random. With the newest alone a machine would wait for ever once the buffer is full
/// and the newest point is poison.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    line: Vec<u8, LONGEST>,
    state: ProbeLine,
    has_failed: bool,
}

impl Probe {
    pub(super) const fn new() -> Self {
        Self { line: Vec::new(), state: ProbeLine::Nothing, has_failed: false }
    }

    /// A body goes out, whose first line may become the probe.
    pub(super) fn consider(&mut self, body: &[u8]) {
        if self.state != ProbeLine::Usable {
            self.keep(body.split(|&byte| byte == b'\n').next().unwrap_or_default());
        }
    }

    /// What is under way was accepted.
    pub(super) fn accepted(&mut self) {
        self.is_usable();
        self.has_failed = false;
    }

    /// Nobody knows whether it was accepted.
    pub(super) fn unanswered(&mut self) {
        self.is_usable();
    }

    /// The server has failed over the probe.
    pub(super) fn failed(&mut self) {
        (self.state, self.has_failed) = (ProbeLine::Nothing, true);
    }

    /// Writes a probe to the front of `out`; `None` where none fits.
    pub(super) fn pack<S: Items>(
        &mut self,
        items: &S,
        random: &mut Random,
        out: &mut [u8],
    ) -> Option<(PackedItems, ProbeOrigin)> {
        if let (ProbeLine::Usable, Some(room)) = (self.state, out.get_mut(..self.line.len())) {
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
        self.state = if fits && !line.is_empty() { ProbeLine::Candidate } else { ProbeLine::Nothing };
    }

    fn is_usable(&mut self) {
        if self.state == ProbeLine::Candidate {
            self.state = ProbeLine::Usable;
        }
    }
}
