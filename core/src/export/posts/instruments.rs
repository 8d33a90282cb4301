//! The rows of own instruments as items: one for each instrument and series that has observations, all of a series in one line.

use crate::formats::influxdb::{BodyLimits, InstrumentEncoder, InstrumentPlace, InstrumentRows, IntervalTimes};
use crate::registry::Registry;
use crate::registry::drop_reason::DropReason;
use crate::registry::ledger::Ledger;
use crate::request::sample::Timestamp;

use crate::export::Now;
use crate::export::items::{Items, PackedItems, account};
use crate::export::turn::series_in_a_turn;

/// What own instruments counted in each interval, in memory of the caller's. Where part of a body is lost and the server does
/// not say which part, the lines with the most observations count as lost.
#[derive(Debug)]
pub struct InstrumentPoints<'a, M> {
    registry: Registry<'a>,
    ledger: &'a Ledger,
    encoder: InstrumentEncoder<'a>,
    times: IntervalTimes,
    rows: InstrumentRows<'a, M>,
    at: Timestamp,
    /// No row before this place waits.
    first: InstrumentPlace,
    waiting: usize,
}

impl<'a, M: AsRef<[u64]> + AsMut<[u64]>> InstrumentPoints<'a, M> {
    /// Those of `rows`, which count in `ledger`, that of observations, as `encoder` writes them, at these times.
    #[must_use]
    pub fn new(
        registry: Registry<'a>,
        (rows, ledger): (InstrumentRows<'a, M>, &'a Ledger),
        (encoder, times): (InstrumentEncoder<'a>, IntervalTimes),
    ) -> Self {
        let (at, first) = (Timestamp::from_unix_nanos(0), InstrumentPlace::FIRST);
        Self { registry, ledger, encoder, times, rows, at, first, waiting: 0 }
    }
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> Items for InstrumentPoints<'_, M> {
    fn len(&self) -> usize {
        self.waiting
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let Some(place) = self.rows.place_after(self.first, from).filter(|_| most != 0) else {
            return PackedItems::default();
        };
        let limits = BodyLimits { points: most, ..BodyLimits::NONE };
        // One that does not fit is no item of the body.
        let packed = self.rows.pack(&self.encoder, place, self.at, limits, out).unwrap_or_default();
        PackedItems { bytes: packed.bytes, items: packed.rows }
    }

    fn settle(&mut self, items: usize, lost: usize, cause: DropReason) {
        let (weights, next) = self.rows.weights(self.first, items);
        self.rows.settle(self.first, next);
        // A server says how many lines are lost: no more than there are items.
        account(self.ledger, &weights, (items, lost), cause);
        (self.first, self.waiting) = (next, self.waiting - items.min(self.waiting));
    }

    fn freeze(&mut self, now: Now) {
        self.at = self.times.next(now.wall);
        self.rows.begin_to_freeze();
        (self.first, self.waiting) = (InstrumentPlace::FIRST, 0);
    }

    fn read_on(&mut self) -> bool {
        let is_read = self.rows.freeze_some(series_in_a_turn(self.registry.recorders_read()));
        if is_read {
            self.waiting = self.rows.waiting();
        }
        is_read
    }
}
