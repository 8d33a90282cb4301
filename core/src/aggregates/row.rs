//! A row: what one series counted, as plain numbers one after another. Differences of intervals are taken between rows.
//! Every OTLP point is made from a row, except cumulative points with explicit bounds.

use crate::counts::bounds::{BUCKETS, Bounds, Quantity};
use crate::counts::exponential::{LATENCIES, SIZES};
use crate::counts::lane_sums::LaneSums;
use crate::counts::shard_cells::ShardCells;
use crate::registry::Registry;
use crate::request::error_kind::{ErrorKind, KINDS};
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// The places of the sums in a row.
pub(crate) mod at {
    pub(crate) const LATENCY_SUM: usize = 0;
    pub(crate) const SIZE_SUM: usize = 1;
    pub(crate) const REQUESTS: usize = 2;
    /// Only where a row holds both outcomes.
    pub(crate) const FAILURES: usize = 3;
}

/// Most words of a row.
pub(crate) const MAX_WORDS: usize = at::FAILURES + BUCKETS + LATENCIES + SIZES + KINDS + 2 * EXTREMES;
/// Words of the extremes of one histogram: the complement of the smallest value, because words are zero at first, and the
/// largest.
const EXTREMES: usize = 2;

/// Which columns a row has, in this order: the sums, the classic buckets of latencies and of sizes, the exponential
/// buckets of both, the failures by kind, and last the extremes (the smallest and the largest value). All but the extremes can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowShape {
    sums: usize,
    classic: Widths,
    exponential: Widths,
    /// The number of kinds of failures, or 0 while the label `error_type` is off.
    kinds: usize,
    /// The number of histograms whose extremes are kept.
    extremes: usize,
}

/// The number of buckets of each quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Widths {
    latencies: usize,
    sizes: usize,
}

/// One histogram of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half<'r> {
    /// In nanoseconds or bytes.
    pub(crate) sum: u64,
    /// The smallest and the largest value, if they are known.
    pub(crate) extremes: Option<(u64, u64)>,
    pub(crate) buckets: &'r [u64],
    /// The requests in all buckets.
    pub(crate) count: u64,
}

impl Half<'_> {
    /// Requests without buckets.
    pub(crate) const fn of_count(count: u64) -> Self {
        Self { sum: 0, extremes: None, buckets: &[], count }
    }
}

impl RowShape {
    /// A row for each outcome: classic latencies and sizes.
    pub(crate) const fn explicit(bounds: &Bounds) -> Self {
        let classic = Widths { latencies: bounds.latency_buckets(), sizes: bounds.size_buckets() };
        Self { sums: at::FAILURES, classic, exponential: Widths::NONE, kinds: 0, extremes: 0 }
    }

    /// A row for each outcome: exponential latencies and sizes. Only for storage that keeps them.
    pub(crate) const fn exponential() -> Self {
        Self { sums: at::FAILURES, classic: Widths::NONE, exponential: Widths::ALL, kinds: 0, extremes: 0 }
    }

    /// A row for each outcome: all that `registry` counts.
    pub(crate) fn everything(registry: Registry<'_>) -> Self {
        let explicit = Self::explicit(&registry.bounds()).with_kinds(registry);
        if !registry.has_exponentials() {
            return explicit;
        }
        Self { exponential: Widths::ALL, ..explicit }.with_extremes()
    }

    /// One row for both outcomes: requests, failures, and of the latencies the exponential buckets and the extremes,
    /// where `registry` has them.
    pub(crate) fn merged(registry: Registry<'_>) -> Self {
        let latencies = if registry.has_exponentials() { LATENCIES } else { 0 };
        let exponential = Widths { latencies, sizes: 0 };
        let extremes = usize::from(latencies != 0);
        Self { sums: at::FAILURES + 1, classic: Widths::NONE, exponential, kinds: 0, extremes }.with_kinds(registry)
    }

    /// The same with the failures by kind, while the label `error_type` of `registry` is on.
    pub(crate) fn with_kinds(self, registry: Registry<'_>) -> Self {
        Self { kinds: if registry.has_error_label() { KINDS } else { 0 }, ..self }
    }

    /// The same with the extremes of both histograms, which cannot be added.
    pub(crate) const fn with_extremes(self) -> Self {
        Self { extremes: 2, ..self }
    }

    pub(crate) const fn words(self) -> usize {
        self.additive_words() + self.extremes * EXTREMES
    }

    /// The words that can be added. A row begins with them.
    pub(crate) const fn additive_words(self) -> usize {
        self.first_kind() + self.kinds
    }

    const fn first_kind(self) -> usize {
        self.sums + self.classic.both() + self.exponential.both()
    }

    /// Whether rows have failures by kind.
    pub(crate) const fn has_kinds(self) -> bool {
        self.kinds != 0
    }

    /// The outcomes that have a row of their own. If both outcomes share a row, it is that of the first one.
    pub(crate) const fn outcomes(self) -> &'static [Outcome] {
        if self.is_merged() { &[Outcome::Success] } else { &Outcome::ALL }
    }

    const fn is_merged(self) -> bool {
        self.sums > at::FAILURES
    }

    /// The requests in `row`.
    #[inline]
    pub(crate) fn requests(self, row: &[u64]) -> u64 {
        row.get(at::REQUESTS).copied().unwrap_or_default()
    }

    /// The failures in `row`, if it holds both outcomes; else 0.
    pub(crate) fn failures(self, row: &[u64]) -> u64 {
        row.get(at::FAILURES).copied().filter(|_| self.is_merged()).unwrap_or_default()
    }

    /// The failures in `row` of one kind, if it has failures by kind; else 0.
    #[inline]
    pub(crate) fn failures_of(self, row: &[u64], kind: ErrorKind) -> u64 {
        let at = self.first_kind() + kind.index();
        row.get(at).copied().filter(|_| self.has_kinds()).unwrap_or_default()
    }

    /// Takes the failures of one kind out of `row`, and returns how many those are.
    pub(crate) fn take_kind(self, row: &mut [u64], kind: ErrorKind) -> u64 {
        let failures = self.failures_of(row, kind);
        // Without this check, memory that was never written would be written.
        if failures != 0 {
            for at in [at::REQUESTS, self.first_kind() + kind.index()] {
                if let Some(word) = row.get_mut(at) {
                    *word = word.wrapping_sub(failures);
                }
            }
        }
        failures
    }

    /// The latencies in `row`. If the row has classic and exponential buckets, they are the classic ones.
    #[inline]
    pub(crate) fn latencies(self, row: &[u64]) -> Half<'_> {
        self.half(Quantity::Latency, row, self.sums, self.first_widths().latencies)
    }

    /// The sizes in `row`, likewise.
    #[inline]
    pub(crate) fn sizes(self, row: &[u64]) -> Half<'_> {
        let Widths { latencies, sizes } = self.first_widths();
        self.half(Quantity::Size, row, self.sums + latencies, sizes)
    }

    /// The classic latencies and sizes in `row`.
    pub(crate) fn classic(self, row: &[u64]) -> [Half<'_>; 2] {
        self.halves(row, self.sums, self.classic)
    }

    /// The exponential latencies and sizes in `row`.
    pub(crate) fn exponentials(self, row: &[u64]) -> [Half<'_>; 2] {
        self.halves(row, self.sums + self.classic.both(), self.exponential)
    }

    /// The numbers of the buckets that come first in a row. If there are classic buckets, there are some of both
    /// quantities.
    const fn first_widths(self) -> Widths {
        if self.classic.latencies != 0 { self.classic } else { self.exponential }
    }

    fn halves(self, row: &[u64], first: usize, Widths { latencies, sizes }: Widths) -> [Half<'_>; 2] {
        [self.half(Quantity::Latency, row, first, latencies), self.half(Quantity::Size, row, first + latencies, sizes)]
    }

    #[inline]
    fn half(self, quantity: Quantity, row: &[u64], first: usize, buckets: usize) -> Half<'_> {
        let (sum, place) = match quantity {
            Quantity::Latency => (at::LATENCY_SUM, 0),
            Quantity::Size => (at::SIZE_SUM, 1),
        };
        let word = |at: usize| row.get(at).copied().unwrap_or_default();
        let extremes = (place < self.extremes).then(|| self.additive_words() + place * EXTREMES);
        let extremes = extremes.map(|at| (!word(at), word(at + 1)));
        let buckets = row.get(first..first + buckets).unwrap_or_default();
        Half {
            sum: word(sum),
            extremes: extremes.filter(|(min, max)| min <= max),
            buckets,
            count: buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count)),
        }
    }

    /// Calls [`read`](Self::read) for a row at the front of `room`, and returns this row.
    pub(crate) fn read_into<'r>(
        self,
        registry: Registry<'_>,
        series: Series,
        outcome: Outcome,
        room: &'r mut [u64; MAX_WORDS],
    ) -> &'r [u64] {
        let row = &mut room[..self.words()];
        self.read(registry, series, outcome, row);
        row
    }

    /// Reads what all shards counted into `row`: each number whole, not the numbers in step; the extremes may be those of a
    /// request that no bucket shows yet.
    pub(crate) fn read(self, registry: Registry<'_>, series: Series, outcome: Outcome, row: &mut [u64]) {
        row.fill(0);
        let (one, cells) = ([outcome], registry.shard_cells());
        let outcomes = if self.is_merged() { &Outcome::ALL } else { &one[..] };
        // Before the buckets, which a recorder fills first: no request is without its latency.
        for outcome in outcomes {
            let requests = match cells.failures(series).filter(|_| self.has_kinds() && *outcome == Outcome::Failure) {
                Some(kinds) => self.set_kinds(row, kinds),
                None => cells.requests(series, *outcome),
            };
            row[at::REQUESTS] = row[at::REQUESTS].wrapping_add(requests);
            if self.is_merged() && *outcome == Outcome::Failure {
                row[at::FAILURES] = requests;
            }
        }
        if row[at::REQUESTS] != 0 {
            let mut lanes = LaneSums::NONE;
            self.read_histogram(&cells, (series, outcomes), Quantity::Latency, &mut lanes, row);
            self.read_histogram(&cells, (series, outcomes), Quantity::Size, &mut lanes, row);
        }
    }

    /// Puts failures by kind into `row`, and returns how many those are: the row has no others, so that its kinds add up.
    fn set_kinds(self, row: &mut [u64], kinds: [u64; KINDS]) -> u64 {
        row.iter_mut().skip(self.first_kind()).zip(kinds).for_each(|(word, failures)| *word = failures);
        kinds.iter().fold(0, |sum: u64, failures| sum.wrapping_add(*failures))
    }

    fn read_histogram(
        self,
        cells: &ShardCells<'_>,
        (series, outcomes): (Series, &[Outcome]),
        quantity: Quantity,
        lanes: &mut LaneSums,
        row: &mut [u64],
    ) {
        let (place, sum) = match quantity {
            Quantity::Latency => (0, at::LATENCY_SUM),
            Quantity::Size => (1, at::SIZE_SUM),
        };
        let (map, all) = (cells.map, lanes.read(cells, series, outcomes, quantity));
        row[sum] = all.sum;
        if let Some(extremes) = row[self.additive_words()..].as_chunks_mut::<EXTREMES>().0.get_mut(place) {
            *extremes = [!all.smallest, all.largest];
        }
        let mut add = |at: usize, count: u64| {
            if let Some(sum) = row.get_mut(at) {
                *sum = sum.wrapping_add(count);
            }
        };
        let exponentials = self.sums + self.classic.both();
        if self.classic.has(quantity) {
            let first = self.sums + place * self.classic.latencies;
            lanes.classic(map, |bucket, count| add(first + bucket, count));
        }
        if self.exponential.has(quantity) {
            let first = exponentials + place * self.exponential.latencies;
            lanes.exponential(map, |bucket, count| add(first + bucket, count));
        }
    }
}

impl Widths {
    const NONE: Self = Self { latencies: 0, sizes: 0 };
    /// The buckets of exponential histograms.
    const ALL: Self = Self { latencies: LATENCIES, sizes: SIZES };

    const fn both(self) -> usize {
        self.latencies + self.sizes
    }

    const fn has(self, quantity: Quantity) -> bool {
        match quantity {
            Quantity::Latency => self.latencies != 0,
            Quantity::Size => self.sizes != 0,
        }
    }
}
