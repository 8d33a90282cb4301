//! The accounting: for every exporter, `recorded = sent + dropped (by reason) + held`, counted from its start.
//!
//! The ledgers are in the storage, so that the Prometheus page and the API can show them without asking the exporters.
//! An exporter writes to its own ledger. `recorded` is not written there: it is computed from what the recorders count.

use super::drop_reason::{DropReason, Dropped};
use crate::atomics::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    const_unless_loom, fence, zeros,
};

/// The running account of one exporter. The exporter's sink writes to it.
///
/// `sent` and `dropped` are written with release, and read with acquire before `recorded` is read. So a reader on
/// another thread never sees more sent than recorded.
#[derive(Debug)]
pub struct Ledger {
    state: AtomicU64,
    /// How the account counts since its last start: [`PER_EVENT`] or [`SUMS`].
    counting: AtomicU64,
    /// How many steps of starts and stops there have been.
    generation: AtomicU64,
    /// Requests that were recorded before the exporter's start.
    base_recorded: AtomicU64,
    /// Requests that full rings dropped before the exporter's start.
    base_ring_full: AtomicU64,
    /// Requests recorded until the exporter's stop.
    final_recorded: AtomicU64,
    sent: AtomicU64,
    held: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

/// States of a ledger.
const NEVER: u64 = 0;
const OPEN: u64 = 1;
const CLOSED: u64 = 2;
/// Nothing more is recorded, but what was recorded before may still be delivered.
const LINGERS: u64 = 3;

/// The exporter sends aggregates, and `recorded` comes from the registry's total.
pub(crate) const SUMS: u64 = 0;
/// The exporter sends every request, or observation, by itself, and `recorded` comes from the positions in their rings.
pub(crate) const PER_EVENT: u64 = 1;

impl Ledger {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self {
                state: AtomicU64::new(0),
                counting: AtomicU64::new(0),
                generation: AtomicU64::new(0),
                base_recorded: AtomicU64::new(0),
                base_ring_full: AtomicU64::new(0),
                final_recorded: AtomicU64::new(0),
                sent: AtomicU64::new(0),
                held: AtomicU64::new(0),
                dropped: zeros(),
            }
        }
    }

    /// `requests` have reached the backend.
    pub fn add_sent(&self, requests: u64) {
        self.sent.fetch_add(requests, Release);
    }

    /// The backend now has the first `total` requests of the registry, counted from when the storage was made. For
    /// exporters that send aggregates: `total` is what a page or an export contained.
    pub fn set_sent_total(&self, total: u64) {
        let most = match self.state.load(Acquire) {
            OPEN => u64::MAX,
            // Relaxed: it was stored before the state that the acquire has seen.
            LINGERS => self.final_recorded.load(Relaxed),
            // A page that is delivered after the account was closed changes nothing.
            _ => return,
        };
        let sent = total.saturating_sub(self.base_recorded.load(Relaxed));
        self.sent.fetch_max(sent.min(most), Release);
    }

    /// `requests` are lost, for `cause`.
    pub fn add_dropped(&self, cause: DropReason, requests: u64) {
        if requests != 0 {
            self.dropped[cause as usize].fetch_add(requests, Release);
        }
    }

    pub(crate) fn set_held(&self, requests: u64) {
        self.held.store(requests, Relaxed);
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// Starts the account again from zero. The order of the steps matters: in between, the account shows too little
    /// rather than too much.
    pub(crate) fn open(&self, counting: u64, recorded: u64, ring_full: u64) {
        for word in [&self.sent, &self.held].into_iter().chain(&self.dropped) {
            word.store(0, Relaxed);
        }
        self.step();
        self.counting.store(counting, Relaxed);
        self.base_recorded.store(recorded, Relaxed);
        self.base_ring_full.store(ring_full, Relaxed);
        self.state.store(OPEN, Release);
        self.step();
    }

    /// Freezes `recorded`, which is counted from when the storage was made. `sent` may still grow up to it.
    pub(crate) fn freeze(&self, recorded: u64) {
        self.final_recorded.store(recorded.saturating_sub(self.base_recorded.load(Relaxed)), Relaxed);
        self.state.store(LINGERS, Release);
        self.step();
    }

    /// Freezes `recorded`, unless it is frozen already, and `ring_full`. Both are counted from when the storage was
    /// made.
    pub(crate) fn close(&self, recorded: u64, ring_full: u64) {
        if self.is_open() {
            self.final_recorded.store(recorded.saturating_sub(self.base_recorded.load(Relaxed)), Relaxed);
        }
        self.state.store(CLOSED, Release);
        // Only after the account is closed: while it is open, readers add what the rings refused.
        let ring_full = ring_full.saturating_sub(self.base_ring_full.load(Relaxed));
        self.dropped[DropReason::RingFull as usize].store(ring_full, Release);
        self.step();
    }

    /// A number that changes with every start and stop. If it is the same before and after a reading, neither came
    /// between.
    pub(crate) fn generation(&self) -> u64 {
        // The fence keeps earlier reads before this load, and acquire keeps later reads after it.
        fence(Acquire);
        self.generation.load(Acquire)
    }

    fn step(&self) {
        self.generation.fetch_add(1, Release);
        // A reader that sees what is written next also sees this step.
        fence(Release);
    }

    /// Whether the exporter sends every request, or observation, by itself, and not aggregates.
    pub(crate) fn is_per_event(&self) -> bool {
        // Relaxed: a reader that meets an account while it is being opened reads it again.
        self.counting.load(Relaxed) == PER_EVENT
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Acquire) == OPEN
    }

    /// Whether requests that were recorded may still be sent.
    pub(crate) fn is_open_or_lingers(&self) -> bool {
        matches!(self.state.load(Acquire), OPEN | LINGERS)
    }

    /// Whether the exporter has ever been started.
    pub(crate) fn is_known(&self) -> bool {
        self.state.load(Acquire) != NEVER
    }

    /// Sent and dropped since the start. Read them before `recorded`, so that `recorded` is never less.
    pub(crate) fn outcome(&self) -> (u64, Dropped) {
        let dropped = Dropped(core::array::from_fn(|cause| self.dropped[cause].load(Acquire)));
        (self.sent.load(Acquire), dropped)
    }

    /// What was recorded since the start, and what full rings dropped of it. The arguments are the same two counts
    /// since the storage was made. Once the account is frozen, the first is the frozen number and the second is `None`.
    pub(crate) fn since_start(&self, recorded: u64, ring_full: u64) -> (u64, Option<u64>) {
        if matches!(self.state.load(Acquire), CLOSED | LINGERS) {
            return (self.final_recorded.load(Relaxed), None);
        }
        let recorded = recorded.saturating_sub(self.base_recorded.load(Relaxed));
        (recorded, Some(ring_full.saturating_sub(self.base_ring_full.load(Relaxed))))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_start_and_stop_is_a_step_after_which_the_ledger_says_what_it_is() {
        let ledger = Ledger::new();
        let says = || (ledger.is_known(), ledger.is_open(), ledger.is_open_or_lingers());
        assert_eq!(says(), (false, false, false));
        let steps: [(fn(&Ledger), _); 3] = [
            (|ledger| ledger.open(SUMS, 0, 0), (true, true, true)),
            (|ledger| ledger.freeze(0), (true, false, true)),
            (|ledger| ledger.close(0, 0), (true, false, false)),
        ];
        for (step, expected) in steps {
            let before = ledger.generation();
            step(&ledger);
            assert_eq!(says(), expected);
            assert!(ledger.generation() > before, "a reader in between reads again");
        }
    }
}
