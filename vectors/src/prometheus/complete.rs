//! What a whole page must be: no series twice, and complete histograms.

use super::line::number;
use super::{FamilyType, PageError, PageFault, TextFamily, TextPage, TextSample};
use std::collections::BTreeMap;

/// No name with the same labels comes again.
pub(super) fn no_series_twice(page: &TextPage<'_>) -> Result<(), PageError> {
    let mut all: Vec<_> = page.samples().map(|sample| (sample.name, sample.identity(""), sample.line)).collect();
    all.sort_unstable();
    match all.windows(2).find(|pair| (pair[0].0, &pair[0].1) == (pair[1].0, &pair[1].1)) {
        Some(pair) => Err(PageError { line: pair[1].2, reason: PageFault::SeriesTwice }),
        None => Ok(()),
    }
}

/// A family's samples fit its kind, and each other.
pub(super) fn check_family(family: &TextFamily<'_>) -> Result<(), PageError> {
    match family.kind {
        FamilyType::Counter => {
            family.samples.iter().try_for_each(|sample| check(sample.value >= 0.0, sample, PageFault::NegativeCount))
        }
        FamilyType::Histogram => check_histograms(family),
        FamilyType::Summary => check_summary(family),
        FamilyType::Gauge | FamilyType::Untyped => Ok(()),
    }
}

fn check(holds: bool, sample: &TextSample<'_>, reason: PageFault) -> Result<(), PageError> {
    if holds { Ok(()) } else { Err(PageError { line: sample.line, reason }) }
}

/// What was seen of one histogram of a family: those samples that differ in `le` only.
#[derive(Default)]
struct HistogramSamples {
    line: usize,
    last_bound: Option<f64>,
    last_bucket: f64,
    infinity: Option<f64>,
    count: Option<f64>,
    sum: Option<f64>,
}

fn check_histograms(family: &TextFamily<'_>) -> Result<(), PageError> {
    let mut histograms: BTreeMap<Vec<(&str, &str)>, HistogramSamples> = BTreeMap::new();
    for sample in &family.samples {
        let histogram = histograms.entry(sample.identity("le")).or_default();
        histogram.line = sample.line;
        match (&sample.name[family.name.len()..], sample.label("le")) {
            ("_bucket", Some(bound)) => histogram.bucket(sample, bound)?,
            ("_count", None) => {
                check(sample.value >= 0.0, sample, PageFault::NegativeCount)?;
                histogram.count = Some(sample.value);
            }
            ("_sum", None) => histogram.sum = Some(sample.value),
            _ => check(false, sample, PageFault::Part)?,
        }
    }
    histograms.values().try_for_each(HistogramSamples::check_complete)
}

impl HistogramSamples {
    fn bucket(&mut self, sample: &TextSample<'_>, bound: &str) -> Result<(), PageError> {
        let bound = number(bound).map_err(|_| PageError { line: sample.line, reason: PageFault::Part })?;
        check(!bound.is_nan(), sample, PageFault::Part)?;
        check(sample.value >= 0.0, sample, PageFault::NegativeCount)?;
        check(self.last_bound.is_none_or(|last| last < bound), sample, PageFault::BucketOrder)?;
        check(self.last_bucket <= sample.value, sample, PageFault::NotCumulative)?;
        self.last_bound = Some(bound);
        self.last_bucket = sample.value;
        if bound == f64::INFINITY {
            self.infinity = Some(sample.value);
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<(), PageError> {
        let fault = |reason| Err(PageError { line: self.line, reason });
        match (self.infinity, self.count, self.sum) {
            (None, _, _) => fault(PageFault::NoInfinity),
            (_, None, _) => fault(PageFault::NoCount),
            (_, _, None) => fault(PageFault::NoSum),
            (Some(infinity), Some(count), _) if infinity != count => fault(PageFault::CountDiffers),
            _ => Ok(()),
        }
    }
}

fn check_summary(family: &TextFamily<'_>) -> Result<(), PageError> {
    family.samples.iter().try_for_each(|sample| {
        let quantile = sample.label("quantile").map(number);
        let fits = match (&sample.name[family.name.len()..], quantile) {
            ("", Some(Ok(quantile))) => (0.0..=1.0).contains(&quantile),
            ("_sum" | "_count", None) => true,
            _ => false,
        };
        check(fits, sample, PageFault::Part)
    })
}
