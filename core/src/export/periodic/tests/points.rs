//! A source as simple as one can be: series of which each has a point of the size histogram and one of the counter.

use super::std::vec;
use super::std::vec::Vec;

use crate::Timestamp;
use crate::Weights;
use crate::export::periodic::{CyclePart, ExportSource, WriteOutcome};
use crate::registry::account::AccountKind;
use crate::registry::drop_reason::DropReason;
use crate::registry::ledger::{Ledger, SUMS};

/// Bytes around the points of a body.
pub(super) const HEADER: usize = 100;

/// A point of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) is_counter: bool,
    pub(super) series: usize,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) value: u64,
}

/// A place: the metric, the series and the times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    next: usize,
    start: Timestamp,
    end: Timestamp,
}

pub(super) struct Points {
    is_delta: bool,
    /// Bytes of each point.
    point: usize,
    /// What was recorded, by series.
    counts: Vec<u64>,
    /// Delta: what was taken out, and what of that is not settled.
    kept: Vec<u64>,
    came: Vec<u64>,
    start: Timestamp,
    end: Timestamp,
    /// Whether some of it is settled.
    is_begun: bool,
    /// Delta: the series that is read next of the interval that ended last.
    next: usize,
    /// Series that are read before other tasks have their turn.
    pub(super) in_a_turn: usize,
    /// Places without a point that are passed over in a turn.
    pub(super) passes: usize,
    ledger: Ledger,
}

impl Points {
    pub(super) fn new(is_delta: bool, series: usize, point: usize) -> Self {
        let ledger = Ledger::new();
        ledger.open(SUMS, 0, 0);
        let (counts, kept, came) = (vec![0; series], vec![0; series], vec![0; series]);
        Self {
            is_delta,
            point,
            counts,
            kept,
            came,
            start: Timestamp::default(),
            end: Timestamp::default(),
            is_begun: false,
            next: series,
            in_a_turn: usize::MAX,
            passes: usize::MAX,
            ledger,
        }
    }

    pub(super) fn record(&mut self, series: usize, requests: u64) {
        self.counts[series] += requests;
    }

    pub(super) fn recorded(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn sent(&self) -> u64 {
        self.ledger.outcome().0
    }

    pub(super) fn dropped(&self, cause: DropReason) -> u64 {
        self.ledger.outcome().1.get(cause)
    }

    /// All that was sent or dropped.
    pub(super) fn settled(&self) -> u64 {
        let (sent, dropped) = self.ledger.outcome();
        sent + dropped.total()
    }

    fn value(&self, series: usize) -> u64 {
        if self.is_delta { self.came[series] } else { self.counts[series] }
    }

    fn part(&self, place: Place) -> CyclePart<Place> {
        let kind = AccountKind::Requests;
        CyclePart { start: 0, end: 0, points: 0, kind, recorded: 0, next: place, is_last: false }
    }
}

impl ExportSource for Points {
    type Cursor = Place;

    fn end_interval(&mut self, now: Timestamp) {
        assert!(now > self.end, "intervals end later than they begin");
        let is_read = self.next == self.counts.len();
        if is_read && (core::mem::take(&mut self.is_begun) || self.came.iter().all(|requests| *requests == 0)) {
            self.start = self.end;
        }
        (self.end, self.next) = (now, 0);
    }

    fn read_on(&mut self) -> bool {
        let end = if self.is_delta {
            (self.next.saturating_add(self.in_a_turn)).min(self.counts.len())
        } else {
            self.counts.len()
        };
        for series in self.next..end {
            self.came[series] += self.counts[series] - self.kept[series];
            self.kept[series] = self.counts[series];
        }
        self.next = end;
        end == self.counts.len()
    }

    fn begin(&mut self, now: Timestamp) -> Place {
        assert!(now == self.end && self.next == self.counts.len(), "the interval is read whole");
        let start = if self.is_delta { self.start } else { Timestamp::default() };
        Place { next: 0, start, end: now }
    }

    fn with_time(&self, place: Place, now: Timestamp) -> Place {
        if self.is_delta { place } else { Place { end: now, ..place } }
    }

    fn write(&self, place: Place, limit: usize, out: &mut [u8]) -> WriteOutcome<Place> {
        let series = self.counts.len();
        let all = place.next..2 * series;
        let mut left = all.filter(|next| self.value(next % series) != 0).peekable();
        match left.peek() {
            None => return WriteOutcome::Nothing,
            Some(next) if next - place.next > self.passes => {
                return WriteOutcome::Passed(Place { next: place.next + self.passes, ..place });
            }
            Some(_) => {}
        }
        let fits = (limit.min(out.len()).saturating_sub(HEADER) / self.point).max(1);
        let needs = HEADER + self.point;
        let mut part = self.part(place);
        for next in left.take(fits) {
            let (is_counter, value) = (next >= series, self.value(next % series));
            if let Some(out) = out.get_mut(HEADER + part.points * self.point..).filter(|out| out.len() >= 34) {
                let point = [next as u64, place.start.as_unix_nanos(), place.end.as_unix_nanos(), value];
                point
                    .iter()
                    .zip(out.chunks_exact_mut(8))
                    .for_each(|(word, out)| out.copy_from_slice(&word.to_be_bytes()));
            }
            part.points += 1;
            part.next.next = next + 1;
            if is_counter {
                part.recorded += value;
            }
        }
        part.end = HEADER + part.points * self.point;
        part.is_last = part.next.next == 2 * series;
        if out.len() < needs { WriteOutcome::TooSmall { needs, point: part } } else { WriteOutcome::Body(part) }
    }

    fn weights(&self, from: Place, to: Place) -> Weights {
        let series = self.counts.len();
        let mut weights = Weights::default();
        (from.next.max(series)..to.next).for_each(|next| weights.add(self.value(next - series)));
        weights
    }

    fn settle(&mut self, from: Place, to: Place) {
        let series = self.counts.len();
        (from.next.max(series)..to.next).for_each(|next| self.came[next - series] = 0);
        self.is_begun = true;
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn held(&self) -> u64 {
        self.recorded() - self.settled()
    }
}

/// The points of a body of a source with so many series and bytes of a point.
pub(super) fn points(body: &[u8], series: usize, point: usize) -> impl Iterator<Item = Point> {
    body[HEADER..].chunks_exact(point).map(move |bytes| {
        let word = |at: usize| u64::from_be_bytes(bytes[8 * at..8 * at + 8].try_into().expect("eight bytes"));
        let next = word(0) as usize;
        let (is_counter, series) = (next >= series, next % series);
        Point { is_counter, series, start: word(1), end: word(2), value: word(3) }
    })
}
