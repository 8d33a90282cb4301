//! What the machine of datagrams borrows: events from a queue, and items that leave at intervals.

use std::future::Future;
use std::sync::Arc;

use loaddensity_metrics_core::export::datagrams::{
    EventDatagrams, EventPacking, IntervalDatagrams, IntervalPacking, WINDOW_BYTES,
};
use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::{Event, EventEncoder};

use super::lender::Lender;
use crate::dispatcher::EventQueue;

/// Events from a queue, each sent by itself: requests, or observations.
pub(crate) struct EventLender<E, T = Event> {
    queue: Arc<EventQueue<T>>,
    packing: Box<EventPacking<E, Box<[u8]>>>,
}

impl<E: EventEncoder<T>, T: Copy + Default> EventLender<E, T> {
    /// The events in `queue`, as `encoder` writes them: at most `items` in a datagram of at most `datagram_bytes`, and several
    /// datagrams in a call where that `is_offloaded`.
    pub(crate) fn new(
        queue: Arc<EventQueue<T>>,
        encoder: E,
        (items, datagram_bytes): (usize, usize),
        is_offloaded: bool,
    ) -> Self {
        let texts = if is_offloaded && items == 1 { WINDOW_BYTES } else { 0 };
        let packing = EventPacking::new(encoder, items, datagram_bytes, vec![0; texts].into_boxed_slice());
        let packing = if is_offloaded { packing.with_offload() } else { packing };
        Self { queue, packing: Box::new(packing) }
    }
}

impl<E: EventEncoder<T> + Send + 'static, T: Copy + Default + Send + 'static> Lender for EventLender<E, T> {
    type Lent<'a> = EventDatagrams<'a, 'static, E, Box<[u8]>, Box<[T]>, T>;

    fn lend<A>(&mut self, ask: impl FnOnce(&mut Self::Lent<'_>) -> A) -> A {
        ask(&mut EventDatagrams::new(&mut self.queue.lock(), &mut self.packing))
    }

    fn wait_until_holds(&mut self, events: usize) -> impl Future<Output = ()> + Send {
        self.queue.wait_until_holds(events)
    }
}

/// Items that leave at intervals. `on_left_out` is called where one fits into no datagram.
pub(crate) struct IntervalItemLender<I, F> {
    packing: IntervalPacking,
    items: I,
    left_out: u64,
    on_left_out: F,
}

impl<I, F> IntervalItemLender<I, F> {
    pub(crate) const fn new(packing: IntervalPacking, items: I, on_left_out: F) -> Self {
        Self { packing, items, left_out: 0, on_left_out }
    }
}

impl<I: Items + Send + 'static, F: FnMut() + Send + 'static> Lender for IntervalItemLender<I, F> {
    type Lent<'a> = IntervalDatagrams<'a, I>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut IntervalDatagrams<'_, I>) -> T) -> T {
        let Self { packing, items, left_out, on_left_out } = self;
        let asked = ask(&mut IntervalDatagrams::new(items, packing));
        if std::mem::replace(left_out, packing.left_out()) != packing.left_out() {
            on_left_out();
        }
        asked
    }
}
