//! The events of a sink as items: one point for each.

use crate::events::batch::{EventEncoder, Packer};
use crate::events::event::Event;
use crate::events::sink::Sink;
use crate::registry::drop_reason::DropReason;

use crate::export::items::{Items, PackedItems};

/// A sink whose events are one item each, and what packs them.
#[derive(Debug)]
pub struct EventPoints<'a, 's, E, B, T = Event> {
    packer: &'a Packer<E>,
    sink: &'a mut Sink<'s, B, T>,
}

impl<'a, 's, E: EventEncoder<T>, B, T> EventPoints<'a, 's, E, B, T> {
    /// The events of `sink`, as `packer` writes them.
    pub const fn new(packer: &'a Packer<E>, sink: &'a mut Sink<'s, B, T>) -> Self {
        const { assert!(E::ITEMS == 1, "an event must be one line") };
        Self { packer, sink }
    }
}

impl<E, B, T> Items for EventPoints<'_, '_, E, B, T>
where
    E: EventEncoder<T>,
    B: AsRef<[T]> + AsMut<[T]>,
    T: Copy,
{
    fn len(&self) -> usize {
        self.sink.len()
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let packed = self.packer.pack_from(self.sink, (from, 0), most, out);
        PackedItems { bytes: packed.bytes, items: packed.items }
    }

    fn settle(&mut self, items: usize, lost: usize, cause: DropReason) {
        self.sink.drop_front(lost, cause);
        self.sink.confirm_front(items - lost);
    }
}
