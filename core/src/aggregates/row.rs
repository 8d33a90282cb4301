//! A row: what one series counted, as plain numbers one after another. Differences of intervals are taken between rows.
//! Every OTLP point is made from a row, except cumulative points with explicit bounds.

use crate::atomics::{AtomicU64, Ordering::Relaxed};
use crate::counts::bounds::{BUCKETS, Bounds, Quantity};
use crate::counts::cell;
use crate::counts::exponential::{self, ExponentialWords, LATENCIES, SIZES};
use crate::counts::layout::{AT_BUCKETS, CellWords, LATENCY_SUM, SIZE_SUM};
use crate::registry::Registry;
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// The places of the sums in a row.
pub(crate) mod at {
    pub(crate) const LATENCY_SUM: usize = 0;
    pub(crate) const SIZE_SUM: usize = 1;
    /// Only in a row that holds both outcomes. In other rows the number of requests is the sum of the latency buckets.
    pub(crate) const REQUESTS: usize = 2;
    pub(crate) const FAILURES: usize = 3;
}

/// The most words of a row.
pub(crate) const MAX_WORDS: usize = at::REQUESTS + BUCKETS + LATENCIES + SIZES + 2 * EXTREMES;
/// The words of the extremes of one histogram: the largest value, and before it the complement of the smallest value,
/// so that zero words mean that there is none.
const EXTREMES: usize = 2;

/// Which columns a row has, in this order: the sums, the classic buckets of latencies and of sizes, the exponential
/// buckets of both, and last the extremes (the smallest and the largest value). All but the extremes can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowShape {
    sums: usize,
    classic: Widths,
    exponential: Widths,
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

impl RowShape {
    /// A row for each outcome: classic latencies and sizes.
    pub(crate) const fn explicit(bounds: &Bounds) -> Self {
        let classic = Widths { latencies: bounds.latency_buckets(), sizes: bounds.size_buckets() };
        Self { sums: at::REQUESTS, classic, exponential: Widths::NONE, extremes: 0 }
    }

    /// A row for each outcome: exponential latencies and sizes. Only for storage that keeps them.
    pub(crate) const fn exponential() -> Self {
        Self { sums: at::REQUESTS, classic: Widths::NONE, exponential: Widths::ALL, extremes: 0 }
    }

    /// A row for each outcome: all that `registry` counts.
    pub(crate) fn everything(registry: Registry<'_>) -> Self {
        let explicit = Self::explicit(&registry.bounds());
        if !registry.has_exponentials() {
            return explicit;
        }
        Self { exponential: Widths::ALL, ..explicit }.with_extremes()
    }

    /// One row for both outcomes: requests, failures and, if `registry` has them, the exponential buckets and the
    /// extremes of the latencies.
    pub(crate) fn merged(registry: Registry<'_>) -> Self {
        let latencies = if registry.has_exponentials() { LATENCIES } else { 0 };
        let exponential = Widths { latencies, sizes: 0 };
        let extremes = usize::from(latencies != 0);
        Self { sums: at::FAILURES + 1, classic: Widths::NONE, exponential, extremes }
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
        self.sums + self.classic.both() + self.exponential.both()
    }

    /// The outcomes that have a row of their own. If both outcomes share a row, it is that of the first one.
    pub(crate) const fn outcomes(self) -> &'static [Outcome] {
        if self.is_merged() { &[Outcome::Success] } else { &Outcome::ALL }
    }

    const fn is_merged(self) -> bool {
        self.sums > at::REQUESTS
    }

    /// The requests in `row`.
    #[inline]
    pub(crate) fn requests(self, row: &[u64]) -> u64 {
        if self.is_merged() { row.get(at::REQUESTS).copied().unwrap_or_default() } else { self.latencies(row).count }
    }

    /// The failures in `row`, if it holds both outcomes; else 0.
    pub(crate) fn failures(self, row: &[u64]) -> u64 {
        row.get(at::FAILURES).copied().filter(|_| self.is_merged()).unwrap_or_default()
    }

    /// The latencies in `row`. If the row has classic and exponential buckets, they are the classic ones.
    #[inline]
    pub(crate) fn latencies(self, row: &[u64]) -> Half<'_> {
        self.half(Quantity::Latency, row, self.sums, self.first_widths().latencies)
    }

    /// The sizes in `row`, of the same kind as [`latencies`](Self::latencies).
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

    /// Reads what all shards counted into `row`. Relaxed: each number is read whole, but the numbers need not belong to
    /// the same moment. The extremes may be those of a request that is in no bucket yet.
    pub(crate) fn read(self, registry: Registry<'_>, series: Series, outcome: Outcome, row: &mut [u64]) {
        row.fill(0);
        let (one, latency_buckets) = ([outcome], registry.parts.control.bounds.latency_buckets());
        let outcomes = if self.is_merged() { &Outcome::ALL } else { &one[..] };
        for (cell, exponentials) in registry.counted(series) {
            for outcome in outcomes {
                // This check avoids reading pages that were never written.
                if cell::is_used(&cell[outcome.index()]) {
                    // The requests are read before the exponential buckets, and a recorder writes these first. So every
                    // request that is read has its latency.
                    if self.is_merged() {
                        add_requests(cell::count(cell, *outcome, latency_buckets), *outcome, row);
                    }
                    self.add(cell, exponentials, *outcome, row);
                }
            }
        }
    }

    /// Adds what one shard counted of one outcome.
    fn add(self, cell: &CellWords, exponentials: Option<&ExponentialWords>, outcome: Outcome, row: &mut [u64]) {
        let side = &cell[outcome.index()];
        add(row, self.sums, self.classic.both(), &side[AT_BUCKETS..]);
        if let Some(words) = exponentials.filter(|_| self.exponential.latencies != 0) {
            let (latencies, sizes) = exponential::buckets(words, outcome);
            let first = self.sums + self.classic.both();
            add(row, first, self.exponential.latencies, latencies);
            add(row, first + self.exponential.latencies, self.exponential.sizes, sizes);
        }
        for (at, word) in [(at::LATENCY_SUM, LATENCY_SUM), (at::SIZE_SUM, SIZE_SUM)] {
            row[at] = row[at].wrapping_add(side[word].load(Relaxed));
        }
        let extremes = cell::extremes(cell, outcome).into_iter().take(self.extremes);
        for (all, (min, max)) in row[self.additive_words()..].as_chunks_mut::<EXTREMES>().0.iter_mut().zip(extremes) {
            *all = [all[0].max(!min), all[1].max(max)];
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
}

fn add_requests(requests: u64, outcome: Outcome, row: &mut [u64]) {
    row[at::REQUESTS] = row[at::REQUESTS].wrapping_add(requests);
    let failures = if outcome == Outcome::Failure { requests } else { 0 };
    row[at::FAILURES] = row[at::FAILURES].wrapping_add(failures);
}

fn add(row: &mut [u64], first: usize, count: usize, words: &[AtomicU64]) {
    for (sum, word) in row.iter_mut().skip(first).take(count).zip(words) {
        *sum = sum.wrapping_add(word.load(Relaxed));
    }
}
