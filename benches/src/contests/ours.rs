//! Our event encoders as the contests run them: event by event into one buffer, and the way that the exporters take,
//! through a sink and a packer.

use loaddensity_metrics_core::{Event, EventEncoder, Exporter, HeapStorage, Ledger, Packer, Sink};
use loaddensity_metrics_cost::packing::pack_all;

use crate::batches::{BATCH, BatchRequest, BatchWriter, ROOM};

/// All items of one event after the other, each followed by a newline, into one buffer.
#[derive(Debug)]
pub struct Direct<E> {
    encoder: E,
    out: Vec<u8>,
}

impl<E: EventEncoder> Direct<E> {
    /// With this encoder.
    pub fn new(encoder: E) -> Self {
        Self { encoder, out: vec![0; ROOM] }
    }
}

impl<E: EventEncoder> BatchWriter for Direct<E> {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        let mut end = 0;
        for request in batch {
            let written = self.encoder.encode_items(&request.event, 0..E::ITEMS, &mut self.out[end..]);
            assert_eq!(written.items, E::ITEMS, "room for a batch");
            end += written.bytes;
            self.out[end] = b'\n';
            end += 1;
        }
        deliver(&self.out[..end]);
    }
}

/// Events that are offered at once: a few dozen, as the pump does.
const SLICE: usize = 64;

/// Events offered to a sink in slices, packed into bodies of a fixed size and confirmed.
#[derive(Debug)]
pub struct PackedBodies<E> {
    sink: Sink<'static, Vec<Event>>,
    packer: Packer<E>,
    body: Vec<u8>,
}

impl<E: EventEncoder> PackedBodies<E> {
    /// With this encoder, into bodies of `bytes` bytes.
    pub fn new(encoder: E, bytes: usize) -> Self {
        let sink = Sink::new(vec![Event::default(); BATCH], ledger());
        Self { sink, packer: Packer::new(encoder), body: vec![0; bytes] }
    }
}

impl<E: EventEncoder> BatchWriter for PackedBodies<E> {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        let mut slice = [Event::default(); SLICE];
        for requests in batch.chunks(SLICE) {
            let events = &mut slice[..requests.len()];
            events.iter_mut().zip(requests).for_each(|(event, request)| *event = request.event);
            assert_eq!(self.sink.offer_all(events), events.len(), "the sink holds a batch");
        }
        pack_all(&mut self.packer, &mut self.sink, &mut self.body, deliver);
    }
}

/// A ledger of nobody else's: contests run beside each other, and a registry has one pump.
fn ledger() -> &'static Ledger {
    let storage = Box::leak(Box::new(HeapStorage::classic(1, 1, 2).expect("a size that storage can have")));
    storage.registry().pump().expect("nobody else knows this storage").accounts().ledger(Exporter::Influxdb)
}
