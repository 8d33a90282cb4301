//! One export: how far it has come, and whether any of it may have arrived.

use super::CyclePart;

/// A cycle under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle<C> {
    /// Which point comes next.
    pub(super) place: C,
    /// Whether some of it was settled or may have arrived: then it is not begun anew.
    pub(super) is_touched: bool,
    /// Whether the next body carries a new time: an earlier body of the same points may have arrived.
    pub(super) is_stale: bool,
    /// How often there was no answer to a body of the next points.
    pub(super) silences: u8,
}

impl<C: Copy> Cycle<C> {
    pub(super) const fn new(place: C) -> Self {
        Self { place, is_touched: false, is_stale: false, silences: 0 }
    }

    /// A part is settled: the one after it comes next.
    pub(super) fn advance(&mut self, part: &CyclePart<C>) {
        self.place = part.next;
        self.is_touched = true;
        (self.is_stale, self.silences) = (false, 0);
    }

    pub(super) fn may_have_arrived(&mut self) {
        (self.is_touched, self.is_stale) = (true, true);
    }
}

/// The body that was sent last.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExportInFlight<C> {
    pub(super) part: CyclePart<C>,
    /// The number of the attempt that sent it first.
    pub(super) sent_as: crate::export::Id,
}
