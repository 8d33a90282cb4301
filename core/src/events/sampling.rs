//! Sampling: which of the requests an exporter sends, if it sends per request.

use core::fmt;

use crate::export::Random;

/// The share of the requests that is sent, greater than 0 and at most 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRate(f64);

impl SampleRate {
    /// All requests are sent.
    pub const ALL: Self = Self(1.0);
    /// The smallest rate.
    pub const LEAST: f64 = 1e-6;

    /// A rate from [`LEAST`](Self::LEAST) to 1; `None` if `rate` is outside.
    #[must_use]
    pub fn new(rate: f64) -> Option<Self> {
        (Self::LEAST..=1.0).contains(&rate).then_some(Self(rate))
    }

    /// The rate as a number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// Whether all requests are sent.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.0 >= 1.0
    }
}

// A rate is never NaN.
impl Eq for SampleRate {}

impl fmt::Display for SampleRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Decides at random for each request whether it is sent. The decision does not depend on the request.
#[derive(Clone, Debug)]
pub struct Sampler {
    random: Random,
    /// A request is kept if its random number is at most this.
    most: u64,
}

impl Sampler {
    /// A sampler that keeps requests at `rate`. `seed` may be any number; use a different one for each sampler.
    #[must_use]
    pub fn new(rate: SampleRate, seed: u64) -> Self {
        // 2^64 as a float. If the product is above the largest integer, the conversion gives that integer.
        Self { random: Random::new(seed), most: (rate.get() * 18_446_744_073_709_551_616.0) as u64 }
    }

    /// Whether the next request is sent.
    pub fn keeps(&mut self) -> bool {
        self.random.next() <= self.most
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn the_share_of_requests_that_are_kept_is_the_rate() {
        for rate in [1e-6, 0.001, 0.1, 0.25, 0.5, 0.9, 1.0] {
            let mut sampler = Sampler::new(SampleRate::new(rate).unwrap(), 42);
            let (all, kept) = (1_000_000, (0..1_000_000).filter(|_| sampler.keeps()).count() as f64);
            let (mean, spread) = (rate * f64::from(all), 5.0 * (f64::from(all) * rate * (1.0 - rate) + 1.0).sqrt());
            assert!((kept - mean).abs() <= spread, "{kept} of {all} at {rate}");
        }
    }

    #[test]
    fn rates_outside_the_range_are_refused() {
        for wrong in [0.0, -0.5, 1.000_001, f64::NAN, f64::INFINITY, 1e-9] {
            assert_eq!(SampleRate::new(wrong), None, "{wrong}");
        }
        assert!(SampleRate::new(1.0).unwrap().is_all() && !SampleRate::new(0.999).unwrap().is_all());
    }
}
