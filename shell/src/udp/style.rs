//! How datagrams are made up: one by one, or many of one size for one call.
//!
//! An event counts as sent when all of its items have been handed to the kernel, and as dropped when one of them could
//! not be.

use loaddensity_metrics_core::{Cause, EventEncoder, Packer, Run, Window};

use super::Burst;
use super::outlet::{Handed, Outlet};
use crate::hub::Feed;
use crate::runtime::Runtime;

/// Most items that are sorted at a time. The more, the more are of one length: of some thirty lengths, 1,024 items make
/// calls of thirty datagrams.
const WINDOW_ITEMS: usize = 1_024;
/// Room for their texts, of some 100 bytes each.
const WINDOW_BYTES: usize = 128 << 10;

pub(super) struct Style {
    /// Largest datagram in bytes.
    datagram_bytes: usize,
    /// Most items in one datagram.
    items: usize,
    offload: Offload,
    /// The socket takes one datagram at a time.
    is_refused: bool,
    /// The last datagram was lost. Runs are of one datagram then, because what is behind a lost one is packed again.
    is_losing: bool,
}

enum Offload {
    /// Not wanted, or not to be had.
    None,
    /// Items share datagrams, of which those of one length leave together.
    Runs(Box<Run>),
    /// Each item is a datagram; those of one length leave together.
    Sorted(Box<SortedItems>),
}

type SortedItems = Window<Box<[u8]>, WINDOW_ITEMS>;

/// What has left; nothing where nothing waited, or a deadline passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) datagrams: usize,
    pub(super) bytes: usize,
    pub(super) items: usize,
}

/// Where datagrams come from and where they go.
pub(super) struct Way<'a, R: Runtime, E> {
    pub(super) feed: &'a Feed,
    pub(super) packer: &'a mut Packer<E>,
    pub(super) outlet: &'a mut Outlet<R>,
}

impl Style {
    pub(super) fn new(datagram_bytes: usize, items: usize, segmentation_offload: bool) -> Self {
        let offload = match items {
            _ if !segmentation_offload => Offload::None,
            1 => Offload::Sorted(Box::new(Window::new(vec![0; WINDOW_BYTES].into_boxed_slice()))),
            _ => Offload::Runs(Box::default()),
        };
        Self { datagram_bytes, items, offload, is_refused: false, is_losing: false }
    }

    /// Sends some of what waits, at least one datagram and no more than `burst` allows.
    pub(super) async fn send<R: Runtime, E: EventEncoder>(&mut self, way: Way<'_, R, E>, burst: Burst) -> Left {
        match &mut self.offload {
            Offload::None => self.send_one(way).await,
            Offload::Runs(_) => self.send_run(way, burst).await,
            Offload::Sorted(_) => self.send_sorted(way, burst).await,
        }
    }

    /// Whether several datagrams leave in one call.
    pub(super) const fn is_offloaded(&self) -> bool {
        !self.is_refused && !matches!(self.offload, Offload::None)
    }

    /// Settles what was begun, at the end.
    pub(super) fn settle(&mut self, feed: &Feed) {
        if let Offload::Sorted(window) = &mut self.offload {
            window.settle(&mut feed.lock(), Cause::Deadline);
        }
    }

    async fn send_one<R: Runtime, E: EventEncoder>(&mut self, way: Way<'_, R, E>) -> Left {
        let Way { feed, packer, outlet } = way;
        let packed = packer.pack(&mut feed.lock(), self.items, &mut outlet.memory[..self.datagram_bytes]);
        if packed.items == 0 {
            return Left::default();
        }
        match outlet.hand_over(0..packed.bytes, packed.bytes).await {
            Handed::Over(_) | Handed::Singly => packer.confirm(&mut feed.lock(), packed),
            Handed::Lost(cause) => packer.discard(&mut feed.lock(), packed, cause),
            Handed::Overdue | Handed::GivenUp => return Left::default(),
        }
        Left { datagrams: 1, bytes: packed.bytes, items: packed.items }
    }

    async fn send_run<R: Runtime, E: EventEncoder>(&mut self, way: Way<'_, R, E>, burst: Burst) -> Left {
        let Offload::Runs(run) = &mut self.offload else { return Left::default() };
        let Way { feed, packer, outlet } = way;
        let most = if self.is_losing { 1 } else { burst.of(self.datagram_bytes) };
        packer.pack_run(&mut feed.lock(), most, self.datagram_bytes, &mut outlet.memory, run);
        let segment = run.segment();
        let mut left = Left::default();
        while left.datagrams < run.datagrams() {
            let first = left.datagrams;
            let handed = outlet.hand_over(first * segment..run.bytes(), segment).await;
            let count = if let Handed::Over(count) = handed { count.min(run.datagrams() - first) } else { 1 };
            let batch = run.batch(first..first + count);
            self.is_losing = matches!(handed, Handed::Lost(_));
            left.datagrams += count;
            left.items += batch.items;
            left.bytes = run.bytes().min(left.datagrams * segment);
            match handed {
                Handed::Over(_) => packer.confirm(&mut feed.lock(), batch),
                Handed::Singly => {
                    self.is_refused = true;
                    packer.confirm(&mut feed.lock(), batch);
                }
                Handed::Lost(cause) => {
                    packer.discard(&mut feed.lock(), batch, cause);
                    break;
                }
                Handed::Overdue | Handed::GivenUp => return Left::default(),
            }
        }
        if self.is_refused {
            self.offload = Offload::None;
        }
        left
    }

    async fn send_sorted<R: Runtime, E: EventEncoder>(&mut self, way: Way<'_, R, E>, burst: Burst) -> Left {
        let Offload::Sorted(window) = &mut self.offload else { return Left::default() };
        let Way { feed, packer, outlet } = way;
        if !has_items(window, feed, packer, self.datagram_bytes) {
            return Left::default();
        }
        let most = if self.is_refused { 1 } else { burst.datagrams };
        let room = outlet.memory.len().min(burst.bytes.max(self.datagram_bytes));
        let Some(call) = window.next_call(most, &mut outlet.memory[..room]) else { return Left::default() };
        let mut datagrams = 1;
        match outlet.hand_over(0..call.bytes, call.segment).await {
            Handed::Over(count) => {
                datagrams = count.min(call.datagrams);
                window.handed_over(datagrams);
            }
            Handed::Singly => {
                self.is_refused = true;
                window.handed_over(1);
            }
            Handed::Lost(_) => window.lost(Cause::Unreachable),
            Handed::Overdue | Handed::GivenUp => return Left::default(),
        }
        if window.waiting() == 0 {
            window.settle(&mut feed.lock(), Cause::Deadline);
            if self.is_refused {
                self.offload = Offload::None;
            }
        }
        Left { datagrams, bytes: call.bytes.min(datagrams * call.segment), items: datagrams }
    }
}

/// Fills `window` if nothing is left in it; whether it holds anything then.
fn has_items<E: EventEncoder>(window: &mut SortedItems, feed: &Feed, packer: &Packer<E>, largest: usize) -> bool {
    let mut sink = feed.lock();
    while window.waiting() == 0 && !sink.is_empty() {
        window.fill(packer, &sink, largest);
        if window.waiting() == 0 {
            // Of these events no datagram holds every item.
            window.settle(&mut sink, Cause::Deadline);
        }
    }
    window.waiting() != 0
}
