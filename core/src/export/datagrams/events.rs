//! Datagrams of messages or points per event.

use super::super::{Now, Tick};
use super::burst::{BURSTS_OF_A_BACKLOG, Burst};
use super::source::{CallLimits, DatagramSource, Ready};
use crate::events::batch::{EventEncoder, Packed, Packer};
use crate::events::event::Event;
use crate::events::segments::{Call, Run, Window};
use crate::events::sink::Sink;
use crate::registry::drop_reason::DropReason;

/// The most items that are sorted at a time. The more there are, the more have one length: with some thirty lengths, 1,024
/// items make calls of thirty datagrams.
const WINDOW_ITEMS: usize = 1_024;
/// Bytes that are enough for their texts, of some 100 bytes each.
pub const WINDOW_BYTES: usize = 128 << 10;
const _: () = assert!(WINDOW_BYTES >= 100 * WINDOW_ITEMS, "see above");

/// How the events of a sink are packed into datagrams. It has some 12 KiB, besides the encoder and the texts.
///
/// `X` holds the texts of items that are sorted. Where none are, nothing is written to it.
#[derive(Debug)]
pub struct EventPacking<E, X> {
    packer: Packer<E>,
    /// Largest datagram in bytes.
    datagram_bytes: usize,
    /// Most items in one datagram.
    items: usize,
    offload: OffloadMode,
    window: Window<X, WINDOW_ITEMS>,
    run: Run,
    /// What was packed last.
    packed: LastPacked,
    items_per_datagram: usize,
    is_offloaded: bool,
}

/// How datagrams of one length are brought together for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OffloadMode {
    /// They are not: one datagram in a call.
    None,
    /// Items share datagrams, of which those of one length leave together.
    Runs,
    /// Each item is a datagram; those of one length leave together.
    Sorted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastPacked {
    One(Packed),
    Run,
    Sorted,
}

impl<E, X: AsRef<[u8]> + AsMut<[u8]>> EventPacking<E, X> {
    /// Datagrams of at most `items` items and `datagram_bytes` bytes, one in a call.
    pub const fn new(encoder: E, items: usize, datagram_bytes: usize, texts: X) -> Self {
        Self {
            packer: Packer::new(encoder),
            datagram_bytes,
            items,
            offload: OffloadMode::None,
            window: Window::new(texts),
            run: Run::new(),
            packed: LastPacked::Run,
            items_per_datagram: 1,
            is_offloaded: false,
        }
    }

    /// The same with as many datagrams in a call as the socket takes. Where each item is a datagram of its own, items are sorted
    /// by length; for that, `texts` must have room, best [`WINDOW_BYTES`].
    #[must_use]
    pub fn with_offload(self) -> Self {
        let offload = if self.items == 1 { OffloadMode::Sorted } else { OffloadMode::Runs };
        Self { offload, ..self }
    }
}

/// The events of a sink.
#[derive(Debug)]
pub struct EventDatagrams<'s, 'a, E, X, B, T = Event> {
    sink: &'s mut Sink<'a, B, T>,
    packing: &'s mut EventPacking<E, X>,
}

impl<'s, 'a, E, X, B, T> EventDatagrams<'s, 'a, E, X, B, T> {
    /// The events that wait in `sink`, made up by `packing`.
    pub const fn new(sink: &'s mut Sink<'a, B, T>, packing: &'s mut EventPacking<E, X>) -> Self {
        Self { sink, packing }
    }
}

impl<E, X, B, T> DatagramSource for EventDatagrams<'_, '_, E, X, B, T>
where
    E: EventEncoder<T>,
    X: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[T]> + AsMut<[T]>,
    T: Copy,
{
    fn ready(&mut self, _: Now, _: bool) -> Ready {
        let (events, packing) = (self.sink.len(), &*self.packing);
        if events == 0 {
            return Ready::Waits { until: Tick::NEVER, events: 1 };
        }
        let share = (events * usize::from(E::ITEMS)).div_ceil(packing.items_per_datagram * BURSTS_OF_A_BACKLOG);
        let is_pressed = events > self.sink.capacity() / 2;
        Ready::Burst(Burst::of_share(share, is_pressed, packing.is_offloaded))
    }

    fn pack(&mut self, _: Now, limits: CallLimits, out: &mut [u8]) -> Option<Call> {
        self.packing.is_offloaded = limits.is_offloaded && self.packing.offload != OffloadMode::None;
        let offload = self.packing.offload;
        match offload {
            _ if self.packing.window.waiting() != 0 => self.pack_sorted(limits, out),
            OffloadMode::Sorted if limits.is_offloaded && self.fill_window() => self.pack_sorted(limits, out),
            OffloadMode::Runs if limits.is_offloaded => self.pack_run(limits, out),
            _ => self.pack_one(limits, out),
        }
    }

    fn taken(&mut self, datagrams: usize) -> u64 {
        let Self { sink, packing } = self;
        let packed = match packing.packed {
            LastPacked::One(packed) => packed,
            LastPacked::Run => packing.run.batch(0..datagrams),
            LastPacked::Sorted => {
                packing.window.handed_over(datagrams);
                return self.end_window();
            }
        };
        packing.items_per_datagram = packed.items.div_ceil(datagrams).max(1);
        packing.packer.hold(sink, packed)
    }

    fn is_smallest(&self) -> bool {
        match self.packing.packed {
            LastPacked::One(packed) => packed.items <= 1,
            LastPacked::Run => self.packing.run.batch(0..1).items <= 1,
            LastPacked::Sorted => true,
        }
    }

    fn drop_too_large(&mut self) -> u64 {
        let Self { sink, packing } = self;
        let packed = match packing.packed {
            LastPacked::One(packed) => packed,
            LastPacked::Run => packing.run.batch(0..1),
            LastPacked::Sorted => {
                packing.window.lost(DropReason::TooLarge);
                return self.end_window();
            }
        };
        packing.packer.discard(sink, packed, DropReason::TooLarge);
        0
    }

    fn may_change_socket(&self) -> bool {
        self.sink.begun() == 0 && self.packing.window.waiting() == 0
    }

    fn arrived(&mut self, held: u64, is_last: bool) {
        if is_last {
            self.packing.window.arrived();
        }
        if held != 0 {
            self.sink.settle_apart(held, None);
        }
    }

    fn lost(&mut self, held: u64, is_last: bool, cause: DropReason) {
        let Self { sink, packing } = self;
        sink.settle_apart(held, Some(cause));
        if is_last {
            packing.window.last_call_lost(cause);
            if sink.begun() != 0 {
                sink.drop_front(1, cause);
            }
        }
    }

    fn abandon(&mut self, cause: DropReason) {
        self.packing.window.settle(self.sink, cause);
        self.sink.abandon(cause);
    }
}

impl<E, X, B, T> EventDatagrams<'_, '_, E, X, B, T>
where
    E: EventEncoder<T>,
    X: AsRef<[u8]> + AsMut<[u8]>,
    B: AsRef<[T]> + AsMut<[T]>,
    T: Copy,
{
    fn pack_one(&mut self, limits: CallLimits, out: &mut [u8]) -> Option<Call> {
        let Self { sink, packing } = self;
        let most = packing.datagram_bytes.min(out.len());
        let within = limits.largest.min(most);
        let mut packed = packing.packer.pack_from(sink, (0, sink.begun()), packing.items, &mut out[..within]);
        if packed.items == 0 {
            // An item that does not fit into the smaller size is sent alone.
            let items = if within < most { 1 } else { packing.items };
            packed = packing.packer.pack(sink, items, &mut out[..most]);
        }
        packing.packed = LastPacked::One(packed);
        (packed.items != 0).then_some(Call { bytes: packed.bytes, segment: packed.bytes, datagrams: 1 })
    }

    fn pack_run(&mut self, limits: CallLimits, out: &mut [u8]) -> Option<Call> {
        let Self { sink, packing } = self;
        let segment = packing.datagram_bytes.min(limits.largest);
        let least = out.get_mut(..segment).filter(|_| segment < packing.datagram_bytes);
        if least.is_some_and(|least| packing.packer.pack_from(sink, (0, sink.begun()), 1, least).items == 0) {
            return self.pack_one(limits, out);
        }
        let datagrams = limits.datagrams.min(limits.bytes.div_ceil(segment.max(1)));
        packing.packer.pack_run(sink, datagrams, segment, out, &mut packing.run);
        packing.packed = LastPacked::Run;
        let run = &packing.run;
        (run.datagrams() != 0).then(|| Call { bytes: run.bytes(), segment: run.segment(), datagrams: run.datagrams() })
    }

    fn pack_sorted(&mut self, limits: CallLimits, out: &mut [u8]) -> Option<Call> {
        let EventPacking { window, packed, datagram_bytes, .. } = &mut *self.packing;
        let is_alone = !limits.is_offloaded || window.next_bytes() > limits.largest;
        let datagrams = if is_alone { 1 } else { limits.datagrams };
        let within = out.len().min(limits.bytes.max(*datagram_bytes));
        *packed = LastPacked::Sorted;
        window.next_call(datagrams, &mut out[..within])
    }

    /// Fills the window, where no event is begun; whether it holds anything then.
    fn fill_window(&mut self) -> bool {
        let Self { sink, packing } = self;
        while packing.window.waiting() == 0 && !sink.is_empty() {
            packing.window.fill(&packing.packer, sink, packing.datagram_bytes);
            if packing.window.waiting() == 0 {
                // Of these events no datagram holds every item.
                packing.window.settle(sink, DropReason::Deadline);
            }
        }
        packing.window.waiting() != 0
    }

    /// Settles the window where nothing is left in it, but for its last call.
    fn end_window(&mut self) -> u64 {
        let Self { sink, packing } = self;
        if packing.window.waiting() != 0 {
            return 0;
        }
        packing.window.settle_but_last(sink, DropReason::Deadline)
    }
}
