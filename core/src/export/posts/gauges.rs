//! The engine's gauges as items: one point per interval, of which each gauge is a field.

use crate::formats::influxdb::{GaugeLineEncoder, IntervalTimes};
use crate::registry::drop_reason::DropReason;
use crate::request::sample::Timestamp;

use crate::export::Now;
use crate::export::items::{Items, PackedItems};

/// The gauges of a registry, each an item. They are no requests, so no account counts them. Once an interval has ended, their
/// earlier values are of no use: all of them are made anew.
#[derive(Clone, Debug)]
pub struct GaugePoints<'a> {
    encoder: GaugeLineEncoder<'a>,
    times: IntervalTimes,
    at: Timestamp,
    settled: usize,
    waiting: usize,
}

impl<'a> GaugePoints<'a> {
    /// Those that `encoder` writes, at these times.
    #[must_use]
    pub fn new(encoder: GaugeLineEncoder<'a>, times: IntervalTimes) -> Self {
        Self { encoder, times, at: Timestamp::default(), settled: 0, waiting: 0 }
    }
}

impl Items for GaugePoints<'_> {
    fn len(&self) -> usize {
        self.waiting
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let first = self.settled + from;
        let most = most.min(self.waiting.saturating_sub(from));
        let written = self.encoder.encode(first..first + most, self.at, out).unwrap_or_default();
        PackedItems { bytes: written.bytes, items: usize::from(written.items) }
    }

    fn settle(&mut self, items: usize, _lost: usize, _cause: DropReason) {
        self.settled += items;
        self.waiting -= items.min(self.waiting);
    }

    fn freeze(&mut self, now: Now) {
        self.at = self.times.next(now.wall);
        (self.settled, self.waiting) = (0, self.encoder.gauges());
    }
}
