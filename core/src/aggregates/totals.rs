//! Sums over recorders and series, for the engine's own display.

use core::time::Duration;

use crate::aggregates::classic::{Latencies, Sizes};
use crate::counts::bounds::Bounds;
use crate::counts::lane_sums::LaneSums;
use crate::registry::Registry;
use crate::request::error_kind::{ErrorKind, KINDS};
use crate::request::sample::Outcome;
use crate::request::series::Series;

/// Sums of requests, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Totals {
    /// The bounds of the buckets.
    pub bounds: Bounds,
    /// Requests: the successes and the failures, in this order. While requests are recorded, one may be in these and not yet
    /// in the buckets, or the other way round.
    pub by_outcome: [u64; 2],
    /// Latencies of the successes and of the failures, in this order.
    pub latencies: [Latencies; 2],
    /// Sizes of the successes and of the failures, in this order.
    pub sizes: [Sizes; 2],
    pub(crate) kinds: [u64; KINDS],
}

impl Totals {
    /// The number of all requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.by_outcome.iter().sum()
    }

    /// The number of failed requests.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.by_outcome[Outcome::Failure.index()]
    }

    /// The failures of one kind, while the registry's label is on; see
    /// [`Registry::set_error_label`](crate::Registry::set_error_label). Those of all kinds are all failures; while requests
    /// are recorded, one may be in the failures and not yet in its kind.
    #[must_use]
    pub fn failures_of(&self, kind: ErrorKind) -> u64 {
        self.kinds.get(kind.index()).copied().unwrap_or_default()
    }

    /// The latency that a share `q` (0 to 1) of the requests did not exceed. It is interpolated inside a classic
    /// bucket, as Prometheus does, so it is as coarse as the buckets. Use it for storage that keeps no exponential
    /// histograms; else see [`Distribution::quantile`](crate::Distribution::quantile).
    ///
    /// `None` without requests or without bounds. If the quantile is above the last bound, that bound is returned.
    #[must_use]
    pub fn latency_quantile(&self, q: f64) -> Option<Duration> {
        let total: u64 = self.latencies.iter().map(Latencies::count).sum();
        if total == 0 || self.bounds.latency_ns().is_empty() {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * total as f64;
        let (mut below, mut lower) = (0.0, 0);
        for (bucket, &upper) in self.bounds.latency_ns().iter().enumerate() {
            let requests = |side: &Latencies| side.buckets().get(bucket).copied().unwrap_or_default();
            let inside = self.latencies.iter().map(requests).sum::<u64>() as f64;
            if inside > 0.0 && below + inside >= rank {
                let share = ((rank - below) / inside).clamp(0.0, 1.0);
                return Some(Duration::from_nanos(lower + ((upper - lower) as f64 * share) as u64));
            }
            below += inside;
            lower = upper;
        }
        Some(Duration::from_nanos(lower))
    }

    /// What was recorded since `earlier`, an older reading of the same registry or series.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let [success, failure] = Outcome::ALL.map(Outcome::index);
        let mut kinds = self.kinds;
        kinds.iter_mut().zip(earlier.kinds).for_each(|(now, earlier)| *now = now.saturating_sub(earlier));
        Self {
            bounds: self.bounds,
            by_outcome: [success, failure].map(|side| self.by_outcome[side].saturating_sub(earlier.by_outcome[side])),
            latencies: [success, failure].map(|side| self.latencies[side].since(&earlier.latencies[side])),
            sizes: [success, failure].map(|side| self.sizes[side].since(&earlier.sizes[side])),
            kinds,
        }
    }

    pub(crate) fn none(bounds: Bounds) -> Self {
        let (latencies, sizes) = ([Latencies::none(&bounds); 2], [Sizes::none(&bounds); 2]);
        Self { bounds, by_outcome: [0; 2], latencies, sizes, kinds: [0; KINDS] }
    }

    fn add(&mut self, registry: Registry<'_>, series: Series) {
        let (cells, mut lanes) = (registry.shard_cells(), LaneSums::NONE);
        // Before the failures, which a recorder counts first.
        for (sum, failures) in self.kinds.iter_mut().zip(cells.failures(series).into_iter().flatten()) {
            *sum += failures;
        }
        for outcome in Outcome::ALL {
            // Before the buckets, which a recorder fills first: no request is without its latency.
            self.by_outcome[outcome.index()] += cells.requests(series, outcome);
            self.latencies[outcome.index()].add(&cells, series, outcome, &mut lanes);
            self.sizes[outcome.index()].add(&cells, series, outcome, &mut lanes);
        }
    }
}

impl Registry<'_> {
    /// The sums over all series and recorders since the storage was made.
    #[must_use]
    pub fn totals(self) -> Totals {
        let mut totals = Totals::none(self.bounds());
        for number in 0..self.series_end() {
            totals.add(self, Series::from_number(number));
        }
        totals
    }

    /// The sums of one series over all recorders since the storage was made.
    #[must_use]
    pub fn series_totals(self, series: Series) -> Totals {
        let mut totals = Totals::none(self.bounds());
        totals.add(self, series);
        totals
    }
}
