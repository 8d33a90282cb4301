//! Sampling: which of the requests a per-request exporter sends.

use core::fmt;

use crate::export::Random;

/// Which part of the requests is sent, greater than 0 and at most 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleRate(f64);

impl SampleRate {
    /// All of them.
    pub const ALL: Self = Self(1.0);
    /// The least rate.
    pub const LEAST: f64 = 1e-6;

    /// `rate`, from [`LEAST`](Self::LEAST) to 1.
    #[must_use]
    pub fn new(rate: f64) -> Option<Self> {
        (Self::LEAST..=1.0).contains(&rate).then_some(Self(rate))
    }

    /// The rate.
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

/// Decides about one request after another, independently of what they are.
#[derive(Clone, Debug)]
pub struct Sampler {
    random: Random,
    /// Random numbers up to this keep a request.
    most: u64,
}

impl Sampler {
    /// One that keeps requests at `rate`; `seed` is any number, another one for each sampler.
    #[must_use]
    pub fn new(rate: SampleRate, seed: u64) -> Self {
        // 2^64 as a float; above the largest integer, the conversion takes that.
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
    fn as_many_are_kept_as_the_rate_says() {
        for rate in [1e-6, 0.001, 0.1, 0.25, 0.5, 0.9, 1.0] {
            let mut sampler = Sampler::new(SampleRate::new(rate).unwrap(), 42);
            let (all, kept) = (1_000_000, (0..1_000_000).filter(|_| sampler.keeps()).count() as f64);
            let (mean, spread) = (rate * f64::from(all), 5.0 * (f64::from(all) * rate * (1.0 - rate) + 1.0).sqrt());
            assert!((kept - mean).abs() <= spread, "{kept} of {all} at {rate}");
        }
    }

    #[test]
    fn rates_are_of_zero_to_one() {
        for wrong in [0.0, -0.5, 1.000_001, f64::NAN, f64::INFINITY, 1e-9] {
            assert_eq!(SampleRate::new(wrong), None, "{wrong}");
        }
        assert!(SampleRate::new(1.0).unwrap().is_all() && !SampleRate::new(0.999).unwrap().is_all());
    }
}
