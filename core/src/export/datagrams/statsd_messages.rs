//! What DogStatsD is told at intervals besides requests: the engine's gauges, and telemetry.

use super::super::Now;
use super::super::items::{Items, PackedItems};
use crate::events::batch::Written;
use crate::formats::dogstatsd::{GaugeMessageEncoder, Telemetry, TelemetryEncoder};
use crate::registry::drop_reason::DropReason;

/// The gauges of a registry and, if wanted, telemetry, each message an item. They are no requests, so no account counts
/// them.
///
/// Gauges have the values that they have when they leave. Telemetry is what came since the last telemetry that has left, so
/// that none of it is lost when some cannot leave.
pub struct StatsdMessages<'a, F> {
    gauges: GaugeMessageEncoder<'a>,
    telemetry: Option<(TelemetryEncoder, F)>,
    /// Messages of this interval, of which the first so many have left.
    waiting: (usize, usize),
    left: usize,
    /// Gauges that were sent since the start.
    sent: u64,
    /// What has left last, and what this interval has.
    told: Telemetry,
    done: Telemetry,
}

impl<'a, F: FnMut() -> Telemetry> StatsdMessages<'a, F> {
    /// Gauges, and telemetry that is what the function says, but for the number of gauges.
    pub fn new(gauges: GaugeMessageEncoder<'a>, telemetry: Option<(TelemetryEncoder, F)>) -> Self {
        let (told, done) = (Telemetry::default(), Telemetry::default());
        Self { gauges, telemetry, waiting: (0, 0), left: 0, sent: 0, told, done }
    }

    fn write(&self, first: usize, most: usize, out: &mut [u8]) -> Option<Written> {
        let (gauges, _) = self.waiting;
        if first < gauges {
            return self.gauges.encode(first, most.min(gauges - first), out).ok();
        }
        let (encoder, _) = self.telemetry.as_ref()?;
        encoder.encode(&self.done.since(&self.told), first - gauges, most, out).ok()
    }
}

impl<F: FnMut() -> Telemetry> Items for StatsdMessages<'_, F> {
    fn len(&self) -> usize {
        let (gauges, others) = self.waiting;
        (gauges + others).saturating_sub(self.left)
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let most = most.min(self.len().saturating_sub(from));
        let written = self.write(self.left + from, most, out).unwrap_or_default();
        PackedItems { bytes: written.bytes, items: written.items.into() }
    }

    fn settle(&mut self, items: usize, lost: usize, _: DropReason) {
        let gauges_left = self.waiting.0.saturating_sub(self.left);
        self.sent += items.min(gauges_left).saturating_sub(lost) as u64;
        self.left += items;
        if items != 0 && self.len() == 0 {
            self.told = self.done;
        }
    }

    fn freeze(&mut self, _: Now) {
        (self.waiting, self.left) = ((self.gauges.gauges(), 0), 0);
        if let Some((encoder, done)) = &mut self.telemetry {
            // The gauges of this interval leave before the telemetry.
            self.done = Telemetry { gauges: self.sent + self.waiting.0 as u64, ..done() };
            self.waiting.1 = encoder.messages(&self.done);
        }
    }
}
