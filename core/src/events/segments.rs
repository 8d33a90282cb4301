//! Datagrams of one size, of which a kernel with segmentation offload takes many in one call.
//!
//! Such a call carries one buffer and the size of its segments: each becomes a datagram, and only the last may be
//! shorter. There are three ways to get there. Where items share datagrams, a [`Run`] fills all but its last one up with
//! newlines, if the receiver is known to read over them; else it packs the others to the length that the first one
//! has, and ends with one that comes out shorter. Where each item is a datagram of its own, a [`Window`] sorts the items
//! of some events by length; none is changed, and the order does not matter to DogStatsD.
//!
//! Neither sends anything: the caller says what the kernel has taken, and the sink's account follows.

use core::cmp::Reverse;
use core::fmt;
use core::ops::Range;

use crate::events::batch::{EventEncoder, Packed, Packer};
use crate::events::event::Event;
use crate::events::sink::Sink;
use crate::registry::drop_reason::DropReason;

/// Most datagrams in one call (`UDP_MAX_SEGMENTS` of Linux before 6.9, include/linux/udp.h; 128 since).
pub const SEGMENTS: usize = 64;

/// Most bytes in one call: what one datagram over IPv4 carries.
pub const CALL_BYTES: usize = 65_507;

/// Most datagrams of `segment` bytes in one call, at least 1.
fn segments_of(segment: usize) -> usize {
    (CALL_BYTES / segment.max(1)).clamp(1, SEGMENTS)
}

/// Packed datagrams one after another in one buffer, each but the last of one size.
#[derive(Clone, Debug)]
pub struct Run {
    datagrams: [Packed; SEGMENTS],
    count: usize,
    segment: usize,
    bytes: usize,
}

impl Run {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        let nothing = Packed { bytes: 0, items: 0, events: 0, next_item: 0 };
        Self { datagrams: [nothing; SEGMENTS], count: 0, segment: 0, bytes: 0 }
    }

    /// Datagrams in it, at most [`SEGMENTS`].
    #[must_use]
    pub const fn datagrams(&self) -> usize {
        self.count
    }

    /// Bytes of each but the last.
    #[must_use]
    pub const fn segment(&self) -> usize {
        self.segment
    }

    /// Bytes at the front of the buffer.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Some of its datagrams as one batch, to be settled by [`Packer::confirm`] or [`Packer::discard`] after those
    /// before them were confirmed. Once one is discarded, those after it are void: they are packed again.
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

impl<E: EventEncoder> Packer<E> {
    /// Packs a run of up to `datagrams` datagrams of at most `segment` bytes to the front of `out`, of as many as fit into
    /// it and into one call. The last is as short as its items; the others are filled up with newlines, or are as long as
    /// the first, by [`EventEncoder::fills_with_newlines`].
    ///
    /// An event of which an item does not fit into an empty datagram is dropped as `too_large`. The run stays empty where
    /// `out` is shorter than `segment`.
    pub fn pack_run<B>(
        &mut self,
        sink: &mut Sink<'_, B>,
        datagrams: usize,
        segment: usize,
        out: &mut [u8],
        run: &mut Run,
    ) where
        B: AsRef<[Event]> + AsMut<[Event]>,
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

/// One call: datagrams of `segment` bytes at the front of a buffer, of which the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Bytes of all of them.
    pub bytes: usize,
    /// Bytes of each but the last.
    pub segment: usize,
    /// How many they are, at most [`SEGMENTS`].
    pub datagrams: usize,
}

/// The items of the first events of a sink, each a datagram of its own, longest first. Its texts are in the caller's
/// memory; `N` (at most 65,536) is the most items, and the most events.
///
/// Fill it, hand over call by call, settle it. Meanwhile its events stay at the front of the sink.
pub struct Window<B, const N: usize> {
    texts: B,
    items: [Item; N],
    count: usize,
    /// Items before this one were handed over or have failed.
    next: usize,
    /// The items of the last call that was taken, unless more is known of it.
    last: Range<usize>,
    outcomes: [SegmentOutcome; N],
    events: usize,
}

/// Where one item's text is, and whose it is.
#[derive(Clone, Copy, Debug, Default)]
struct Item {
    start: u32,
    length: u16,
    event: u16,
}

/// What has become of an event of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentOutcome {
    /// So many of its items are yet to be handed over; with none left it is sent.
    Waits(u8),
    /// An item of it is lost, for that cause.
    Lost(DropReason),
    /// All of its items were handed over, and it is held all the same until more is known of the last call.
    Apart,
}

/// Why an event is not, or not now, in a window.
enum Skipped {
    /// The window has no room left.
    Full,
    TooLarge,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>, const N: usize> Window<B, N> {
    /// An empty one that writes into `texts` (at most 4 GiB are used): room for all items of the largest event.
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
        }
    }

    /// Encodes the items of as many events at the front of `sink` as there is room for, and of at least one.
    ///
    /// An event of which an item is longer than `largest` bytes (at most 65,507) is kept out; [`settle`](Self::settle)
    /// drops it as `too_large`. What the window held before is forgotten without being settled.
    pub fn fill<E, S>(&mut self, packer: &Packer<E>, sink: &Sink<'_, S>, largest: usize)
    where
        E: EventEncoder,
        S: AsRef<[Event]> + AsMut<[Event]>,
    {
        const { assert!(N >= E::ITEMS as usize, "a window holds the items of an event") };
        self.clear();
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

    /// Items that are yet to be handed over.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.count - self.next
    }

    /// Writes up to `datagrams` (at least one) of the next datagrams to the front of `out`, as many as fit into it and into one call;
    /// `None` where no item is left, or the next one does not fit into `out`.
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

    /// The kernel has taken the next `datagrams`.
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

    /// The next datagram is lost for `cause`, and with it its event.
    pub fn lost(&mut self, cause: DropReason) {
        if self.next < self.count {
            self.lose(self.next..self.next + 1, cause);
            self.next += 1;
        }
    }

    /// The last call that was taken was refused, so that its events are `unconfirmed`.
    pub(crate) fn refused(&mut self) {
        let last = core::mem::take(&mut self.last);
        self.lose(last, DropReason::Unconfirmed);
    }

    /// Nothing more will be known of the last call that was taken: it has arrived.
    pub(crate) fn arrived(&mut self) {
        self.last = 0..0;
    }

    /// Bytes of the next datagram; 0 where none is left.
    pub(crate) fn next_bytes(&self) -> usize {
        self.items[self.next..self.count].first().map_or(0, |item| item.length.into())
    }

    /// Takes its events out of `sink`, the one it was filled from: those of which all items were handed over are sent,
    /// those of which one is lost are dropped for its cause, and those that still wait for `left`.
    pub fn settle<S>(&mut self, sink: &mut Sink<'_, S>, left: DropReason)
    where
        S: AsRef<[Event]> + AsMut<[Event]>,
    {
        for alike in self.outcomes[..self.events].chunk_by(|a, b| a == b) {
            match alike[0] {
                SegmentOutcome::Waits(0) => sink.confirm_front(alike.len()),
                SegmentOutcome::Waits(_) => sink.drop_front(alike.len(), left),
                SegmentOutcome::Lost(cause) => sink.drop_front(alike.len(), cause),
                SegmentOutcome::Apart => sink.hold_apart(alike.len()),
            }
        }
        self.clear();
    }

    /// The same, but those of the last call that was taken are held apart; returns how many they are.
    pub(crate) fn settle_but_last<S>(&mut self, sink: &mut Sink<'_, S>, left: DropReason) -> u64
    where
        S: AsRef<[Event]> + AsMut<[Event]>,
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
    fn add<E: EventEncoder>(
        &mut self,
        encoder: &E,
        event: &Event,
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
