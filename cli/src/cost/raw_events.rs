//! Raw events: writing them while recording, and the pump that takes them out of the ring.

use loaddensity_metrics_core::{Event, Exporter, Pump, Registry, Series, Sink};

use super::clock::Stopwatch;
use super::recording::by_handle;
use super::trace::Trace;
use super::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Events that a recorder's ring holds, as in the default storage.
pub(super) const RING: usize = 8_192;

const EXPORTERS: [Exporter; 2] = [Exporter::Influxdb, Exporter::Statsd];

/// Records the whole trace while two per-request exporters are attached, and empties the ring whenever it is full. What
/// counts is either the recording or the emptying.
pub(super) struct RawEvents<'a> {
    pub(super) row: CostRow,
    pub(super) registry: Registry<'a>,
    pub(super) handles: &'a [Series],
    pub(super) trace: &'a Trace,
    /// The memory of the two exporters' sinks.
    buffers: [Box<[Event]>; 2],
}

impl<'a> RawEvents<'a> {
    pub(super) fn new(row: CostRow, registry: Registry<'a>, handles: &'a [Series], trace: &'a Trace) -> Self {
        let buffers = EXPORTERS.map(|_| vec![Event::default(); RING].into_boxed_slice());
        Self { row, registry, handles, trace, buffers }
    }

    /// Goes through the trace with both exporters attached; returns the events that were taken out.
    fn go(&mut self, pump: &mut Pump<'_>, watch: &mut Stopwatch) -> u64 {
        let [influxdb, statsd] = &mut self.buffers;
        let [to_influxdb, to_statsd] = EXPORTERS.map(|exporter| pump.attach(exporter));
        let mut sinks = (Sink::new(&mut influxdb[..], to_influxdb), Sink::new(&mut statsd[..], to_statsd));
        let mut recorder = self.registry.recorder();
        let mut taken = 0;
        for requests in self.trace.requests.chunks(RING) {
            let mut record = || by_handle(&mut recorder, self.handles, requests);
            let mut drain = || {
                pump.drain_slices(|events| {
                    sinks.0.offer_all(events);
                    sinks.1.offer_all(events);
                })
            };
            taken += if self.row == CostRow::Pump {
                record();
                watch.time(drain)
            } else {
                watch.time(record);
                drain()
            };
            sinks.0.confirm_front(RING);
            sinks.1.confirm_front(RING);
        }
        taken
    }
}

impl CostMeasurement for RawEvents<'_> {
    fn row(&self) -> CostRow {
        self.row
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let (row, operations) = (self.row, self.trace.requests.len() as u64);
        let Some(mut pump) = self.registry.pump() else {
            return row.expect("pumps", 1, 0).map(|()| RoundResult { operations: 0, bytes: 0, times: 0 });
        };
        let taken = self.go(&mut pump, watch);
        let accounts = EXPORTERS.map(|exporter| pump.detach(exporter));
        row.expect("events taken out of the ring", operations, taken)?;
        for account in accounts {
            row.expect("requests in an exporter's account", operations, account.recorded)?;
            row.expect("requests in an exporter's sink", operations, account.sent)?;
        }
        Ok(RoundResult { operations, bytes: 0, times: 1 })
    }
}
