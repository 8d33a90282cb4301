//! What is lent to the machine of datagrams: requests that the pump has handed over, and what leaves at intervals.

use std::future::{Future, pending};
use std::sync::Arc;

use loaddensity_metrics_core::export::datagrams::{Packing, Periodic, Requests, Rounds, Source, WINDOW_BYTES};
use loaddensity_metrics_core::export::posts::Items;
use loaddensity_metrics_core::{Event, EventEncoder};

use crate::hub::Feed;

/// What datagrams are lent from, for one call at a time.
pub(crate) trait DatagramSource: Send + 'static {
    /// What is lent.
    type Source<'a>: Source;

    /// Lends it to `ask`.
    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Source<'_>) -> T) -> T;

    /// Waits until so many events wait.
    fn holds(&mut self, events: usize) -> impl Future<Output = ()> + Send {
        let _ = events;
        pending()
    }
}

/// Requests, each by itself.
pub(crate) struct LentRequests<E> {
    feed: Arc<Feed>,
    packing: Box<Packing<E, Box<[u8]>>>,
}

impl<E: EventEncoder> LentRequests<E> {
    /// Those of `feed`, as `encoder` writes them: at most `items` in a datagram of at most `datagram_bytes`, and several
    /// datagrams in a call where that `is_offloaded`.
    pub(crate) fn new(
        feed: Arc<Feed>,
        encoder: E,
        (items, datagram_bytes): (usize, usize),
        is_offloaded: bool,
    ) -> Self {
        let texts = if is_offloaded && items == 1 { WINDOW_BYTES } else { 0 };
        let packing = Packing::new(encoder, items, datagram_bytes, vec![0; texts].into_boxed_slice());
        let packing = if is_offloaded { packing.with_offload() } else { packing };
        Self { feed, packing: Box::new(packing) }
    }
}

impl<E: EventEncoder + Send + 'static> DatagramSource for LentRequests<E> {
    type Source<'a> = Requests<'a, 'static, E, Box<[u8]>, Box<[Event]>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Source<'_>) -> T) -> T {
        ask(&mut Requests { sink: &mut self.feed.lock(), packing: &mut self.packing })
    }

    fn holds(&mut self, events: usize) -> impl Future<Output = ()> + Send {
        self.feed.holds(events)
    }
}

/// Items that leave at intervals. What no datagram holds is told of by `tells`.
pub(crate) struct LentItems<I, F> {
    rounds: Rounds,
    items: I,
    left_out: u64,
    tells: F,
}

impl<I, F> LentItems<I, F> {
    pub(crate) const fn new(rounds: Rounds, items: I, tells: F) -> Self {
        Self { rounds, items, left_out: 0, tells }
    }
}

impl<I: Items + Send + 'static, F: FnMut() + Send + 'static> DatagramSource for LentItems<I, F> {
    type Source<'a> = Periodic<'a, I>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Periodic<'_, I>) -> T) -> T {
        let Self { rounds, items, left_out, tells } = self;
        let asked = ask(&mut Periodic { rounds, items });
        if std::mem::replace(left_out, rounds.left_out()) != rounds.left_out() {
            tells();
        }
        asked
    }
}
