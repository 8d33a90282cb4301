//! Batching: joins items of events, with newlines between them, into one datagram or body, and settles the batch later.
//!
//! One event may be several items (a DogStatsD request is three messages), and these may be in several batches. The
//! event counts as sent when all of its items were sent. Packing removes nothing from the sink, so a batch that must be
//! sent again can be packed again. [`Packer::confirm`] or [`Packer::discard`] settles the batch at the end.

use core::ops::Range;

use crate::events::event::Event;
use crate::events::sink::Sink;
use crate::registry::drop_reason::DropReason;
use crate::wire::text::out::Full;

/// Encodes an event, which is a request unless `T` says otherwise, as its items.
pub trait EventEncoder<T = Event> {
    /// The number of items of one event.
    const ITEMS: u8;

    /// Whether each item ends with a newline, the last one of a batch included. The packer writes the newline, not the
    /// encoder.
    fn ends_with_newline(&self) -> bool {
        false
    }

    /// Whether the receiver ignores empty lines, so that a datagram may be filled up with newlines.
    fn fills_with_newlines(&self) -> bool {
        false
    }

    /// Writes item `item` (below [`ITEMS`](Self::ITEMS)) of `event` to the front of `out`, without a newline. Returns
    /// its length in bytes. The bytes of `out` after the item may be overwritten too.
    ///
    /// # Errors
    /// [`Full`] if the item does not fit. `out` then holds nothing useful.
    fn encode(&self, event: &T, item: u8, out: &mut [u8]) -> Result<usize, Full>;

    /// Writes the items `items` of `event`, joined by newlines, to the front of `out`, as many of them as fit. An
    /// encoder may override this to look up once what its items have in common.
    #[inline]
    fn encode_items(&self, event: &T, items: Range<u8>, out: &mut [u8]) -> Written {
        encode_each(self, event, items, out)
    }
}

/// What [`EventEncoder::encode_items`] wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// How many items were written: the first ones of those that were asked for.
    pub items: u8,
    /// Their length in bytes, including the newlines between them.
    pub bytes: usize,
}

/// What one batch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// The length of the batch at the front of the buffer, in bytes. 0 if no event waits.
    pub bytes: usize,
    /// The number of items in the batch.
    pub items: usize,
    /// The number of events whose last item is in the batch.
    pub events: usize,
    /// The next item of the event after these events, if some items of it are in this batch or in an earlier one; else
    /// 0.
    pub(crate) next_item: u8,
}

/// Packs the events of a sink into batches.
#[derive(Debug)]
pub struct Packer<E> {
    encoder: E,
}

impl<E> Packer<E> {
    /// A packer that writes with `encoder`.
    pub const fn new(encoder: E) -> Self {
        Self { encoder }
    }

    /// Packs as many items as fit, but at most `max_items`, to the front of `out`, joined by newlines. If
    /// [`EventEncoder::ends_with_newline`] says so, the last item ends with a newline too.
    ///
    /// An event with an item that does not even fit into an empty `out` is dropped as `too_large`.
    pub fn pack<B, T>(&mut self, sink: &mut Sink<'_, B, T>, max_items: usize, out: &mut [u8]) -> Packed
    where
        E: EventEncoder<T>,
        B: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        loop {
            let packed = self.pack_from(sink, (0, sink.begun()), max_items, out);
            if packed.items != 0 || sink.is_empty() || max_items == 0 {
                return packed;
            }
            sink.drop_front(1, DropReason::TooLarge);
        }
    }

    /// Says that the batch has reached the backend.
    pub fn confirm<B, T>(&mut self, sink: &mut Sink<'_, B, T>, packed: Packed)
    where
        E: EventEncoder<T>,
        B: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        if packed.items == 0 {
            return;
        }
        sink.confirm_front(packed.events);
        sink.set_begun(packed.next_item);
    }

    /// Says that the batch was handed over, but that its outcome is known only later. Its events count as held until
    /// then. Returns how many events these are.
    pub(crate) fn hold<B, T>(&self, sink: &mut Sink<'_, B, T>, packed: Packed) -> u64
    where
        E: EventEncoder<T>,
        B: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        if packed.events != 0 {
            sink.hold_apart(packed.events);
        }
        if packed.items != 0 {
            sink.set_begun(packed.next_item);
        }
        packed.events as u64
    }

    /// Says that the batch is lost: every event with an item in it is dropped for `cause`.
    pub fn discard<B, T>(&mut self, sink: &mut Sink<'_, B, T>, packed: Packed, cause: DropReason)
    where
        E: EventEncoder<T>,
        B: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        let begun = usize::from(packed.items != 0 && packed.next_item != 0);
        sink.drop_front(packed.events + begun, cause);
    }

    /// The encoder that it writes with.
    pub(crate) const fn encoder(&self) -> &E {
        &self.encoder
    }

    /// Packs from item `next_item` of the event at position `events` on.
    pub(crate) fn pack_from<B, T>(
        &self,
        sink: &Sink<'_, B, T>,
        (events, next_item): (usize, u8),
        max_items: usize,
        out: &mut [u8],
    ) -> Packed
    where
        E: EventEncoder<T>,
        B: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        let ending = usize::from(self.encoder.ends_with_newline());
        let room = out.len().saturating_sub(ending);
        let mut packed = self.join(sink, (events, next_item), max_items, &mut out[..room]);
        if ending != 0
            && packed.items != 0
            && let Some(end) = out.get_mut(packed.bytes)
        {
            *end = b'\n';
            packed.bytes += 1;
        }
        packed
    }

    /// Packs the same without a newline at the end.
    fn join<B, T>(
        &self,
        sink: &Sink<'_, B, T>,
        (events, next_item): (usize, u8),
        max_items: usize,
        out: &mut [u8],
    ) -> Packed
    where
        E: EventEncoder<T>,
        B: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        let mut packed = Packed { next_item, ..Packed::default() };
        while packed.items < max_items
            && let Some(event) = sink.get(events + packed.events)
            && let Some(room) = out.get_mut(packed.bytes + usize::from(packed.items != 0)..)
        {
            let most = u8::try_from(max_items - packed.items).unwrap_or(u8::MAX);
            let end = E::ITEMS.min(packed.next_item.saturating_add(most));
            let written = self.encoder.encode_items(event, packed.next_item..end, room);
            if written.items == 0 {
                break;
            }
            if packed.items != 0 {
                out[packed.bytes] = b'\n';
                packed.bytes += 1;
            }
            packed.bytes += written.bytes;
            packed.items += usize::from(written.items);
            packed.next_item += written.items;
            if packed.next_item != E::ITEMS {
                break;
            }
            packed.next_item = 0;
            packed.events += 1;
        }
        packed
    }
}

/// One item after the other.
#[inline]
pub(crate) fn encode_each<E, T>(encoder: &E, event: &T, items: Range<u8>, out: &mut [u8]) -> Written
where
    E: EventEncoder<T> + ?Sized,
{
    // The usual case: events of one item, or a datagram for each item.
    if items.len() == 1 {
        let Ok(bytes) = encoder.encode(event, items.start, out) else { return Written::default() };
        return Written { items: 1, bytes };
    }
    let mut written = Written::default();
    for item in items {
        let start = written.bytes + usize::from(written.items != 0);
        let Some(Ok(length)) = out.get_mut(start..).map(|room| encoder.encode(event, item, room)) else { break };
        if written.items != 0 {
            out[written.bytes] = b'\n';
        }
        written = Written { items: written.items + 1, bytes: start + length };
    }
    written
}
