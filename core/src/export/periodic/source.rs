//! Where the points of a periodic exporter come from.

use crate::formats::weights::Weights;
use crate::registry::account::AccountKind;
use crate::registry::ledger::Ledger;
use crate::request::sample::Timestamp;

/// What there is to send, in an order of its own. It is lent to the machine for one call.
///
/// Cumulative: points are read when they are written. Delta: they are frozen when a cycle begins, so that a cursor gives the
/// same points again and again.
pub trait ExportSource {
    /// A place in a cycle: which point comes next, and which times the points carry.
    type Cursor: Copy;

    /// Delta: the interval of the next cycle ends `now`, later than all before. It begins where the last one ended; one of which
    /// nothing was [settled](Self::settle) is extended to now. If the last one is not read whole, all of it is read again.
    fn end_interval(&mut self, _now: Timestamp) {}

    /// Delta: reads some of what the interval has, in as much time as other tasks can wait. Whether it is read whole.
    fn read_on(&mut self) -> bool {
        true
    }

    /// Begins a cycle at `now`; delta: over the interval that ended then and was read whole.
    fn begin(&mut self, now: Timestamp) -> Self::Cursor;

    /// The same place, from which on points carry the time `now`: for values that may have changed since an earlier body that
    /// may have arrived. What is frozen keeps its time.
    fn with_time(&self, place: Self::Cursor, now: Timestamp) -> Self::Cursor;

    /// The most bytes of the next body, where up to `limit` are sent: fewer where writing so many would take long.
    fn body_limit(&self, limit: usize) -> usize {
        limit
    }

    /// Writes a body of as many points as fit into `limit` bytes of `out`, or of a single one that needs more.
    fn write(&self, place: Self::Cursor, limit: usize, out: &mut [u8]) -> WriteOutcome<Self::Cursor>;

    /// How many requests, or observations, each point between two places stands for, before that part is settled. Values that
    /// change are those of now.
    fn weights(&self, from: Self::Cursor, to: Self::Cursor) -> Weights;

    /// The part of a cycle from one place to another is settled: it is not sent again. All parts are, one after another.
    fn settle(&mut self, from: Self::Cursor, to: Self::Cursor);

    /// The ledger that the requests are accounted in.
    fn ledger(&self) -> &Ledger;

    /// Requests that were recorded, and are neither sent nor dropped.
    fn held(&self) -> u64;

    /// The ledger that observations are accounted in; `None` where the source has none.
    fn observation_ledger(&self) -> Option<&Ledger> {
        None
    }

    /// Observations that were recorded, and are neither sent nor dropped.
    fn observations_held(&self) -> u64 {
        0
    }
}

/// What came of writing a body.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum WriteOutcome<C> {
    /// A body.
    Body(CyclePart<C>),
    /// Not even the next point fits into what was lent.
    TooSmall {
        /// Bytes of a buffer that is large enough.
        needs: usize,
        /// That point, in case it is left out.
        point: CyclePart<C>,
    },
    /// No point is left.
    Nothing,
    /// The turn is over, and no point was found before this place: there may be some after it.
    Passed(C),
}

/// A part of a cycle: a body, and the requests or the observations that it stands for.
#[derive(Clone, Copy, Debug)]
pub struct CyclePart<C> {
    /// Where in the buffer the body begins.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Its points.
    pub points: usize,
    /// Which of both it has: a body never has points of both.
    pub kind: AccountKind,
    /// Requests of its points of the counter, of which other points carry none; or observations of its points.
    pub recorded: u64,
    /// The place after it.
    pub next: C,
    /// Whether it is known that no point comes after it.
    pub is_last: bool,
}

impl<C> CyclePart<C> {
    /// Bytes of the body.
    pub(super) const fn bytes(&self) -> usize {
        self.end - self.start
    }
}
