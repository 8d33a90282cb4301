//! The lines of one series in one family.
//!
//! Lines of a series differ in the end only, so their common beginning is put together once. All parts are copied as
//! arrays of known length; where less room is left than that takes, exactly.

use core::fmt;

use super::constant::{ConstantText, TEXT_BYTES};
use super::exemplar::{self, Exemplars};
use super::family::{Family, LineStart, START_BYTES};
use super::le::{FRAGMENT_BYTES, Fragment, Fragments};
use super::options::ScrapeOptions;
use super::time::put_seconds;
use crate::aggregates::distribution::Distribution;
use crate::atomics::stored_text::StoredText;
use crate::counts::bounds::{BUCKETS, Bounds, Quantity};
use crate::counts::lane_sums::{CellSummary, LaneSums};
use crate::counts::shard_cells::ShardCells;
use crate::labels::prometheus as labels;
use crate::registry::Registry;
use crate::request::error_kind::ErrorKind;
use crate::request::label::ERROR_TYPE;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;
use crate::wire::text::digits;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::{Full, TextWriter};

/// What the lines show, frozen.
pub(super) struct SeriesLines {
    family: Family,
    /// What all lines but those of sum and count begin with: its start, then the labels.
    prefix: [u8; PREFIX_BYTES],
    /// Where the labels begin and end in it.
    labels: (usize, usize),
    /// Requests by outcome, failures by kind if those are shown, or cumulative buckets.
    counts: [u64; BUCKETS],
    /// How many of them are shown.
    used: usize,
    /// In nanoseconds or bytes.
    summary: CellSummary,
    lanes: LaneSums,
    /// Since when all of it has been counted, where that is shown.
    created: Option<Timestamp>,
}

/// Room for the longest prefix, and for a copy of known length from the labels on.
const PREFIX_BYTES: usize = START_BYTES + labels::BYTES + TEXT_BYTES + USUAL;
/// A prefix of this length is copied without a look at how long it is.
const USUAL: usize = 128;

impl SeriesLines {
    /// Lines of nothing yet.
    pub(super) const NONE: Self = Self {
        family: Family::Requests,
        prefix: [0; PREFIX_BYTES],
        labels: (0, 0),
        counts: [0; BUCKETS],
        used: 0,
        summary: CellSummary::NONE,
        lanes: LaneSums::NONE,
        created: None,
    };

    /// Freezes what `cells` counted for a series, which has these labels.
    pub(super) fn freeze(
        &mut self,
        family: Family,
        (cells, series): (&ShardCells<'_>, Series),
        labels: StoredText<'_>,
        options: &ScrapeOptions,
        bounds: &Bounds,
    ) {
        let [start, ..] = family.starts();
        self.family = family;
        self.prefix[..START_BYTES].copy_from_slice(&start.bytes);
        self.freeze_labels(start.length, labels, options);
        self.counts = [0; BUCKETS];
        self.summary = CellSummary::NONE;
        match family {
            Family::Requests => self.freeze_requests(cells, series),
            Family::Latency => self.freeze_histogram(cells, series, Quantity::Latency, bounds.latency_buckets()),
            Family::Size => self.freeze_histogram(cells, series, Quantity::Size, bounds.size_buckets()),
        }
    }

    /// Freezes what an instrument of the engine's own counted: a sum, and counts that are not yet cumulative. Of the run it has
    /// no labels but the constant ones.
    pub(super) fn freeze_own(
        &mut self,
        labels: Option<StoredText<'_>>,
        options: &ScrapeOptions,
        sum: u64,
        counts: &[u64],
    ) {
        let none = StoredText::new(&[], 0);
        self.freeze_labels(0, labels.unwrap_or(none), options);
        if labels.is_none() {
            // Before each constant label stands a comma.
            self.labels.0 = self.labels.1.min(1);
        }
        self.summary = CellSummary { sum, ..CellSummary::NONE };
        (self.used, self.counts) = (0, [0; BUCKETS]);
        let mut up_to = 0_u64;
        for (place, count) in self.counts.iter_mut().zip(counts) {
            up_to = up_to.wrapping_add(*count);
            *place = up_to;
            self.used += 1;
        }
    }

    /// Freezes the labels, and what the options say of all lines. The labels begin at `start` of the prefix.
    #[inline(always)]
    fn freeze_labels(&mut self, start: usize, labels: StoredText<'_>, options: &ScrapeOptions) {
        let end = labels.copy_wide(&mut self.prefix[start..]).unwrap_or_default();
        self.labels = (start, start + end);
        if !options.constant.is_empty() {
            self.add(&options.constant);
        }
        self.created = options.created;
    }

    fn add(&mut self, constant: &ConstantText) {
        let (own, room) = self.prefix.split_at_mut(self.labels.1);
        let mut out = TextWriter::new(room);
        // The room was sized for the longest labels.
        let fits = constant.put_rest(&own[self.labels.0..], &mut out);
        debug_assert_eq!(fits, Ok(()));
        self.labels.1 += out.len();
    }

    /// How many lines the series has.
    pub(super) const fn count(&self) -> usize {
        match (self.family, self.created.is_some()) {
            (Family::Requests, false) => self.used,
            (Family::Requests, true) => 2 * self.used,
            (Family::Latency | Family::Size, is_created) => self.used + 2 + is_created as usize,
        }
    }

    /// The requests that its lines add to the total of the page.
    pub(super) fn requests(&self) -> u64 {
        match self.family {
            Family::Requests => self.counts().iter().sum(),
            Family::Latency | Family::Size => 0,
        }
    }

    /// All labels, as text.
    pub(super) fn labels(&self) -> &[u8] {
        &self.prefix[self.labels.0..self.labels.1]
    }

    /// Requests by outcome, failures by kind if those are shown, or cumulative buckets.
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts[..self.used]
    }

    /// Outcome and kind that one of the counts is of, which are no buckets.
    pub(super) fn of_count(&self, count: usize) -> (Outcome, Option<ErrorKind>) {
        match count.checked_sub(1) {
            None => (Outcome::Success, None),
            Some(kind) => (Outcome::Failure, ErrorKind::ALL.get(kind).copied().filter(|_| self.has_kinds())),
        }
    }

    /// Whether failures are shown by kind.
    const fn has_kinds(&self) -> bool {
        matches!(self.family, Family::Requests) && self.used > Outcome::ALL.len()
    }

    /// The sum of a histogram's values in nanoseconds or bytes.
    pub(super) const fn sum(&self) -> u64 {
        self.summary.sum
    }

    /// The exponential histogram of the same reading as the classic one; `None` in storage that keeps none.
    pub(super) fn distribution(&self, registry: Registry<'_>) -> Option<Distribution> {
        let quantity = self.family.quantity()?;
        let map = registry.has_exponentials().then(|| registry.lane_map())?;
        Some(Distribution::of_lanes(quantity, &self.lanes, map, &self.summary))
    }

    pub(super) const fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// Writes the lines from `line` on, as many as fit, to the front of `out`, and moves on; returns their length in
    /// bytes.
    pub(super) fn write(
        &self,
        line: &mut usize,
        fragments: &Fragments,
        exemplars: Option<Exemplars<'_>>,
        out: &mut [u8],
    ) -> usize {
        let fragments = fragments.of(self.family);
        let mut written = match self.labels.1 {
            // After each counter comes a line of another kind.
            _ if self.created.is_some() && matches!(self.family, Family::Requests) => 0,
            _ if self.has_kinds() => 0,
            _ if exemplars.is_some() => 0,
            0..=64 => self.write_usual::<64, 128>(line, fragments, out),
            65..=96 => self.write_usual::<96, 160>(line, fragments, out),
            97..=128 => self.write_usual::<128, 192>(line, fragments, out),
            _ => 0,
        };
        while *line != self.count() {
            let Ok(bytes) = self.write_one(*line, fragments, exemplars, &mut out[written..]) else { break };
            written += bytes;
            *line += 1;
        }
        written
    }

    /// Writes lines of outcomes or buckets, of which `N` bytes hold the prefix and `ROOM` the whole, with all that is
    /// copied along. One look at the room suffices for a line, and all places in it are proved when this is compiled.
    #[inline(always)]
    fn write_usual<const N: usize, const ROOM: usize>(
        &self,
        line: &mut usize,
        fragments: &[Fragment],
        out: &mut [u8],
    ) -> usize {
        const { assert!(ROOM >= N + FRAGMENT_BYTES + 32) };
        let (Some(prefix), Some(counts)) = (self.prefix.first_chunk::<N>(), self.counts.get(*line..self.used)) else {
            return 0;
        };
        let length = self.labels.1.min(N);
        let mut written = 0;
        for (&count, fragment) in counts.iter().zip(fragments.get(*line..).unwrap_or_default()) {
            let Some(room) = out.get_mut(written..).and_then(<[u8]>::first_chunk_mut::<ROOM>) else { break };
            let Some(number) = digits::short_if(count) else { break };
            room[..N].copy_from_slice(prefix);
            room[length..][..FRAGMENT_BYTES].copy_from_slice(&fragment.bytes);
            let at = length + fragment.length();
            room[at..][..8].copy_from_slice(&number.bytes);
            let end = at + number.length;
            room[end] = b'\n';
            written += end + 1;
            *line += 1;
        }
        written
    }

    /// Writes line `line`, whatever its length, to the front of `out`; returns its length in bytes.
    fn write_one(
        &self,
        line: usize,
        fragments: &[Fragment],
        exemplars: Option<Exemplars<'_>>,
        out: &mut [u8],
    ) -> Result<usize, Full> {
        let room = out.len();
        let mut item = ItemWriter::new(out);
        let (line, is_created) = self.kind_of(line);
        match (self.counts[..self.used].get(line), fragments.get(line)) {
            (_, fragment) if is_created => self.write_created(line, fragment, &mut item)?,
            (Some(count), fragment) if fragment.is_some() || self.has_kinds() => {
                item.put_exact(&self.prefix[..self.labels.1])?;
                self.write_end_of_labels(line, fragment, &mut item)?;
                match exemplars.and_then(|exemplars| exemplars.of_bucket(line)) {
                    None => item.put_integer(*count, b"\n")?,
                    Some(exemplar) => {
                        item.put_integer(*count, b"")?;
                        exemplar::write(&exemplar, &mut item)?;
                    }
                }
            }
            _ => self.write_sum_or_count(line, &mut item)?,
        }
        Ok(room - item.room())
    }

    /// The number of a line, creation times not counted, and whether it is a creation time. A counter's creation time
    /// follows the counter; a histogram's comes last.
    const fn kind_of(&self, line: usize) -> (usize, bool) {
        match (self.created.is_some(), self.family) {
            (false, _) => (line, false),
            (true, Family::Requests) => (line / 2, line % 2 == 1),
            (true, Family::Latency | Family::Size) => (line, line == self.used + 2),
        }
    }

    fn write_created(&self, line: usize, fragment: Option<&Fragment>, item: &mut ItemWriter<'_>) -> Result<(), Full> {
        item.put_exact(self.family.created())?;
        item.put_exact(&self.prefix[self.labels.0..self.labels.1])?;
        match self.family {
            Family::Requests => self.write_end_of_labels(line, fragment, item)?,
            Family::Latency | Family::Size => item.put(b"} ", 2)?,
        }
        put_seconds(self.created.unwrap_or_default(), item)
    }

    /// Ends the labels of line `line` with what tells it from others: its fragment, or its kind, which is longer.
    fn write_end_of_labels(
        &self,
        line: usize,
        fragment: Option<&Fragment>,
        item: &mut ItemWriter<'_>,
    ) -> Result<(), Full> {
        match (self.of_count(line), fragment) {
            ((outcome, Some(kind)), _) => {
                for part in [",outcome=\"", outcome.as_str(), "\",", ERROR_TYPE, "=\"", kind.as_str()] {
                    item.put_exact(part.as_bytes())?;
                }
                item.put(b"\"} ", 3)
            }
            (_, Some(fragment)) => item.put(&fragment.bytes, fragment.length()),
            (_, None) => Err(Full),
        }
    }

    fn write_sum_or_count(&self, line: usize, item: &mut ItemWriter<'_>) -> Result<(), Full> {
        let is_sum = line == self.used;
        let [_, sum, count] = self.family.starts();
        let LineStart { bytes, length } = if is_sum { sum } else { count };
        item.put(bytes, *length)?;
        let labels = &self.prefix[self.labels.0..];
        let length = self.labels.1 - self.labels.0;
        match labels.first_chunk() {
            Some(usual) if length <= USUAL => item.put::<USUAL>(usual, length)?,
            _ => item.put_exact(&labels[..length])?,
        }
        item.put(b"} ", 2)?;
        match (is_sum, self.family) {
            (true, Family::Latency) => item.put_millis(self.summary.sum, b"\n"),
            (true, _) => item.put_integer(self.summary.sum, b"\n"),
            // The last bucket counts all.
            (false, _) => item.put_integer(self.counts[self.used - 1], b"\n"),
        }
    }

    fn freeze_requests(&mut self, cells: &ShardCells<'_>, series: Series) {
        self.used = Outcome::ALL.len();
        self.counts[0] = cells.requests(series, Outcome::Success);
        match cells.failures(series) {
            None => self.counts[1] = cells.requests(series, Outcome::Failure),
            Some(kinds) => {
                self.used = 1 + kinds.len();
                self.counts.iter_mut().skip(1).zip(kinds).for_each(|(count, failures)| *count = failures);
            }
        }
    }

    fn freeze_histogram(&mut self, cells: &ShardCells<'_>, series: Series, quantity: Quantity, buckets: usize) {
        self.used = buckets;
        self.summary = self.lanes.read(cells, series, &Outcome::ALL, quantity);
        self.lanes.classic(cells.map, |bucket, count| {
            if let Some(sum) = self.counts.get_mut(bucket) {
                *sum = count;
            }
        });
        let mut up_to = 0;
        for count in self.counts.iter_mut().take(buckets) {
            up_to += *count;
            *count = up_to;
        }
    }
}

impl fmt::Debug for SeriesLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.counts[..self.used];
        f.debug_struct("SeriesLines").field("family", &self.family).field("counts", &shown).finish_non_exhaustive()
    }
}
