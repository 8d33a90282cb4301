//! What a whole page must be: families once, metrics in one piece, and complete histograms.

use super::line::number;
use super::{OpenMetricsFamily, OpenMetricsPage, OpenMetricsSample};
use std::collections::BTreeSet;

/// No family is there twice, and no sample's name could be that of another family's.
pub(super) fn no_family_twice(page: &OpenMetricsPage<'_>) -> Result<(), String> {
    let mut names = BTreeSet::new();
    for family in &page.families {
        let suffixes: &[&str] = match family.kind {
            "counter" => &["", "_total", "_created"],
            "histogram" => &["", "_bucket", "_sum", "_count", "_created"],
            "gauge" => &[""],
            "info" => &["", "_info"],
            _ => return Err(format!("family {} has no type", family.name)),
        };
        for suffix in suffixes {
            if !names.insert(format!("{}{suffix}", family.name)) {
                return Err(format!("{}{suffix} could be of two families", family.name));
            }
        }
    }
    Ok(())
}

/// A family's samples fit its kind, and each other.
pub(super) fn check(family: &OpenMetricsFamily<'_>) -> Result<(), String> {
    let (mut done, mut samples) = (BTreeSet::new(), family.samples.iter().peekable());
    while let Some(first) = samples.peek().copied() {
        let metric = first.metric();
        let mut points = Vec::new();
        while let Some(sample) = samples.next_if(|sample| sample.metric() == metric) {
            points.push(sample);
        }
        if !done.insert(metric.clone()) {
            return Err(format!("the samples of {metric:?} do not stand together"));
        }
        check_metric(family, &points).map_err(|fault| format!("{metric:?}: {fault}"))?;
    }
    Ok(())
}

fn check_metric(family: &OpenMetricsFamily<'_>, points: &[&OpenMetricsSample<'_>]) -> Result<(), String> {
    let named = |suffix: &str| {
        let name = format!("{}{suffix}", family.name);
        points.iter().filter(move |sample| sample.name == name)
    };
    let bucket = format!("{}_bucket", family.name);
    if points
        .iter()
        .any(|sample| sample.exemplar.is_some() && !(sample.name.ends_with("_total") || sample.name == bucket))
    {
        return Err("an exemplar where none may be".into());
    }
    if points.iter().any(|sample| sample.label("le").is_some() != (sample.name == bucket)) {
        return Err("`le` elsewhere than on buckets".into());
    }
    let ones: &[&str] = match family.kind {
        "counter" => &["_total"],
        "histogram" => &["_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    };
    for one in ones {
        if named(one).count() != 1 {
            return Err(format!("{} samples {one:?}", named(one).count()));
        }
    }
    if named("_created").count() > 1 {
        return Err("created twice".into());
    }
    if family.kind == "counter" && named("_total").any(|sample| whole(sample.text).is_err()) {
        return Err("one of our counters is no integer".into());
    }
    if family.kind == "histogram" { check_buckets(&bucket, points, named("_count").next()) } else { Ok(()) }
}

fn check_buckets(
    bucket: &str,
    points: &[&OpenMetricsSample<'_>],
    count: Option<&&OpenMetricsSample<'_>>,
) -> Result<(), String> {
    let (mut bound, mut up_to) = (f64::NEG_INFINITY, 0);
    for sample in points.iter().filter(|sample| sample.name == bucket) {
        let le = sample.label("le").unwrap_or_default();
        let next: f64 = number(le)?.0.trim_start_matches('+').parse().map_err(|_| format!("{le:?} is no bound"))?;
        // Canonical numbers look like floats.
        if next <= bound || !le.contains(['.', 'e', 'I']) {
            return Err(format!("bound {le:?} is out of order or not canonical"));
        }
        let value = whole(sample.text)?;
        if value < up_to {
            return Err("a bucket holds less than the one before".into());
        }
        if let Some(exemplar) = &sample.exemplar {
            let value: f64 = exemplar.text.parse().map_err(|_| "an exemplar's value")?;
            if value > next || value <= bound && bound > 0.0 {
                return Err(format!("exemplar {value} is not in the bucket up to {le}"));
            }
        }
        (bound, up_to) = (next, value);
    }
    if bound != f64::INFINITY || count.map(|count| whole(count.text)) != Some(Ok(up_to)) {
        return Err("no bucket up to +Inf, or another count".into());
    }
    Ok(())
}

fn whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is no integer"))
}
