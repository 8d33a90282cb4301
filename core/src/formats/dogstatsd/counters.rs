//! Sums of requests that wait until they may say when they were (`|T`, protocol 1.3).
//!
//! The Agent passes a count with a timestamp on as it is, and Datadog keeps the last that a series has in a second. So
//! the counts of a series leave at most once a second. None borrows the second to come either, but at the end: times that
//! run ahead of the clock by more than ten minutes are discarded. Source: DataDog/documentation,
//! metrics/custom_metrics/dogstatsd_metrics_submission, "Submit metrics with timestamps".
//!
//! Two series of ours are one there where their tags differ in nothing but case, or in what `_` stands for: they share a
//! counter.

use core::ops::Range;

use heapless::Vec;

use crate::atomics::stored_text::StoredText;
use crate::hash;
use crate::labels::dogstatsd as labels;
use crate::request::error_kind::{ErrorKind, KINDS};
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// What is counted of one context: 32 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContextCount {
    /// Requests that the next counter stands for.
    requests: u64,
    /// Those of them whose values have left, and which count as held until the counter has.
    held: u64,
    /// Of the tags as Datadog takes them; 0 until a request is counted.
    hash: u64,
    /// The place where those of the same tags are counted.
    counted_at: usize,
}

const _: () = assert!(size_of::<ContextCount>() <= 32, "the documentation says so");

/// What tells counters apart.
pub(super) type CountedContext = (Series, Outcome, Option<ErrorKind>);

/// Contexts that a series may have.
pub(super) const fn contexts_of_series(has_kinds: bool) -> usize {
    if has_kinds { 1 + KINDS } else { Outcome::ALL.len() }
}

/// A packet of counters, to be told of by [`Aggregator::settle_counters`](super::Aggregator::settle_counters).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterPacket {
    /// Bytes at the front of the buffer.
    pub bytes: usize,
    /// Counters in it, one for each context.
    pub contexts: usize,
    pub(super) places: Range<usize>,
}

/// The counts of all contexts, and when they may leave.
#[derive(Clone, Debug)]
pub(super) struct Counters<C> {
    /// By outcome, or by outcome and kind, series after series.
    counts: C,
    has_kinds: bool,
    /// How far the wall clock was ahead of the other at most, in nanoseconds.
    ahead: u64,
    /// The second of those that leave or have left last.
    second: u64,
    /// The first whose counter is not yet in a packet.
    next: usize,
}

impl<C: AsRef<[ContextCount]> + AsMut<[ContextCount]>> Counters<C> {
    /// None that may leave before `after` seconds have passed since the Unix epoch.
    pub(super) fn new(counts: C, after: u64, has_kinds: bool) -> Self {
        let next = counts.as_ref().len();
        Self { counts, has_kinds, ahead: 0, second: after, next }
    }

    /// Counts a request whose values have left, or are lost, of a series with these tags; whether there is room for that.
    pub(super) fn add(&mut self, (series, outcome, kind): CountedContext, tags: StoredText<'_>, is_held: bool) -> bool {
        let of_series = kind.filter(|_| self.has_kinds).map_or_else(|| outcome.index(), |kind| 1 + kind.index());
        let (each, counts) = (contexts_of_series(self.has_kinds), self.counts.as_mut());
        // A handle of another registry is shown as the overflow series.
        let at = Some(each * series.index() + of_series).filter(|at| *at < counts.len()).unwrap_or(of_series);
        if counts.get(at).is_some_and(|count| count.hash == 0) {
            let hash = hash_of(tags, of_series);
            let same = counts.iter().find(|count| count.hash == hash).map_or(at, |count| count.counted_at);
            counts[at] = ContextCount { hash, counted_at: same, ..ContextCount::default() };
        }
        let Some(count) = counts.get(at).map(|count| count.counted_at).and_then(|at| counts.get_mut(at)) else {
            return false;
        };
        count.requests += 1;
        count.held += u64::from(is_held);
        true
    }

    /// Lets them leave if their second has come, or if these are the last, which then say the second that follows.
    pub(super) fn begin(&mut self, tick: u64, wall: u64, are_last: bool) -> bool {
        self.ahead = self.ahead.max(wall.saturating_sub(tick));
        let now = tick.saturating_add(self.ahead) / NANOS_PER_SECOND;
        if now <= self.second && !are_last {
            return false;
        }
        // Never 0, with which the Agent drops a message as a whole.
        self.second = now.max(self.second + 1);
        self.next = 0;
        true
    }

    /// The second that they say.
    pub(super) const fn second(&self) -> u64 {
        self.second
    }

    /// The next that stands for requests, and how many those are.
    pub(super) fn peek(&self) -> Option<(CountedContext, u64)> {
        let (at, each) = (self.first_counted()?, contexts_of_series(self.has_kinds));
        let series = Series::from_number((at / each) as u32);
        let kind = (at % each).checked_sub(1);
        let outcome = if kind.is_some() { Outcome::Failure } else { Outcome::Success };
        let kind = kind.filter(|_| self.has_kinds).and_then(|kind| ErrorKind::ALL.get(kind).copied());
        Some(((series, outcome, kind), self.counts.as_ref().get(at)?.requests))
    }

    fn first_counted(&self) -> Option<usize> {
        let counts = self.counts.as_ref().get(self.next..)?;
        Some(self.next + counts.iter().position(|count| count.requests != 0)?)
    }

    /// Goes on after the one that was looked at; returns the place that is next.
    pub(super) fn advance(&mut self) -> usize {
        self.next = self.first_counted().map_or(self.next, |at| at + 1);
        self.next
    }

    /// The place that is next.
    pub(super) const fn next(&self) -> usize {
        self.next
    }

    /// Empties those at `places`; returns how many of their requests were held.
    pub(super) fn clear(&mut self, places: Range<usize>) -> u64 {
        let counts = self.counts.as_mut().get_mut(places).unwrap_or_default();
        let take = |count: &mut ContextCount| {
            count.requests = 0;
            core::mem::take(&mut count.held)
        };
        counts.iter_mut().map(take).sum()
    }

    /// They were not sent: they are the next ones again.
    pub(super) const fn put_back(&mut self, places: &Range<usize>) {
        self.next = places.start;
    }
}

/// Never 0. Datadog takes tags in lower case.
fn hash_of(tags: StoredText<'_>, of_series: usize) -> u64 {
    let mut room = [0; labels::BYTES];
    let length = tags.copy_to(&mut room).unwrap_or_default();
    let text = core::str::from_utf8(&room[..length]).unwrap_or_default();
    let mut lower: Vec<u8, { 2 * labels::BYTES }> = Vec::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        // No letter's lower case takes more than twice its bytes.
        let fits = lower.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        debug_assert!(fits.is_ok());
    }
    (hash::of(&lower) << PLACE_BITS | of_series as u64).max(1)
}

/// Bits of a place among those of a series.
const PLACE_BITS: u32 = 3;
const _: () = assert!(contexts_of_series(true) <= 1 << PLACE_BITS);

const NANOS_PER_SECOND: u64 = 1_000_000_000;
