//! Raw events: writing them while recording, and the pump that takes them out of the ring.

use loaddensity_metrics_core::{DefaultStorage, Event, Pump, Registry, Series, Sink};

use crate::clock::Stopwatch;
use crate::exporters::per_request;
use crate::other_memory::BetweenRequests;
use crate::recording::by_handle;
use crate::trace::{Trace, Traced};
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Events that a recorder's ring holds, as in the default storage.
pub(crate) const RING: usize = DefaultStorage::RING_EVENTS;
/// Events between two visits of the pump. They fit into the ring, which is walked round as an engine's is.
const VISIT: usize = 8_192;

/// Records requests while all per-request exporters are attached, and empties the ring at each visit. What counts is
/// either the recording or the emptying.
pub(crate) struct RawEvents<'a> {
    row: CostRow,
    registry: Registry<'a>,
    handles: &'a [Series],
    trace: &'a Trace,
    between: BetweenRequests<'a>,
    /// The memory of the exporters' sinks.
    buffers: Vec<Box<[Event]>>,
}

impl<'a> RawEvents<'a> {
    pub(crate) fn new(
        row: CostRow,
        (registry, handles): (Registry<'a>, &'a [Series]),
        trace: &'a Trace,
        between: BetweenRequests<'a>,
    ) -> Self {
        let buffers = per_request().map(|_| vec![Event::default(); VISIT].into_boxed_slice()).collect();
        Self { row, registry, handles, trace, between, buffers }
    }

    /// Records `requests` with the exporters attached; returns the events that were taken out.
    fn go(&mut self, pump: &mut Pump<'_>, requests: &[Traced], watch: &mut Stopwatch) -> u64 {
        let buffers = self.buffers.iter_mut().zip(per_request());
        let mut sinks: Vec<_> =
            buffers.map(|(buffer, exporter)| Sink::new(&mut buffer[..], pump.attach(exporter))).collect();
        let (mut recorder, handles) = (self.registry.recorder(), self.handles);
        let mut taken = 0;
        for requests in requests.chunks(VISIT) {
            let mut drain = || {
                pump.drain_slices(|events| {
                    sinks.iter_mut().for_each(|sink| _ = sink.offer_all(events));
                })
            };
            taken += if self.row == CostRow::Pump {
                by_handle(&mut recorder, handles, requests);
                watch.time(drain)
            } else {
                self.between.time(watch, requests, |requests| by_handle(&mut recorder, handles, requests));
                drain()
            };
            sinks.iter_mut().for_each(|sink| sink.confirm_front(VISIT));
        }
        taken
    }
}

impl CostMeasurement for RawEvents<'_> {
    fn row(&self) -> CostRow {
        self.row
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let (row, requests) = (self.row, self.between.requests(self.trace));
        let operations = requests.len() as u64;
        let Some(mut pump) = self.registry.pump() else {
            return row.expect("pumps", 1, 0).map(|()| RoundResult { operations: 0, bytes: 0, times: 0 });
        };
        let taken = self.go(&mut pump, requests, watch);
        let accounts: Vec<_> = per_request().map(|exporter| pump.detach(exporter)).collect();
        row.expect("events taken out of the ring", operations, taken)?;
        for account in accounts {
            row.expect("requests in an exporter's account", operations, account.recorded)?;
            row.expect("requests in an exporter's sink", operations, account.sent)?;
        }
        Ok(RoundResult { operations, bytes: 0, times: 1 })
    }
}
