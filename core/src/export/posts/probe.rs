//! The probe: a point that shows whether the server is ill.

use heapless::Vec;

use crate::export::Random;
use crate::export::items::{Items, PackedItems};

/// The longest line that is kept. Where lines are longer, points that wait are used instead.
const LONGEST: usize = 2_048;

/// What is known of the line that is kept for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProbeLine {
    /// There is none.
    Nothing,
    /// It was sent as a probe, and nobody knows whether it was accepted. It overwrites itself, so it needs no account.
    Unanswered,
    /// The server has accepted it.
    Accepted,
    /// The server has accepted it, and has failed over it later: it takes turns with points that wait.
    Doubted { is_next: bool },
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
/// and the newest point is poison. A copy that has failed is not forgotten, for all points that wait may be poison.
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

    /// The server has accepted the item at this position, of a body or as a probe.
    pub(super) fn accepted<S: Items>(&mut self, items: &S, position: usize) {
        self.has_failed = false;
        if self.state != ProbeLine::Accepted {
            self.keep(items, position, ProbeLine::Accepted);
        }
    }

    /// The server has accepted the copy.
    pub(super) fn copy_accepted(&mut self) {
        (self.state, self.has_failed) = (ProbeLine::Accepted, false);
    }

    /// The item at this position went out as a probe, and nobody knows whether it was accepted.
    pub(super) fn unanswered<S: Items>(&mut self, items: &S, position: usize) {
        if self.state == ProbeLine::Nothing {
            self.keep(items, position, ProbeLine::Unanswered);
        }
    }

    /// The server has failed over the probe.
    pub(super) fn failed(&mut self) {
        self.has_failed = true;
        self.state = match self.state {
            ProbeLine::Nothing | ProbeLine::Unanswered => ProbeLine::Nothing,
            ProbeLine::Accepted => ProbeLine::Doubted { is_next: false },
            ProbeLine::Doubted { is_next } => ProbeLine::Doubted { is_next: !is_next },
        };
    }

    /// Writes a probe to the front of `out`; `None` where none fits.
    pub(super) fn pack<S: Items>(
        &mut self,
        items: &S,
        random: &mut Random,
        out: &mut [u8],
    ) -> Option<(PackedItems, ProbeOrigin)> {
        let is_copy = !matches!(self.state, ProbeLine::Nothing | ProbeLine::Doubted { is_next: false });
        if let (true, Some(room)) = (is_copy, out.get_mut(..self.line.len())) {
            room.copy_from_slice(&self.line);
            return Some((PackedItems { bytes: room.len(), items: 1 }, ProbeOrigin::Copy));
        }
        let newest = items.len().checked_sub(1)?;
        let position = if self.has_failed { random.below(newest + 1) } else { newest };
        let body = items.pack(position, 1, out);
        (body.items != 0).then_some((body, ProbeOrigin::Waiting(position)))
    }

    fn keep<S: Items>(&mut self, items: &S, position: usize, state: ProbeLine) {
        // There is room for as many.
        let _ = self.line.resize_default(LONGEST);
        let packed = items.pack(position, 1, &mut self.line);
        self.line.truncate(packed.bytes);
        self.state = if packed.items == 0 { ProbeLine::Nothing } else { state };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::drop_reason::DropReason;

    /// One item, of these bytes.
    struct One(&'static [u8]);

    impl Items for One {
        fn len(&self) -> usize {
            1
        }

        fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
            match out.get_mut(..self.0.len()).filter(|_| from == 0 && most != 0) {
                None => PackedItems::default(),
                Some(room) => {
                    room.copy_from_slice(self.0);
                    PackedItems { bytes: room.len(), items: 1 }
                }
            }
        }

        fn settle(&mut self, _: usize, _: usize, _: DropReason) {}
    }

    /// Three items of a byte.
    struct Three;

    impl Items for Three {
        fn len(&self) -> usize {
            3
        }

        fn pack(&self, _: usize, _: usize, _: &mut [u8]) -> PackedItems {
            PackedItems { bytes: 1, items: 1 }
        }

        fn settle(&mut self, _: usize, _: usize, _: DropReason) {}
    }

    #[test]
    fn after_a_failure_each_point_that_waits_may_be_drawn() {
        let (mut probe, mut random, mut drawn) = (Probe::new(), Random::new(7), [false; 3]);
        probe.failed();
        for _ in 0..100 {
            let (_, origin) = probe.pack(&Three, &mut random, &mut [0]).expect("one that waits");
            if let ProbeOrigin::Waiting(position) = origin {
                drawn[position] = true;
            }
        }
        assert_eq!(drawn, [true; 3]);
    }

    fn sent(probe: &mut Probe, items: &One) -> ([u8; 4], ProbeOrigin) {
        let mut out = [0; 4];
        let (body, origin) = probe.pack(items, &mut Random::new(7), &mut out).unwrap();
        assert_eq!((body.bytes, body.items), (4, 1));
        (out, origin)
    }

    #[test]
    fn a_copy_that_has_failed_takes_turns_with_what_waits_until_it_is_accepted_again() {
        let (mut probe, poison) = (Probe::new(), One(b"evil"));
        probe.accepted(&One(b"good"), 0);
        for _ in 0..3 {
            assert_eq!(sent(&mut probe, &poison), (*b"good", ProbeOrigin::Copy));
            probe.failed();
            assert_eq!(sent(&mut probe, &poison), (*b"evil", ProbeOrigin::Waiting(0)));
            probe.failed();
        }
        probe.copy_accepted();
        probe.accepted(&poison, 0);
        assert_eq!(sent(&mut probe, &poison), (*b"good", ProbeOrigin::Copy), "one is enough");
    }

    #[test]
    fn what_nobody_answered_is_sent_again_until_it_fails() {
        let (mut probe, items) = (Probe::new(), One(b"news"));
        assert_eq!(sent(&mut probe, &items).1, ProbeOrigin::Waiting(0));
        probe.unanswered(&items, 0);
        assert_eq!(sent(&mut probe, &One(b"more")), (*b"news", ProbeOrigin::Copy));
        probe.failed();
        assert_eq!(sent(&mut probe, &One(b"more")), (*b"more", ProbeOrigin::Waiting(0)));
    }
}
