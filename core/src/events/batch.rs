//! Batching: items of events joined by newlines into one datagram or body, and what becomes of them afterwards.
//!
//! One event may be several items (a DogStatsD request is three messages) and may be spread over several batches; it
//! counts as sent when all of its items are. Packing changes nothing in the sink, so that a batch that must be sent
//! again is packed again; [`Packer::confirm`] or [`Packer::discard`] then settles it.

use core::ops::Range;

use crate::events::event::Event;
use crate::events::sink::Sink;
use crate::registry::drop_reason::DropReason;
use crate::wire::text::out::Full;

/// Turns one event into its items.
pub trait EventEncoder {
    /// Items of one event.
    const ITEMS: u8;

    /// Whether each item ends with a newline, the last of a batch included. Whoever packs items writes it.
    fn ends_with_newline(&self) -> bool {
        false
    }

    /// Whether the receiver reads over empty lines, so that a datagram may be filled up with newlines.
    fn fills_with_newlines(&self) -> bool {
        false
    }

    /// Writes item `item` (below [`ITEMS`](Self::ITEMS)) of `event` to the front of `out`, without a newline; returns
    /// its length in bytes. What `out` has after the item is of no use afterwards.
    ///
    /// # Errors
    /// [`Full`] where it does not fit; `out` then holds nothing of use.
    fn encode(&self, event: &Event, item: u8, out: &mut [u8]) -> Result<usize, Full>;

    /// Writes the items `items` of `event`, joined by newlines, to the front of `out`, as many of them as fit. An
    /// encoder whose items have parts in common may look for them once.
    #[inline]
    fn encode_items(&self, event: &Event, items: Range<u8>, out: &mut [u8]) -> Written {
        encode_each(self, event, items, out)
    }
}

/// What [`EventEncoder::encode_items`] wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Items, of those that were asked for the first.
    pub items: u8,
    /// Their length in bytes, newlines between them included.
    pub bytes: usize,
}

/// What one batch holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Bytes at the front of the buffer; 0 where nothing waits.
    pub bytes: usize,
    /// Items in it.
    pub items: usize,
    /// Events whose last item is in it.
    pub events: usize,
    /// The next item of the event after those, which is begun in this batch or in an earlier one; else 0.
    pub(crate) next_item: u8,
}

/// Packs the events of a sink into batches.
#[derive(Debug)]
pub struct Packer<E> {
    encoder: E,
}

impl<E: EventEncoder> Packer<E> {
    /// A packer that writes with `encoder`.
    pub const fn new(encoder: E) -> Self {
        Self { encoder }
    }

    /// Packs as many items as fit, but at most `max_items`, joined by newlines, to the front of `out`; the last ends with
    /// one where [`EventEncoder::ends_with_newline`] says so.
    ///
    /// An event of which an item does not even fit into an empty `out` is dropped as `too_large`.
    pub fn pack<B>(&mut self, sink: &mut Sink<'_, B>, max_items: usize, out: &mut [u8]) -> Packed
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        loop {
            let packed = self.pack_from(sink, (0, sink.begun()), max_items, out);
            if packed.items != 0 || sink.is_empty() || max_items == 0 {
                return packed;
            }
            sink.drop_front(1, DropReason::TooLarge);
        }
    }

    /// The batch has reached the backend.
    pub fn confirm<B>(&mut self, sink: &mut Sink<'_, B>, packed: Packed)
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        if packed.items == 0 {
            return;
        }
        sink.confirm_front(packed.events);
        sink.set_begun(packed.next_item);
    }

    /// The batch was handed over, and what has become of it is known later: its events count as held until then. Returns
    /// how many they are.
    pub(crate) fn hold<B>(&self, sink: &mut Sink<'_, B>, packed: Packed) -> u64
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        if packed.events != 0 {
            sink.hold_apart(packed.events);
        }
        if packed.items != 0 {
            sink.set_begun(packed.next_item);
        }
        packed.events as u64
    }

    /// The batch is lost: every event of which it holds an item is dropped for `cause`.
    pub fn discard<B>(&mut self, sink: &mut Sink<'_, B>, packed: Packed, cause: DropReason)
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        let begun = usize::from(packed.items != 0 && packed.next_item != 0);
        sink.drop_front(packed.events + begun, cause);
    }

    /// The backend has taken the batch but for `refused` of its events, which are dropped for `cause`; which ones those
    /// are makes no difference to the account.
    pub fn confirm_but<B>(&mut self, sink: &mut Sink<'_, B>, packed: Packed, refused: usize, cause: DropReason)
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        let refused = refused.min(packed.events);
        sink.drop_front(refused, cause);
        self.confirm(sink, Packed { events: packed.events - refused, ..packed });
    }

    /// What it writes with.
    pub(crate) const fn encoder(&self) -> &E {
        &self.encoder
    }

    /// Packs what comes after the first `events` and after those items of the next one that come before `next_item`.
    pub(crate) fn pack_from<B>(
        &self,
        sink: &Sink<'_, B>,
        (events, next_item): (usize, u8),
        max_items: usize,
        out: &mut [u8],
    ) -> Packed
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
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

    /// The same without a newline at the end.
    fn join<B>(&self, sink: &Sink<'_, B>, (events, next_item): (usize, u8), max_items: usize, out: &mut [u8]) -> Packed
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
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
pub(crate) fn encode_each<E>(encoder: &E, event: &Event, items: Range<u8>, out: &mut [u8]) -> Written
where
    E: EventEncoder + ?Sized,
{
    // The rule: all of one item, or a datagram for each.
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
