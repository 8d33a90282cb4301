//! Several runs of one measurement, and quantiles of what a run recorded.

use std::fmt;

use loaddensity_metrics_core::Distribution;

/// Median and extremes of several readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of `readings`; `None` where there are none.
    #[must_use]
    pub fn of(readings: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<_> = readings.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = &sorted[(sorted.len() - 1) / 2..=sorted.len() / 2];
        Some(Self { median: middle.iter().sum::<f64>() / middle.len() as f64, least, most })
    }
}

impl fmt::Display for Spread {
    /// `median (least to most)`, each in the format that is asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.median.fmt(f)?;
        f.write_str(" (")?;
        self.least.fmt(f)?;
        f.write_str(" to ")?;
        self.most.fmt(f)?;
        f.write_str(")")
    }
}

/// The latency in milliseconds that a share `share` of the requests did not exceed; `None` without requests above zero.
///
/// Within a bucket requests are taken as spread evenly over its exponents. [`Distribution::quantile`] answers with the
/// middle of a bucket, so that two runs would differ by nothing or by 9 %; differences of a percent show here.
#[must_use]
pub fn quantile(latencies: &Distribution, share: f64) -> Option<f64> {
    let total: u64 = latencies.buckets().map(|(_, requests)| requests).sum();
    let rank = share * total as f64;
    let mut below = 0.0;
    let (bucket, part) = latencies.buckets().find_map(|(bucket, requests)| {
        let part = (rank - below) / requests as f64;
        below += requests as f64;
        (part <= 1.0).then_some((bucket, part))
    })?;
    // Bucket `i` lies above 2^(i/8) and reaches to 2^((i+1)/8) milliseconds.
    Some(((f64::from(bucket) + part) / 8.0).exp2())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loaddensity_metrics_core::{Sample, Storage};

    use super::*;

    #[test]
    fn medians_and_extremes() {
        let spread = Spread::of([3.0, 1.0, 2.0, 9.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.5, least: 1.0, most: 9.0 });
        assert_eq!(format!("{spread:.1}"), "2.5 (1.0 to 9.0)");
        assert_eq!(Spread::of([7.0]).unwrap().median, 7.0);
        assert!(Spread::of([]).is_none());
    }

    #[test]
    fn quantiles_lie_between_the_bounds_of_a_bucket() {
        static STORAGE: Storage<4, 1, 2> = Storage::new();
        let mut recorder = STORAGE.registry().recorder();
        let series = recorder.series("GET", "/");
        for micros in 1_000..=2_000 {
            let sample = Sample::ok(Duration::from_micros(micros));
            recorder.record(series, sample);
        }
        let latencies = STORAGE.registry().distributions().unwrap().latency();
        for share in [0.1, 0.25, 0.5, 0.9, 0.99] {
            let (found, exact) = (quantile(&latencies, share).unwrap(), 1.0 + share);
            assert!((found / exact - 1.0).abs() < 0.01, "{share}: {found} for {exact}");
        }
        drop(recorder);
    }
}
