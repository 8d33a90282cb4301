//! What the machine of datagrams is lent: requests that the pump has handed over, and what leaves at intervals.

use std::future::Future;
use std::sync::Arc;

use loaddensity_metrics_core::export::datagrams::{
    IntervalDatagrams, IntervalPacking, RequestDatagrams, RequestPacking, WINDOW_BYTES,
};
use loaddensity_metrics_core::export::items::Items;
use loaddensity_metrics_core::{Event, EventEncoder};

use super::lender::Lender;
use crate::hub::Feed;

/// Requests, each by itself.
pub(crate) struct RequestLender<E> {
    feed: Arc<Feed>,
    packing: Box<RequestPacking<E, Box<[u8]>>>,
}

impl<E: EventEncoder> RequestLender<E> {
    /// Those of `feed`, as `encoder` writes them: at most `items` in a datagram of at most `datagram_bytes`, and several
    /// datagrams in a call where that `is_offloaded`.
    pub(crate) fn new(
        feed: Arc<Feed>,
        encoder: E,
        (items, datagram_bytes): (usize, usize),
        is_offloaded: bool,
    ) -> Self {
        let texts = if is_offloaded && items == 1 { WINDOW_BYTES } else { 0 };
        let packing = RequestPacking::new(encoder, items, datagram_bytes, vec![0; texts].into_boxed_slice());
        let packing = if is_offloaded { packing.with_offload() } else { packing };
        Self { feed, packing: Box::new(packing) }
    }
}

impl<E: EventEncoder + Send + 'static> Lender for RequestLender<E> {
    type Lent<'a> = RequestDatagrams<'a, 'static, E, Box<[u8]>, Box<[Event]>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Lent<'_>) -> T) -> T {
        ask(&mut RequestDatagrams::new(&mut self.feed.lock(), &mut self.packing))
    }

    fn holds(&mut self, events: usize) -> impl Future<Output = ()> + Send {
        self.feed.holds(events)
    }
}

/// Items that leave at intervals. `tells` is called where one fits into no datagram.
pub(crate) struct IntervalItemLender<I, F> {
    packing: IntervalPacking,
    items: I,
    left_out: u64,
    tells: F,
}

impl<I, F> IntervalItemLender<I, F> {
    pub(crate) const fn new(packing: IntervalPacking, items: I, tells: F) -> Self {
        Self { packing, items, left_out: 0, tells }
    }
}

impl<I: Items + Send + 'static, F: FnMut() + Send + 'static> Lender for IntervalItemLender<I, F> {
    type Lent<'a> = IntervalDatagrams<'a, I>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut IntervalDatagrams<'_, I>) -> T) -> T {
        let Self { packing, items, left_out, tells } = self;
        let asked = ask(&mut IntervalDatagrams::new(items, packing));
        if std::mem::replace(left_out, packing.left_out()) != packing.left_out() {
            tells();
        }
        asked
    }
}
