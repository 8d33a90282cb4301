//! What a whole page must be: no series twice, and complete histograms.

use super::line::number;
use super::{Family, Kind, Page, ParseError, Reason, Sample};
use std::collections::BTreeMap;

/// No name with the same labels comes again.
pub(super) fn no_series_twice(page: &Page<'_>) -> Result<(), ParseError> {
    let mut all: Vec<_> = page.samples().map(|sample| (sample.name, sample.identity(""), sample.line)).collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| (pair[0].0, &pair[0].1) == (pair[1].0, &pair[1].1)) {
        Some(pair) => Err(ParseError { line: pair[1].2, reason: Reason::SeriesTwice }),
        None => Ok(()),
    }
}

/// A family's samples fit its kind, and each other.
pub(super) fn check_family(family: &Family<'_>) -> Result<(), ParseError> {
    match family.kind {
        Kind::Counter => {
            family.samples.iter().try_for_each(|sample| check(sample.value >= 0.0, sample, Reason::NegativeCount))
        }
        Kind::Histogram => check_histograms(family),
        Kind::Summary => check_summary(family),
        Kind::Gauge | Kind::Untyped => Ok(()),
    }
}

fn check(holds: bool, sample: &Sample<'_>, reason: Reason) -> Result<(), ParseError> {
    if holds { Ok(()) } else { Err(ParseError { line: sample.line, reason }) }
}

/// What was seen of one histogram of a family: those samples that differ in `le` only.
#[derive(Default)]
struct Histogram {
    line: usize,
    last_bound: Option<f64>,
    last_bucket: f64,
    infinity: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
}

fn check_histograms(family: &Family<'_>) -> Result<(), ParseError> {
    let mut histograms: BTreeMap<Vec<(&str, &str)>, Histogram> = BTreeMap::new();
    for sample in &family.samples {
        let histogram = histograms.entry(sample.identity("le")).or_default();
        histogram.line = sample.line;
        match (&sample.name[family.name.len()..], sample.label("le")) {
            ("_bucket", Some(bound)) => histogram.bucket(sample, bound)?,
            ("_count", None) => {
                check(sample.value >= 0.0, sample, Reason::NegativeCount)?;
                histogram.count = Some(sample.value);
            }
            ("_sum", None) => histogram.sum = Some(sample.value),
            _ => check(false, sample, Reason::Part)?,
        }
    }
    histograms.values().try_for_each(Histogram::check_complete)
}

impl Histogram {
    fn bucket(&mut self, sample: &Sample<'_>, bound: &str) -> Result<(), ParseError> {
        let bound = number(bound).map_err(|_| ParseError { line: sample.line, reason: Reason::Part })?;
        check(!bound.is_nan(), sample, Reason::Part)?;
        check(sample.value >= 0.0, sample, Reason::NegativeCount)?;
        check(self.last_bound.is_none_or(|last| last < bound), sample, Reason::BucketOrder)?;
        check(self.last_bucket <= sample.value, sample, Reason::NotCumulative)?;
        self.last_bound = Some(bound);
        self.last_bucket = sample.value;
        if bound == f64::INFINITY {
            self.infinity = Some(sample.value);
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<(), ParseError> {
        let fault = |reason| Err(ParseError { line: self.line, reason });
        match (self.infinity, self.count, self.sum) {
            (None, _, _) => fault(Reason::NoInfinity),
            (_, None, _) => fault(Reason::NoCount),
            (_, _, None) => fault(Reason::NoSum),
            (Some(infinity), Some(count), _) if infinity != count => fault(Reason::CountDiffers),
            _ => Ok(()),
        }
    }
}

fn check_summary(family: &Family<'_>) -> Result<(), ParseError> {
    family.samples.iter().try_for_each(|sample| {
        let quantile = sample.label("quantile").map(number);
        let fits = match (&sample.name[family.name.len()..], quantile) {
            ("", Some(Ok(quantile))) => (0.0..=1.0).contains(&quantile),
            ("_sum" | "_count", None) => true,
            _ => false,
        };
        check(fits, sample, Reason::Part)
    })
}
