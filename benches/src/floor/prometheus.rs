//! Floor of the Prometheus page: labels encoded beforehand, integers printed by `itoa`, one buffer that is used again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use loaddensity_metrics_core::Outcome;

use crate::floor::record::{FloorCell, shard};
use crate::trace::TraceWork;

/// Cells of all series and what the page shows beside their numbers.
pub struct FloorPage {
    cells: Vec<FloorCell>,
    labels: Vec<FloorLabels>,
}

/// Text of one series.
struct FloorLabels {
    /// Whole lines up to the number, by outcome.
    requests: [Vec<u8>; 2],
    /// Between the braces.
    series: Vec<u8>,
}

const LATENCY_LE: [&str; 12] =
    ["5.0", "10.0", "25.0", "50.0", "100.0", "250.0", "500.0", "1000.0", "2500.0", "5000.0", "10000.0", "+Inf"];
const SIZE_LE: [&str; 9] =
    ["64.0", "256.0", "1024.0", "4096.0", "16384.0", "65536.0", "262144.0", "1.048576e+06", "+Inf"];

const LATENCY: HistogramPrefixes<38, 35, 37> = (
    b"loaddensity_request_latency_ms_bucket{",
    b"loaddensity_request_latency_ms_sum{",
    b"loaddensity_request_latency_ms_count{",
);
const SIZE: HistogramPrefixes<34, 31, 33> =
    (b"loaddensity_response_bytes_bucket{", b"loaddensity_response_bytes_sum{", b"loaddensity_response_bytes_count{");

impl FloorPage {
    /// A page of `passes` passes over the work.
    #[must_use]
    pub fn new(work: &TraceWork, passes: u64) -> Self {
        let cells = shard(work.names.len());
        for _ in 0..passes {
            work.events.iter().for_each(|event| cells[event.series as usize].add_micros(event));
        }
        let labels = |&(method, name): &(&str, &str)| {
            let series = format!("method=\"{}\",name=\"{}\"", escaped(method), escaped(name));
            let line = |outcome: Outcome| {
                format!("loaddensity_requests_total{{{series},outcome=\"{}\"}} ", outcome.as_str()).into_bytes()
            };
            FloorLabels { requests: Outcome::ALL.map(line), series: series.into_bytes() }
        };
        Self { cells, labels: work.names.iter().map(labels).collect() }
    }

    /// Appends the page to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"# HELP loaddensity_requests_total Completed requests\n# TYPE loaddensity_requests_total counter\n",
        );
        for (cell, labels) in self.cells.iter().zip(&self.labels) {
            for (line, requests) in labels.requests.iter().zip(&cell.requests) {
                out.extend_from_slice(line);
                put_integer(requests.load(Relaxed), out);
                out.push(b'\n');
            }
        }
        out.extend_from_slice(
            b"# HELP loaddensity_request_latency_ms Latency\n# TYPE loaddensity_request_latency_ms histogram\n",
        );
        for (cell, labels) in self.cells.iter().zip(&self.labels) {
            let put_sum = |out: &mut Vec<u8>| put_millis(cell.latency_sum.load(Relaxed), out);
            histogram(&LATENCY, &labels.series, &LATENCY_LE, &cell.latency, put_sum, out);
        }
        out.extend_from_slice(b"# HELP loaddensity_response_bytes Size\n# TYPE loaddensity_response_bytes histogram\n");
        for (cell, labels) in self.cells.iter().zip(&self.labels) {
            let put_sum = |out: &mut Vec<u8>| put_integer(cell.size_sum.load(Relaxed), out);
            histogram(&SIZE, &labels.series, &SIZE_LE, &cell.size, put_sum, out);
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// What the lines of a histogram begin with: its buckets, its sum, its count.
type HistogramPrefixes<const B: usize, const S: usize, const C: usize> =
    (&'static [u8; B], &'static [u8; S], &'static [u8; C]);

#[inline(always)]
fn histogram<const B: usize, const S: usize, const C: usize, const BUCKETS: usize>(
    names: &HistogramPrefixes<B, S, C>,
    series: &[u8],
    bounds: &[&str; BUCKETS],
    buckets: &[AtomicU64; BUCKETS],
    put_sum: impl FnOnce(&mut Vec<u8>),
    out: &mut Vec<u8>,
) {
    let mut count = 0;
    for (le, bucket) in bounds.iter().zip(buckets) {
        count += bucket.load(Relaxed);
        out.extend_from_slice(names.0);
        out.extend_from_slice(series);
        out.extend_from_slice(b",le=\"");
        out.extend_from_slice(le.as_bytes());
        out.extend_from_slice(b"\"} ");
        put_integer(count, out);
        out.push(b'\n');
    }
    out.extend_from_slice(names.1);
    out.extend_from_slice(series);
    out.extend_from_slice(b"} ");
    put_sum(out);
    out.push(b'\n');
    out.extend_from_slice(names.2);
    out.extend_from_slice(series);
    out.extend_from_slice(b"} ");
    put_integer(count, out);
    out.push(b'\n');
}

#[inline(always)]
fn put_integer(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Microseconds as milliseconds, exact and without trailing zeros.
fn put_millis(micros: u64, out: &mut Vec<u8>) {
    put_integer(micros / 1_000, out);
    let rest = (micros % 1_000) as u16;
    if rest != 0 {
        let digit = |of: u16| b'0' + (of % 10) as u8;
        let decimals = [b'.', digit(rest / 100), digit(rest / 10), digit(rest)];
        let end = decimals.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
        out.extend_from_slice(&decimals[..end]);
    }
}
