//! Items that wait to be sent, first in, first out: what bodies for InfluxDB, and datagrams at intervals, are made of.

use crate::formats::weights::Weights;
use crate::registry::drop_reason::DropReason;
use crate::registry::ledger::Ledger;

use super::Now;

/// What was packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackedItems {
    /// Bytes at the front of the buffer.
    pub bytes: usize,
    /// Items in them.
    pub items: usize,
}

/// Accounts for items that leave and stand for `weights`: `lost` of them are dropped for `cause`. Which ones is not known, unless
/// all are: the heaviest count as lost.
pub(super) fn account(ledger: &Ledger, weights: &Weights, (items, lost): (usize, usize), cause: DropReason) {
    let lost = if lost < items { weights.heaviest(lost as u64) } else { weights.all() };
    ledger.add_dropped(cause, lost);
    ledger.add_sent(weights.all() - lost);
}

/// Items that wait to be sent, first in, first out: the events of a [`Sink`](crate::Sink), or the rows of an interval. They
/// are lent for one call. Nobody but the machine settles any; others may be added after them.
pub trait Items {
    /// Items that wait.
    fn len(&self) -> usize;

    /// Whether none waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes items, each a line of InfluxDB's protocol, joined by newlines, to the front of `out`: those from position
    /// `from` on, as many as fit, but at most `most`. It changes nothing: the same call writes the same bytes.
    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems;

    /// The first `items` are settled and leave: `lost` of them are dropped for `cause`, the others have arrived. Which of them
    /// are lost is not known, unless all are: where an item stands for several requests, count the heaviest as lost.
    fn settle(&mut self, items: usize, lost: usize, cause: DropReason);

    /// An interval ends now, for items that are made of what was counted: new ones are added, and those that wait are made
    /// anew up to now. None of those can have arrived. It is called only where [`Schedule::Intervals`] is set.
    ///
    /// [`Schedule::Intervals`]: super::posts::Schedule::Intervals
    fn freeze(&mut self, _now: Now) {}

    /// Whether something that the first item belongs to has arrived in part, so that no interval may end before the rest was
    /// tried.
    fn is_half_sent(&self) -> bool {
        false
    }

    /// Reads some of what such an interval has, in as much time as other tasks can wait. Whether it is read whole: none of its
    /// items is packed or settled before.
    fn read_on(&mut self) -> bool {
        true
    }
}
