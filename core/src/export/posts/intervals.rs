//! The rows of intervals as items: one point per series that has requests.

use crate::formats::influxdb::{BodyLimits, IntervalEncoder, IntervalRows, IntervalTimes, RowPlace};
use crate::formats::weights::Weights;
use crate::registry::Registry;
use crate::registry::drop_reason::DropReason;
use crate::registry::ledger::Ledger;
use crate::request::sample::Timestamp;

use crate::export::Now;
use crate::export::items::{Items, PackedItems, account};
use crate::export::turn::series_in_a_turn;

/// Points of what came in each interval, in memory of the caller's. Where part of a body is lost and the server does not say
/// which part, the points with the most requests count as lost.
#[derive(Debug)]
pub struct IntervalPoints<'a, M> {
    registry: Registry<'a>,
    ledger: &'a Ledger,
    encoder: IntervalEncoder<'a>,
    times: IntervalTimes,
    rows: IntervalRows<M>,
    at: Timestamp,
    /// No point before this place waits.
    first: RowPlace,
    waiting: usize,
}

impl<'a, M: AsRef<[u64]> + AsMut<[u64]>> IntervalPoints<'a, M> {
    /// Those of `rows`, which count in `ledger`, as `encoder` writes them, at these times.
    #[must_use]
    pub fn new(
        registry: Registry<'a>,
        (rows, ledger): (IntervalRows<M>, &'a Ledger),
        (encoder, times): (IntervalEncoder<'a>, IntervalTimes),
    ) -> Self {
        let at = Timestamp::from_unix_nanos(0);
        Self { registry, ledger, encoder, times, rows, at, first: RowPlace::FIRST, waiting: 0 }
    }
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Items for IntervalPoints<'_, M> {
    fn len(&self) -> usize {
        self.waiting
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let Some((place, _)) = self.rows.points(self.first).nth(from).filter(|_| most != 0) else {
            return PackedItems::default();
        };
        let limits = BodyLimits { points: most, ..BodyLimits::NONE };
        // One that does not fit is no item of the body.
        let packed = self.rows.pack(&self.encoder, place, self.at, limits, out).unwrap_or_default();
        PackedItems { bytes: packed.bytes, items: packed.points }
    }

    fn settle(&mut self, items: usize, lost: usize, cause: DropReason) {
        let (mut weights, mut next) = (Weights::default(), self.first);
        for (place, requests) in self.rows.points(self.first).take(items) {
            weights.add(requests);
            next = place.next();
        }
        self.rows.settle(self.first, next);
        account(self.ledger, &weights, (items, lost), cause);
        (self.first, self.waiting) = (next, self.waiting - items.min(self.waiting));
    }

    fn freeze(&mut self, now: Now) {
        self.at = self.times.next(now.wall);
        self.rows.begin_to_freeze();
        (self.first, self.waiting) = (RowPlace::FIRST, 0);
    }

    fn read_on(&mut self) -> bool {
        let is_read = self.rows.freeze_some(self.registry, series_in_a_turn(self.registry.recorders_read()));
        if is_read {
            self.waiting = self.rows.points(RowPlace::FIRST).count();
        }
        is_read
    }
}
