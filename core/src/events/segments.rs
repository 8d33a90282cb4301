//! Datagrams of one size. A kernel with segmentation offload takes many of them in one call.
//!
//! Such a call has one buffer and the size of its segments. Each segment becomes a datagram, and only the last one may
//! be shorter. There are three ways to make the segments equally long:
//!
//! - Items share datagrams, and the receiver ignores empty lines: a [`Run`] fills all datagrams but the last one up
//!   with newlines.
//! - Items share datagrams, and the receiver may not ignore empty lines: the first datagram of a [`Run`] sets the
//!   length. The run ends with the first datagram that is shorter.
//! - Each item is a datagram of its own: a [`Window`] sorts the items of some events by length. The items are not
//!   changed, and DogStatsD does not depend on their order.
//!
//! Neither of the two sends anything. The caller says what the kernel has taken, and the sink's account changes with
//! it.

use core::cmp::Reverse;
use core::fmt;
use core::ops::Range;

use crate::events::batch::{EventEncoder, Packed, Packer};
use crate::events::sink::Sink;
use crate::registry::drop_reason::DropReason;

/// The most datagrams in one call (`UDP_MAX_SEGMENTS` of Linux before 6.9, include/linux/udp.h; 128 since).
pub const SEGMENTS: usize = 64;

/// The most bytes in one call: as many as one datagram over IPv4 can carry.
pub const CALL_BYTES: usize = 65_507;

/// The most datagrams of `segment` bytes in one call, at least 1.
fn segments_of(segment: usize) -> usize {
    (CALL_BYTES / segment.max(1)).clamp(1, SEGMENTS)
}

/// Packed datagrams, one after another in one buffer. All but the last have the same size.
#[derive(Clone, Debug)]
pub struct Run {
    datagrams: [Packed; SEGMENTS],
    count: usize,
    segment: usize,
    bytes: usize,
}

impl Run {
    /// An empty run.
    #[must_use]
    pub const fn new() -> Self {
        let nothing = Packed { bytes: 0, items: 0, events: 0, next_item: 0 };
        Self { datagrams: [nothing; SEGMENTS], count: 0, segment: 0, bytes: 0 }
    }

    /// The number of datagrams in the run, at most [`SEGMENTS`].
    #[must_use]
    pub const fn datagrams(&self) -> usize {
        self.count
    }

    /// The bytes of each datagram but the last.
    #[must_use]
    pub const fn segment(&self) -> usize {
        self.segment
    }

    /// The bytes of the whole run, at the front of the buffer.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Some datagrams of the run as one batch, to be settled with [`Packer::confirm`] or [`Packer::discard`] after
    /// those before them were confirmed. After a batch was discarded, the datagrams after it are no longer valid: pack
    /// them again.
    #[must_use]
    pub fn batch(&self, datagrams: Range<usize>) -> Packed {
        let some = self.datagrams[..self.count].get(datagrams).unwrap_or_default();
        some.iter().fold(Packed::default(), |sum, next| Packed {
            bytes: sum.bytes + next.bytes,
            items: sum.items + next.items,
            events: sum.events + next.events,
            next_item: next.next_item,
        })
    }

    fn push(&mut self, packed: Packed, start: usize) {
        self.datagrams[self.count] = packed;
        self.count += 1;
        self.bytes = start + packed.bytes;
    }
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Packer<E> {
    /// Packs a run of up to `datagrams` datagrams of at most `segment` bytes to the front of `out`: as many as fit into
    /// `out` and into one call. The last one has the length of its items. [`EventEncoder::fills_with_newlines`] says
    /// whether the others are filled up with newlines or have the length of the first one.
    ///
    /// An event with an item that does not fit into an empty datagram is dropped as `too_large`. The run stays empty if
    /// `out` is shorter than `segment`.
    pub fn pack_run<B, T>(
        &mut self,
        sink: &mut Sink<'_, B, T>,
        datagrams: usize,
        segment: usize,
        out: &mut [u8],
        run: &mut Run,
    ) where
        E: EventEncoder<T>,
        B: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        (run.count, run.segment, run.bytes) = (0, segment.max(1), 0);
        let most = datagrams.min(segments_of(segment));
        let mut from = (0, 0);
        while run.count < most {
            let start = run.count * run.segment;
            let Some(room) = out.get_mut(start..start + run.segment) else { break };
            let packed = match run.count {
                0 => self.pack(sink, usize::MAX, room),
                _ => self.pack_from(sink, from, usize::MAX, room),
            };
            if packed.items == 0 {
                break;
            }
            from = (from.0 + packed.events, packed.next_item);
            out[run.bytes..start].fill(b'\n');
            run.push(packed, start);
            if self.encoder().fills_with_newlines() {
                continue;
            }
            if run.count == 1 {
                run.segment = packed.bytes;
            }
            if packed.bytes < run.segment {
                break;
            }
        }
    }
}

/// One call: datagrams of `segment` bytes each at the front of a buffer. The last one may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The bytes of all datagrams together.
    pub bytes: usize,
    /// The bytes of each datagram but the last.
    pub segment: usize,
    /// The number of datagrams, at most [`SEGMENTS`].
    pub datagrams: usize,
}

/// The items of the first events of a sink, each a datagram of its own, the longest first. The texts of the items are
/// in the caller's memory. `N` (at most 65,536) is the most items, and the most events.
///
/// Fill the window, hand it over call by call, and settle it. Meanwhile its events stay at the front of the sink.
pub struct Window<B, const N: usize> {
    texts: B,
    items: [Item; N],
    count: usize,
    /// The items before this one were handed over or are lost.
    next: usize,
    /// The items of the last call that the kernel took, until its outcome is known.
    last: Range<usize>,
    outcomes: [SegmentOutcome; N],
    events: usize,
    /// The number of items of an event.
    items_of_event: u8,
}

/// Where the text of one item is, and to which event the item belongs.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    start: u32,
    length: u16,
    event: u16,
}

/// The outcome of an event of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentOutcome {
    /// So many of its items have not been handed over yet. At 0 the event is sent.
    Waits(u8),
    /// An item of the event is lost, for this reason.
    Lost(DropReason),
    /// All of its items were handed over, but the event is held until the outcome of the last call is known.
    Apart,
}

/// Why an event is not in a window.
enum Skipped {
    /// The window has no room left.
    Full,
    /// An item of the event is longer than a datagram may be.
    TooLarge,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>, const N: usize> Window<B, N> {
    /// An empty window that writes into `texts` (at most 4 GiB are used). `texts` needs room for all items of the
    /// largest event.
    pub const fn new(texts: B) -> Self {
        const { assert!(N <= 1 << 16, "an item has 16 bits for the number of its event") };
        Self {
            texts,
            items: [Item { start: 0, length: 0, event: 0 }; N],
            count: 0,
            next: 0,
            last: 0..0,
            outcomes: [SegmentOutcome::Waits(0); N],
            events: 0,
            items_of_event: 0,
        }
    }

    /// Encodes the items of as many events at the front of `sink` as there is room for, at least of one event.
    ///
    /// An event with an item longer than `largest` bytes (at most 65,507) is left out, and [`settle`](Self::settle)
    /// drops it as `too_large`. What the window held before is forgotten without being settled.
    pub fn fill<E, S, T>(&mut self, packer: &Packer<E>, sink: &Sink<'_, S, T>, largest: usize)
    where
        E: EventEncoder<T>,
        S: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        const { assert!(N >= E::ITEMS as usize, "a window holds the items of an event") };
        self.clear();
        self.items_of_event = E::ITEMS;
        let (mut used, mut first_item) = (0, sink.begun().min(E::ITEMS));
        while self.events < N
            && let Some(event) = sink.get(self.events)
        {
            let count = self.count;
            self.outcomes[self.events] = match self.add(packer.encoder(), event, first_item, &mut used, largest) {
                Ok(()) => SegmentOutcome::Waits(E::ITEMS - first_item),
                Err(Skipped::Full) if self.events != 0 => {
                    self.count = count;
                    break;
                }
                Err(_) => {
                    self.count = count;
                    SegmentOutcome::Lost(DropReason::TooLarge)
                }
            };
            self.events += 1;
            first_item = 0;
        }
        self.items[..self.count].sort_unstable_by_key(|item| Reverse(item.length));
    }

    /// The number of items that have not been handed over yet.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.count - self.next
    }

    /// Writes up to `datagrams` (at least one) of the next datagrams to the front of `out`: as many as fit into `out`
    /// and into one call. `None` if no item is left, or if the next one does not fit into `out`.
    pub fn next_call(&self, datagrams: usize, out: &mut [u8]) -> Option<Call> {
        let rest = &self.items[self.next..self.count];
        let segment = usize::from(rest.first()?.length);
        let mut call = Call { bytes: 0, segment, datagrams: 0 };
        for item in rest.iter().take(datagrams.min(segments_of(segment)).max(1)) {
            let Some(room) = out.get_mut(call.bytes..call.bytes + usize::from(item.length)) else { break };
            room.copy_from_slice(item.text(self.texts.as_ref()));
            call.bytes += room.len();
            call.datagrams += 1;
            if room.len() < segment {
                break;
            }
        }
        (call.datagrams != 0).then_some(call)
    }

    /// Says that the kernel has taken the next `datagrams`.
    pub fn handed_over(&mut self, datagrams: usize) {
        let end = self.count.min(self.next.saturating_add(datagrams));
        for item in &self.items[self.next..end] {
            if let SegmentOutcome::Waits(items) = &mut self.outcomes[usize::from(item.event)] {
                *items = items.saturating_sub(1);
            }
        }
        self.last = self.next..end;
        self.next = end;
    }

    /// Says that the next datagram is lost for `cause`, and with it its event.
    pub fn lost(&mut self, cause: DropReason) {
        if self.next < self.count {
            self.lose(self.next..self.next + 1, cause);
            self.next += 1;
        }
    }

    /// Says that the last call that the kernel took is lost for `cause`.
    pub(crate) fn last_call_lost(&mut self, cause: DropReason) {
        let last = core::mem::take(&mut self.last);
        self.lose(last, cause);
    }

    /// Says that the last call that the kernel took counts as arrived: no error can be reported for it any more.
    pub(crate) fn arrived(&mut self) {
        self.last = 0..0;
    }

    /// The bytes of the next datagram; 0 if none is left.
    pub(crate) fn next_bytes(&self) -> usize {
        self.items[self.next..self.count].first().map_or(0, |item| item.length.into())
    }

    /// Takes the events of the window out of `sink`, which must be the sink that it was filled from. An event whose
    /// items were all handed over counts as sent. An event with a lost item is dropped for the reason of that loss. An
    /// event with an item that still waits is dropped: as `unconfirmed` if others were handed over, and if not, for `left`.
    pub fn settle<S, T>(&mut self, sink: &mut Sink<'_, S, T>, left: DropReason)
    where
        S: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        for alike in self.outcomes[..self.events].chunk_by(|a, b| a == b) {
            match alike[0] {
                SegmentOutcome::Waits(0) => sink.confirm_front(alike.len()),
                SegmentOutcome::Waits(items) if items < self.items_of_event => {
                    sink.drop_front(alike.len(), DropReason::Unconfirmed);
                }
                SegmentOutcome::Waits(_) => sink.drop_front(alike.len(), left),
                SegmentOutcome::Lost(cause) => sink.drop_front(alike.len(), cause),
                SegmentOutcome::Apart => sink.hold_apart(alike.len()),
            }
        }
        self.clear();
    }

    /// The same, but the events of the last call that the kernel took stay held, apart from the buffer. Returns how
    /// many these are.
    pub(crate) fn settle_but_last<S, T>(&mut self, sink: &mut Sink<'_, S, T>, left: DropReason) -> u64
    where
        S: AsRef<[T]> + AsMut<[T]>,
        T: Copy,
    {
        let mut apart = 0;
        for item in &self.items[self.last.clone()] {
            let outcome = &mut self.outcomes[usize::from(item.event)];
            if *outcome == SegmentOutcome::Waits(0) {
                *outcome = SegmentOutcome::Apart;
                apart += 1;
            }
        }
        self.settle(sink, left);
        apart
    }

    fn lose(&mut self, items: Range<usize>, cause: DropReason) {
        for item in &self.items[items] {
            let outcome = &mut self.outcomes[usize::from(item.event)];
            if !matches!(outcome, SegmentOutcome::Lost(_)) {
                *outcome = SegmentOutcome::Lost(cause);
            }
        }
    }

    fn clear(&mut self) {
        (self.count, self.next, self.events, self.last) = (0, 0, 0, 0..0);
    }

    /// Adds the items of `event`, after `used` bytes of text.
    fn add<E: EventEncoder<T>, T>(
        &mut self,
        encoder: &E,
        event: &T,
        first_item: u8,
        used: &mut usize,
        largest: usize,
    ) -> Result<(), Skipped> {
        let largest = largest.min(CALL_BYTES);
        let ending = usize::from(encoder.ends_with_newline());
        let mut start = *used;
        for item in first_item..E::ITEMS {
            let room = self.texts.as_mut().get_mut(start..).unwrap_or_default();
            let size = room.len().min(largest);
            let slot = self.items.get_mut(self.count).ok_or(Skipped::Full)?;
            let length = match encoder.encode(event, item, &mut room[..size.saturating_sub(ending)]) {
                Ok(length) => length,
                Err(_) if size < largest => return Err(Skipped::Full),
                Err(_) => return Err(Skipped::TooLarge),
            };
            if ending != 0 {
                *room.get_mut(length).ok_or(Skipped::Full)? = b'\n';
            }
            let length = length + ending;
            let start_of = u32::try_from(start).map_err(|_| Skipped::Full)?;
            *slot = Item { start: start_of, length: length as u16, event: self.events as u16 };
            self.count += 1;
            start += length;
        }
        *used = start;
        Ok(())
    }
}

impl Item {
    fn text(self, texts: &[u8]) -> &[u8] {
        &texts[self.start as usize..][..usize::from(self.length)]
    }
}

impl<B, const N: usize> fmt::Debug for Window<B, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, next, events, .. } = self;
        f.debug_struct("Window")
            .field("items", count)
            .field("next", next)
            .field("events", events)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::events::event::Event;
    use crate::registry::accounts::Accounts;
    use crate::registry::exporter::Exporter;
    use crate::registry::ledger::Ledger;
    use crate::registry::storage::Storage;
    use crate::wire::text::out::Full;

    type TestStorage = Storage<4, 1, 2>;

    /// `N` items of as many letters as the event's size says. It says nothing else of itself.
    struct Letters<const N: u8>;

    impl<const N: u8> EventEncoder for Letters<N> {
        const ITEMS: u8 = N;

        fn encode(&self, event: &Event, _: u8, out: &mut [u8]) -> Result<usize, Full> {
            let room = out.get_mut(..event.response_bytes as usize).ok_or(Full)?;
            room.fill(b'x');
            Ok(room.len())
        }
    }

    fn sink<'a>(storage: &'a TestStorage, sizes: &[u64]) -> Sink<'a, Vec<Event>> {
        let ledger = Accounts::new(storage.registry()).open(Exporter::Statsd);
        let mut sink = Sink::new(vec![Event::default(); sizes.len()], ledger);
        for size in sizes {
            sink.offer(Event { response_bytes: *size, ..Event::default() });
        }
        sink
    }

    /// Sent, too large, and still waiting.
    fn account(ledger: &Ledger) -> (u64, u64, u64) {
        let (sent, dropped) = ledger.outcome();
        assert_eq!(dropped.total(), dropped.get(DropReason::TooLarge), "{dropped:?}");
        (sent, dropped.total(), ledger.held())
    }

    #[test]
    fn a_run_is_filled_up_only_where_an_encoder_says_so() {
        let storage = TestStorage::new();
        let (mut packer, mut run, mut out) = (Packer::new(Letters::<1>), Run::new(), [0; 99]);
        packer.pack_run(&mut sink(&storage, &[3, 3, 2, 3]), 9, 5, &mut out, &mut run);
        assert_eq!((run.datagrams(), run.segment(), run.bytes()), (3, 3, 8));
        assert_eq!(&out[..8], b"xxxxxxxx");
        assert_eq!([0..2, 0..3, 2..3].map(|datagrams| run.batch(datagrams).bytes), [6, 8, 2]);
    }

    #[test]
    fn a_window_without_room_leaves_events_and_drops_those_that_never_fit() {
        // Bytes of texts, sizes of events, of which none may have more than 20, and the account when those of the window have left.
        let table: [(usize, &[u64], _); 4] = [
            (100, &[10, 21, 10], (2, 1, 0)),
            (25, &[20, 10], (1, 0, 1)),
            (10, &[15, 5], (1, 1, 0)),
            (100, &[21, 21, 21, 21], (0, 3, 1)),
        ];
        for (texts, sizes, expected) in table {
            let storage = TestStorage::new();
            let (mut sink, mut window) = (sink(&storage, sizes), Window::<_, 3>::new(vec![0; texts]));
            window.fill(&Packer::new(Letters::<1>), &sink, 20);
            window.handed_over(window.waiting());
            window.settle(&mut sink, DropReason::Deadline);
            assert_eq!(account(sink.ledger()), expected, "{texts} {sizes:?}");
        }
    }

    #[test]
    fn an_event_that_was_begun_is_sent_with_its_last_item_and_nothing_is_lost_after_it() {
        let storage = TestStorage::new();
        let (mut packer, mut sink) = (Packer::new(Letters::<2>), sink(&storage, &[5]));
        let first = packer.pack(&mut sink, 1, &mut [0; 9]);
        packer.confirm(&mut sink, first);
        let mut window = Window::<_, 2>::new([0; 99]);
        window.fill(&packer, &sink, 20);
        assert_eq!(window.waiting(), 1);
        window.handed_over(1);
        window.lost(DropReason::TooLarge);
        window.settle(&mut sink, DropReason::Deadline);
        assert_eq!(account(sink.ledger()), (1, 0, 0));
    }
}
