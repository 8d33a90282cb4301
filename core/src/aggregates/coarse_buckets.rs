//! The classic buckets of an engine's own histograms: every second power of two of the exponential ones' scale, or the
//! registry's where there are classic buckets alone.

use crate::aggregates::distribution::Distribution;
use crate::counts::bounds::{Bounds, MAX_BOUNDS, Quantity};
use crate::counts::exponential;
use crate::registry::Registry;

/// Values of a histogram in classic buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoarseBuckets {
    /// Of each bucket but the last, the largest value.
    bounds: [u64; MAX_BOUNDS],
    counts: [u64; MAX_BOUNDS + 1],
    /// How many bounds there are.
    used: u8,
}

impl CoarseBuckets {
    /// Each bucket with its largest value, in nanoseconds where they are times, rounded down to a whole number; `None` for
    /// the last one, which has no such value. The counts are not cumulative.
    pub fn each(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let used = usize::from(self.used);
        let bounds = self.bounds.iter().take(used).map(|bound| Some(*bound)).chain([None]);
        bounds.zip(self.counts)
    }

    /// Values in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// Of each bucket but the last, the largest value.
    pub(crate) fn bounds(&self) -> &[u64] {
        self.bounds.get(..usize::from(self.used)).unwrap_or_default()
    }

    /// Values in each bucket, in one more than there are bounds.
    pub(crate) fn counts(&self) -> &[u64] {
        self.counts.get(..=usize::from(self.used)).unwrap_or_default()
    }

    pub(crate) fn none(registry: Registry<'_>, quantity: Quantity) -> Self {
        let mut all = Self { bounds: [0; MAX_BOUNDS], counts: [0; MAX_BOUNDS + 1], used: 0 };
        if registry.has_exponentials() {
            all.set_bounds(exponential::coarse_edges(quantity));
        } else {
            let bounds: Bounds = registry.bounds();
            match quantity {
                Quantity::Latency => all.set_bounds(bounds.latency_ns().iter().copied()),
                Quantity::Size => all.set_bounds(bounds.size().iter().copied()),
            }
        }
        all
    }

    fn set_bounds(&mut self, bounds: impl Iterator<Item = u64>) {
        for (place, bound) in self.bounds.iter_mut().zip(bounds) {
            *place = bound;
            self.used += 1;
        }
    }

    pub(crate) fn add(&mut self, bucket: usize, count: u64) {
        if let Some(sum) = self.counts.get_mut(bucket) {
            *sum = sum.wrapping_add(count);
        }
    }

    /// Adds what exponential buckets have: each lies in one of these.
    pub(crate) fn add_exponential(&mut self, quantity: Quantity, values: &Distribution) {
        for (bucket, count) in values.counts() {
            self.add(exponential::coarse_bucket(quantity, bucket), count);
        }
    }
}
