//! The Prometheus page of 1,000 series: 27 lines each, two of them counters.
//!
//! Ours also shows the registry and the exporters themselves, in a few dozen lines that are not counted as such.

use std::hint::black_box;

use loaddensity_metrics_core::Registry;
use loaddensity_metrics_core::prometheus::Page;

use crate::contest::{Contender, Contest, Role};
use crate::exposition::{self, SeriesSums};
use crate::options::RatioOptions;
use crate::ours::HistogramKind;
use crate::peers::{measured, metrics, prometheus, prometheus_client};
use crate::trace::{TraceSums, TraceWork, work};
use crate::{floor, ours};

const PAGE: &str = "prometheus page, 27,000 lines, 1 shard";
const SHARDS: &str = "prometheus page, 27,000 lines, further shards";
const SERIES: usize = 1_000;
const LINES: f64 = 27_000.0;
/// Passes over the trace that the page shows: counts of up to four digits. Four shards can share them evenly.
const PASSES: u64 = 28;
/// What a server would send at once.
const BUFFER: usize = 64 * 1024;
/// Takes any page whole.
const WHOLE: usize = 8 << 20;

/// The contests that `options` want.
#[must_use]
pub fn contests(options: &RatioOptions) -> Vec<Contest> {
    let (work, mut contests) = (work(SERIES), Vec::new());
    if options.wants(PAGE) {
        let mut contenders =
            vec![ours("ours, 64 KiB buffer", work, 1, BUFFER), ours("ours, one buffer", work, 1, WHOLE)];
        contenders.extend(floors(work));
        contenders.extend(peers(work));
        contests.push(Contest { title: PAGE, unit: "line", units: LINES, contenders });
    }
    if options.wants(SHARDS) {
        let shards = [("ours, 1 shard", 1), ("ours, 2 shards", 2), ("ours, 4 shards", 4)];
        let contenders = shards.map(|(name, shards)| ours(name, work, shards, BUFFER)).into();
        contests.push(Contest { title: SHARDS, unit: "line", units: LINES, contenders });
    }
    contests
}

/// The page of a registry into whose `shards` shards the passes went in equal parts.
fn ours(name: &'static str, work: &'static TraceWork, shards: u64, buffer: usize) -> Contender {
    let registry = ours::registry(HistogramKind::Classic, work.names.len(), shards as usize);
    let mut recorders: Vec<_> = (0..shards).map(|_| registry.recorder()).collect();
    for recorder in &mut recorders {
        let series = ours::handles(recorder, work);
        for _ in 0..PASSES / shards {
            for event in &work.events {
                recorder.record(series[event.series as usize], event.sample(Default::default()));
            }
        }
    }
    let (mut buffer, mut shown) = (vec![0; buffer], Vec::new());
    fill(registry, &mut buffer, |part| shown.extend_from_slice(part));
    check(name, &String::from_utf8_lossy(&shown), work);
    Contender::new(name, Role::Ours, move || fill(registry, &mut buffer, |part| _ = black_box(part)))
}

fn fill(registry: Registry<'_>, buffer: &mut [u8], mut send: impl FnMut(&[u8])) -> usize {
    let (mut page, mut written) = (Page::new(registry), 0);
    loop {
        let bytes = page.fill(buffer).expect("room for a line");
        if bytes == 0 {
            return written;
        }
        send(&buffer[..bytes]);
        written += bytes;
    }
}

/// The floor, and what no encoder can be faster than.
fn floors(work: &'static TraceWork) -> [Contender; 2] {
    let (page, mut out) = (floor::prometheus::FloorPage::new(work, PASSES), Vec::with_capacity(WHOLE));
    page.encode(&mut out);
    check("floor, safe", &String::from_utf8_lossy(&out), work);
    let (finished, mut copy) = (out.clone(), Vec::with_capacity(WHOLE));
    let encode = move || {
        out.clear();
        page.encode(&mut out);
        black_box(&out).len()
    };
    let memcpy = move || {
        copy.clear();
        copy.extend_from_slice(black_box(&finished));
        black_box(&copy).len()
    };
    [Contender::new("floor, safe", Role::Floor, encode), Contender::new("memcpy of the page", Role::Bound, memcpy)]
}

fn peers(work: &'static TraceWork) -> impl Iterator<Item = Contender> {
    let [sparse, dense] = measured::pages(work, PASSES);
    let pages = [
        sparse,
        dense,
        prometheus_client::page(work, PASSES),
        prometheus::page(work, PASSES),
        metrics::page(work, PASSES),
    ];
    pages.into_iter().map(|(contender, shown)| {
        check(contender.name, &shown, work);
        contender
    })
}

/// Panics unless the page shows what plain code counts in the trace.
fn check(name: &str, page: &str, work: &TraceWork) {
    let text = |(method, name): &(&str, &str)| (method.to_string(), name.to_string());
    let expected: SeriesSums = work.names.iter().map(text).zip(TraceSums::by_series(work, PASSES)).collect();
    assert_eq!(exposition::parse(page), expected, "{name} shows something else");
}
