//! Batching: items of events joined by newlines into one datagram or body, and what becomes of them afterwards.
//!
//! One event may be several items (a DogStatsD request is three messages) and may be spread over several batches; it
//! counts as sent when all of its items are. Packing changes nothing in the sink, so that a batch that must be sent
//! again is packed again; [`Packer::confirm`] or [`Packer::discard`] then settles it.

use crate::event::Event;
use crate::ledger::Cause;
use crate::out::Full;
use crate::sink::Sink;

/// Turns one event into its items.
pub trait EventEncoder {
    /// Items of one event.
    const ITEMS: u8;

    /// Writes item `item` (below [`ITEMS`](Self::ITEMS)) of `event` to the front of `out`, without a newline; returns
    /// its length in bytes.
    ///
    /// # Errors
    /// [`Full`] where it does not fit; `out` then holds nothing of use.
    fn encode(&self, event: &Event, item: u8, out: &mut [u8]) -> Result<usize, Full>;
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
    /// The next item of the event behind those, which is begun in this batch or in an earlier one; else 0.
    next_item: u8,
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

    /// Packs as many items as fit, but at most `max_items`, joined by newlines, to the front of `out`.
    ///
    /// An event of which an item does not even fit into an empty `out` is dropped as `too_large`.
    pub fn pack<B>(&mut self, sink: &mut Sink<'_, B>, max_items: usize, out: &mut [u8]) -> Packed
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        loop {
            let packed = self.try_pack(sink, max_items, out);
            if packed.items != 0 || sink.is_empty() || max_items == 0 {
                return packed;
            }
            sink.drop_front(1, Cause::TooLarge);
        }
    }

    /// The batch has reached the backend.
    pub fn confirm<B>(&mut self, sink: &mut Sink<'_, B>, packed: Packed)
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        sink.confirm_front(packed.events);
        sink.set_begun(packed.next_item);
    }

    /// The batch is lost: every event of which it holds an item is dropped for `cause`.
    pub fn discard<B>(&mut self, sink: &mut Sink<'_, B>, packed: Packed, cause: Cause)
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        let begun = usize::from(packed.items != 0 && packed.next_item != 0);
        sink.drop_front(packed.events + begun, cause);
    }

    fn try_pack<B>(&self, sink: &Sink<'_, B>, max_items: usize, out: &mut [u8]) -> Packed
    where
        B: AsRef<[Event]> + AsMut<[Event]>,
    {
        let mut packed = Packed { next_item: sink.begun(), ..Packed::default() };
        while packed.items < max_items
            && let Some(event) = sink.get(packed.events)
            && let Ok(end) = self.append(event, packed, out)
        {
            packed.bytes = end;
            packed.items += 1;
            packed.next_item += 1;
            if packed.next_item == E::ITEMS {
                packed.next_item = 0;
                packed.events += 1;
            }
        }
        packed
    }

    /// Writes the next item behind what is packed; returns where it ends.
    fn append(&self, event: &Event, packed: Packed, out: &mut [u8]) -> Result<usize, Full> {
        let start = packed.bytes + usize::from(packed.items != 0);
        let room = out.get_mut(start..).ok_or(Full)?;
        let length = self.encoder.encode(event, packed.next_item, room)?;
        if packed.items != 0 {
            out[packed.bytes] = b'\n';
        }
        Ok(start + length)
    }
}
