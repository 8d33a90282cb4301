//! Reads Prometheus pages, ours and the peers', back into sums: enough of the text format for pages whose labels hold
//! neither quotes nor backslashes. Comments are skipped, and so are metrics that are not the contract's.

use std::collections::BTreeMap;

use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64, TraceSums};

/// Names of the contract's three metrics, in Prometheus.
pub const REQUESTS: &str = "loaddensity_requests_total";
/// See [`REQUESTS`].
pub const LATENCY: &str = "loaddensity_request_latency_ms";
/// See [`REQUESTS`].
pub const SIZE: &str = "loaddensity_response_bytes";

/// What a page shows of each series, by method and name.
pub type SeriesSums = BTreeMap<(String, String), TraceSums>;

/// All series together.
#[must_use]
pub fn total(shown: &SeriesSums) -> TraceSums {
    let add = |to: &mut [u64], from: &[u64]| to.iter_mut().zip(from).for_each(|(sum, value)| *sum += value);
    shown.values().fold(TraceSums::default(), |mut total, one| {
        add(&mut total.requests, &one.requests);
        add(&mut total.latency_buckets, &one.latency_buckets);
        add(&mut total.size_buckets, &one.size_buckets);
        total.latency_ns += one.latency_ns;
        total.bytes += one.bytes;
        total
    })
}

/// What a page shows.
///
/// # Panics
/// Where a line is malformed, a bucket's bound is not one of the contract's, or a count is not that of the last bucket.
#[must_use]
pub fn parse(page: &str) -> SeriesSums {
    let mut series = BTreeMap::<_, CumulativeSums>::new();
    let ours = |line: &&str| [REQUESTS, LATENCY, SIZE].iter().any(|metric| line.starts_with(metric));
    for line in page.lines().filter(ours) {
        read_line(line, &mut series).unwrap_or_else(|| panic!("malformed: {line}"));
    }
    series.into_iter().map(|(key, lines)| (key, lines.into_sums())).collect()
}

/// The lines of one series; buckets are cumulative.
#[derive(Default)]
struct CumulativeSums {
    sums: TraceSums,
    counts: [u64; 2],
}

impl CumulativeSums {
    fn into_sums(mut self) -> TraceSums {
        let buckets = [&mut self.sums.latency_buckets[..], &mut self.sums.size_buckets[..]];
        for (buckets, count) in buckets.into_iter().zip(self.counts) {
            assert_eq!(buckets.last(), Some(&count), "the count is that of the last bucket");
            (1..buckets.len()).rev().for_each(|at| buckets[at] -= buckets[at - 1]);
        }
        self.sums
    }
}

fn read_line(line: &str, series: &mut BTreeMap<(String, String), CumulativeSums>) -> Option<()> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.rsplit_once("} ")?;
    let label = |key: &str| {
        let (_, rest) = labels.split_once(&format!("{key}=\""))?;
        Some(rest.split_once('"')?.0)
    };
    let value: f64 = value.trim().parse().ok()?;
    let lines = series.entry((label("method")?.to_string(), label("name")?.to_string())).or_default();
    match (name.rsplit_once('_')?, name.contains("latency")) {
        ((_, "total"), _) => lines.sums.requests[usize::from(label("outcome")? == "failure")] = value as u64,
        ((_, "bucket"), true) => lines.sums.latency_buckets[bucket(label("le")?, &LATENCY_BOUNDS_MS)?] = value as u64,
        ((_, "bucket"), false) => lines.sums.size_buckets[bucket(label("le")?, &SIZE_BOUNDS_F64)?] = value as u64,
        ((_, "sum"), true) => lines.sums.latency_ns = nanos(value),
        ((_, "sum"), false) => lines.sums.bytes = value as u64,
        ((_, "count"), latency) => lines.counts[usize::from(!latency)] = value as u64,
        _ => return None,
    }
    Some(())
}

fn bucket(le: &str, bounds: &[f64]) -> Option<usize> {
    let le: f64 = if le == "+Inf" { f64::INFINITY } else { le.parse().ok()? };
    if le.is_infinite() { Some(bounds.len()) } else { bounds.iter().position(|bound| *bound == le) }
}

/// Nanoseconds of a sum of milliseconds that was added up in floats: the trace has whole tenths of a millisecond.
#[must_use]
pub fn nanos(millis: f64) -> u64 {
    100_000 * (10.0 * millis).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(name: &str, bounds: &[f64], above: f64, sum: &str) -> String {
        let labels = "method=\"GET\",name=\"/x\"";
        let line = |le: &str, count: u8| format!("{name}_bucket{{{labels},le=\"{le}\"}} {count}\n");
        let buckets = bounds.iter().map(|bound| line(&format!("{bound:e}"), 1 + u8::from(*bound > above)));
        let sum = format!("{name}_sum{{{labels}}} {sum}\n{name}_count{{{labels}}} 2\n");
        format!("# HELP {name} x\n{}{}{sum}", buckets.collect::<String>(), line("+Inf", 2))
    }

    #[test]
    fn a_page_is_read() {
        let requests = format!("{REQUESTS}{{method=\"GET\",name=\"/x\",outcome=\"failure\"}} 2\n");
        let latency = histogram(LATENCY, &LATENCY_BOUNDS_MS, 10.0, "20000.2999999");
        let size = histogram(SIZE, &SIZE_BOUNDS_F64, 262_144.0, "7");
        let sums = total(&parse(&format!("{requests}{latency}{size}loaddensity_up 1\n")));
        assert_eq!((sums.requests, sums.latency_ns, sums.bytes), ([0, 2], 20_000_300_000, 7));
        assert_eq!(sums.latency_buckets, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sums.size_buckets, [1, 0, 0, 0, 0, 0, 0, 1, 0]);
    }

    #[test]
    #[should_panic(expected = "the count is that of the last bucket")]
    fn a_count_that_does_not_fit_is_noticed() {
        let page = histogram(SIZE, &SIZE_BOUNDS_F64, 64.0, "7").replace("_count", "_sum");
        _ = parse(&page);
    }
}
