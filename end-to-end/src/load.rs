//! A load with known sums, which the exporters have to show.

use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, Exporters, HeapStorage, Outcome, Recorder, Registry, Sample, Series, Settings, Timestamp,
};

/// The sums over the requests of a load. Latencies are multiples of half a millisecond, so the sum is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LoadSums {
    pub requests: u64,
    pub failures: u64,
    pub latency_ms: f64,
    pub bytes: u64,
}

impl LoadSums {
    /// What was recorded since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            failures: self.failures - before.failures,
            latency_ms: self.latency_ms - before.latency_ms,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// An engine of one thread that records the same requests in every run.
pub struct TestEngine {
    /// Through which it records.
    pub recorder: Recorder<'static>,
    series: [Series; 3],
    next: u64,
    /// The sums over all that was recorded.
    pub sums: LoadSums,
}

/// The time of completion of the first request. Each further one is completed a microsecond later.
pub const EPOCH: u64 = 1_700_000_000_000_000_000;

impl TestEngine {
    pub fn new(registry: Registry<'static>) -> Self {
        let mut recorder = registry.recorder();
        let series = [("GET", "/items"), ("POST", "/orders"), ("GET", "/q?a=1,b=\"c d\"|e:#f\\g/café")]
            .map(|(method, name)| recorder.series(method, name));
        Self { recorder, series, next: 0, sums: LoadSums::default() }
    }

    /// The series of the request with this number, from 0.
    pub const fn series_of(&self, number: u64) -> Series {
        self.series[(number % 3) as usize]
    }

    /// Sets a gauge.
    pub fn set_gauge(&self, name: &str, value: f64) {
        self.recorder.registry().gauge(name).expect("a good name").set(value);
    }

    /// Records `requests` more.
    pub fn record(&mut self, requests: u64) {
        for number in self.next..self.next + requests {
            let (half_millis, bytes) = (number % 100, number * 3 % 5_000);
            let status = if number % 10 == 9 { 503 } else { 200 };
            let sample = Sample::http(status, Duration::from_micros(500 * half_millis))
                .response_bytes(bytes)
                .completed_at(Timestamp::from_unix_nanos(EPOCH + 1_000 * number));
            self.recorder.record(self.series_of(number), sample);
            self.sums.requests += 1;
            self.sums.failures += u64::from(sample.outcome == Outcome::Failure);
            self.sums.latency_ms += half_millis as f64 / 2.0;
            self.sums.bytes += bytes;
        }
        self.next += requests;
    }
}

/// Exporters with a storage of their own and an engine that records there.
pub fn exporters<R: Runtime>() -> (Exporters<R>, TestEngine) {
    let settings = settings(64);
    let exporters = Exporters::start(settings).expect("a thread for the exporters");
    (exporters, TestEngine::new(settings.registry))
}

/// Settings with a new storage for `series` series. It is never freed: all storages of the suite together are small.
pub fn settings(series: usize) -> Settings {
    let storage = HeapStorage::new(series, 4, 4_096).expect("sizes that a storage can have");
    Settings::on(Box::leak(Box::new(storage)).registry())
}

/// Asserts the law of accounting after a stop: recorded = sent + dropped, and nothing is held.
#[track_caller]
pub fn assert_settled(account: &Account, recorded: u64) {
    assert_eq!(account.recorded, recorded, "{account:?}");
    assert_eq!(account.held, 0, "{account:?}");
    assert!(account.balanced(), "{account:?}");
}

/// Asserts [`assert_settled`], and that everything was sent.
#[track_caller]
pub fn assert_all_sent(account: &Account, recorded: u64) {
    assert_settled(account, recorded);
    assert_eq!(account.sent, recorded, "{account:?}");
}

/// Waits until `condition` holds; [`watched`](super::watched) ends the case if it never does.
pub fn wait_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::sleep(Duration::from_millis(1));
    }
}
