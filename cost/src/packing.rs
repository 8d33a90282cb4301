//! What a per-request exporter does between its sink and its socket: packing events into datagrams.

use std::hint::black_box;

use loaddensity_metrics_core::{Accounts, Event, EventEncoder, Exporter, Packer, Series, Sink};

use crate::clock::Stopwatch;
use crate::trace::Trace;
use crate::work::{CostMeasurement, CostRow, RoundResult, WrongResult};

/// Events of one round: the next ones of the trace.
const EVENTS: usize = 10_000;
/// Largest datagram, the default of `datagram_bytes` for InfluxDB.
pub(crate) const DATAGRAM_BYTES: usize = 1_400;

/// Packs events into datagrams that are as full as can be, and confirms them.
pub(crate) struct PackEvents<'a, E> {
    row: CostRow,
    packer: Packer<E>,
    sink: Sink<'a, Box<[Event]>>,
    /// The whole trace.
    events: Vec<Event>,
    /// Where in the trace the next round begins.
    next: usize,
    datagram: Vec<u8>,
}

impl<'a, E: EventEncoder> PackEvents<'a, E> {
    pub(crate) fn new(
        exporter: Exporter,
        accounts: Accounts<'a>,
        encoder: E,
        handles: &[Series],
        trace: &Trace,
    ) -> Self {
        let buffer = vec![Event::default(); EVENTS].into_boxed_slice();
        Self {
            row: CostRow::PerRequest(exporter),
            packer: Packer::new(encoder),
            sink: Sink::new(buffer, accounts.ledger(exporter)),
            events: trace.requests.iter().map(|request| Event::of(handles[request.series], request.sample)).collect(),
            next: 0,
            datagram: vec![0; DATAGRAM_BYTES],
        }
    }
}

/// Packs all that waits in `sink` into bodies that are as full as `body` can be, hands each over and confirms it. Returns
/// the bodies, and the events, items and bytes in them.
#[inline]
pub fn pack_all<E: EventEncoder, B: AsRef<[Event]> + AsMut<[Event]>>(
    packer: &mut Packer<E>,
    sink: &mut Sink<'_, B>,
    body: &mut [u8],
    mut deliver: impl FnMut(&[u8]),
) -> [u64; 4] {
    let mut sums = [0; 4];
    loop {
        let packed = packer.pack(sink, usize::MAX, body);
        if packed.items == 0 {
            return sums;
        }
        deliver(&body[..packed.bytes]);
        packer.confirm(sink, packed);
        for (sum, more) in sums.iter_mut().zip([1, packed.events, packed.items, packed.bytes]) {
            *sum += more as u64;
        }
    }
}

impl<E: EventEncoder> CostMeasurement for PackEvents<'_, E> {
    fn row(&self) -> CostRow {
        self.row
    }

    fn round(&mut self, watch: &mut Stopwatch) -> Result<RoundResult, WrongResult> {
        let end = self.events.len().min(self.next + EVENTS);
        let events = &self.events[self.next..end];
        let operations = events.len() as u64;
        let taken = self.sink.offer_all(events);
        self.next = if end == self.events.len() { 0 } else { end };
        self.row.expect("events in the sink", operations, taken as u64)?;
        let [times, packed, items, bytes] = watch.time(|| {
            pack_all(&mut self.packer, &mut self.sink, &mut self.datagram, |datagram| _ = black_box(datagram))
        });
        self.row.expect("events packed", operations, packed)?;
        self.row.expect("lines or messages", operations * u64::from(E::ITEMS), items)?;
        self.row.expect("datagrams without a byte", 0, (bytes < items).into())?;
        Ok(RoundResult { operations, bytes, times })
    }
}
