//! Recording: one request is a counter and two histograms. Ten series fit into the first cache whoever records, 10,000
//! do not fit into the second, and the trace itself is read from memory by all.

pub mod bounds;
mod entry_points;
mod instruments;
mod ours;

use crate::contest::{Contender, Contest};
use crate::floor::{default_storage, record as floor};
use crate::options::RatioOptions;
use crate::peers::{fast_telemetry, measured, metrics, opentelemetry, prometheus, prometheus_client};
use crate::recording::RecordingContender;
use crate::runner::threads::ThreadContest;
use crate::trace::{EVENTS, TraceWork, work};
use ours::TimedSide;

/// Titles of the contests by handle, and the number of series.
const BY_HANDLE: [(&str, usize); 5] = [
    ("record by handle, 1 series", 1),
    ("record by handle, 10 series", 10),
    ("record by handle, 100 series", 100),
    ("record by handle, 1,000 series", 1_000),
    ("record by handle, 10,000 series", 10_000),
];
/// The same by strings.
const BY_STRINGS: [(&str, usize); 3] = [
    ("record by strings, 10 series", 10),
    ("record by strings, 100 series", 100),
    ("record by strings, 10,000 series", 10_000),
];
/// Titles of the contests of several threads.
const THREADS: [(&str, MakeRecordings); 2] =
    [("record by handle, 2 threads, 100 series", by_handle), ("record by strings, 2 threads, 100 series", by_strings)];
type MakeRecordings = fn(&'static TraceWork) -> Vec<RecordingContender>;
const DRAIN: &str = "drain of raw events, 100 series";
const ENTRY_POINTS: &str = "ways to record, 100 series";
const CLAIM: &str = "claiming a recorder";
const BOUNDS: &str = "bounds of an engine's own, 100 series";
const INSTRUMENTS: &str = "a request with three instruments of the engine's own, 100 series";

/// The contests that `options` want.
#[must_use]
pub fn contests(options: &RatioOptions) -> Vec<Contest> {
    let mut contests = Vec::new();
    for (title, series) in BY_HANDLE.into_iter().filter(|(title, _)| options.wants(title)) {
        let mut recordings = by_handle(work(series));
        recordings.insert(2, ours::with_events("ours, raw events on", work(series), TimedSide::Engine));
        contests.push(contest(title, recordings, work(series)));
    }
    for (title, series) in BY_STRINGS.into_iter().filter(|(title, _)| options.wants(title)) {
        contests.push(contest(title, by_strings(work(series)), work(series)));
    }
    if options.wants(ENTRY_POINTS) {
        contests.push(contest(ENTRY_POINTS, entry_points::recordings(work(100)), work(100)));
    }
    if options.wants(CLAIM) {
        contests.push(entry_points::claim(CLAIM));
    }
    if options.wants(BOUNDS) {
        contests.push(bounds::contest(BOUNDS, work(100)));
    }
    if options.wants(INSTRUMENTS) {
        contests.push(contest(INSTRUMENTS, instruments::recordings(work(100)), work(100)));
    }
    if options.wants(DRAIN) {
        contests.push(contest(DRAIN, vec![ours::with_events("ours, pump", work(100), TimedSide::Pump)], work(100)));
    }
    contests
}

/// The contests of several threads that `options` want.
#[must_use]
pub fn thread_contests(options: &RatioOptions) -> Vec<ThreadContest> {
    let wanted = THREADS.iter().filter(|(title, _)| options.wants(title));
    wanted.map(|&(title, all)| ThreadContest { title, recordings: all(work(100)), work: work(100) }).collect()
}

/// Everybody by handle, ours first. Each counts into a place of its own.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    let all = [
        ours::by_handle(work).into(),
        floor::by_handle(work),
        default_storage::by_handle(work),
        prometheus::by_handle(work),
        prometheus_client::by_handle(work),
        metrics::by_handle(work),
        measured::by_handle(work),
        opentelemetry::by_handle(work),
        fast_telemetry::by_handle(work),
    ];
    all.into_iter().flatten().collect()
}

/// Everybody by strings.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    let all = [
        ours::by_strings(work).into(),
        floor::by_strings(work),
        default_storage::by_strings(work),
        prometheus::by_strings(work),
        prometheus_client::by_strings(work),
        metrics::by_strings(work),
        measured::by_strings(work),
        opentelemetry::by_strings(work),
        fast_telemetry::by_strings(work),
    ];
    all.into_iter().flatten().collect()
}

/// Checks the answers of all `recordings`, which have not recorded yet.
#[must_use]
pub fn contest(title: &'static str, recordings: Vec<RecordingContender>, work: &'static TraceWork) -> Contest {
    let contenders = recordings.into_iter().map(|recording| recording.into_contender(work)).collect();
    of_contenders(title, contenders)
}

/// A contest of contenders that were checked.
#[must_use]
pub fn of_contenders(title: &'static str, contenders: Vec<Contender>) -> Contest {
    Contest { title, unit: "request", units: EVENTS as f64, contenders }
}
