//! What an engine declared for itself, from the handles to what a backend receives.

use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, Counter, DropReason, Exporter, Exporters, HeapStorage, Histogram, Recorder, Series, Settings, Unit,
};

use super::load::{assert_all_sent, assert_settled, wait_until};
use super::scraper::{ScrapeClient, any_port};

/// An engine with a counter per series, a timer per series, and a histogram of the run.
pub struct ObservingEngine {
    recorder: Recorder<'static>,
    /// Of `/items` and `/orders`.
    pub series: [Series; 2],
    checks_failed: Counter,
    first_byte: Histogram<Duration>,
    depth: Histogram<u64>,
}

/// Observations in a round of [`ObservingEngine::observe`].
pub const OBSERVATIONS: u64 = 5;

impl ObservingEngine {
    /// One round: both series raise the counter, by 1 and by 2, and have the first byte after 250 and 500 microseconds; the run
    /// has a depth of 7.
    pub fn observe(&mut self) {
        for (number, series) in (1..).zip(self.series) {
            self.recorder.add(self.checks_failed, series, number);
            self.recorder.observe(self.first_byte, series, Duration::from_micros(250 * number));
        }
        self.recorder.observe_in_run(self.depth, 7);
    }
}

/// Exporters with a storage of their own and an engine that observes there.
pub fn observing<R: Runtime>() -> (Exporters<R>, ObservingEngine) {
    observing_with_rings(0)
}

/// The same with rings of so many observations.
pub fn observing_with_rings<R: Runtime>(observations: usize) -> (Exporters<R>, ObservingEngine) {
    let storage = HeapStorage::builder(64, 4, 4_096).counters(1).histograms(2).observations(observations).build();
    let storage = storage.expect("sizes that a storage can have");
    let settings = Settings::on(Box::leak(Box::new(storage)).registry());
    let exporters = Exporters::start(settings).expect("a thread for the exporters");
    let registry = settings.registry;
    let engine = ObservingEngine {
        recorder: registry.recorder(),
        series: ["/items", "/orders"].map(|name| registry.series("GET", name)),
        checks_failed: registry.counter("checks_failed", Unit::One, "Checks that failed").expect("room"),
        first_byte: registry.timer("first_byte", "To the first byte").expect("room"),
        depth: registry.run_histogram("depth", Unit::One, "Depth of the queue").expect("room"),
    };
    (exporters, engine)
}

/// The account of observations of the last run.
pub fn ended<R: Runtime>(exporters: &Exporters<R>) -> Account {
    let run = exporters.ended_runs().pop().expect("a run");
    run.observations.expect("an account of observations")
}

/// The page shows every observation, and its account is one of its own.
pub fn a_scrape_shows_every_observation<R: Runtime>() {
    let (exporters, mut engine) = observing::<R>();
    engine.observe();
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.observe();
    let page = ScrapeClient::connect(address).ask("GET", "/metrics");
    let page = page.text();
    for line in [
        "loaddensity_checks_failed_total{method=\"GET\",name=\"/items\"} 2",
        "loaddensity_checks_failed_total{method=\"GET\",name=\"/orders\"} 4",
        "loaddensity_first_byte_ms_sum{method=\"GET\",name=\"/orders\"} 1",
        "loaddensity_first_byte_ms_count{method=\"GET\",name=\"/items\"} 2",
        "loaddensity_depth_sum 14",
        "loaddensity_exporter_observations_recorded_total{exporter=\"prometheus\"} 5",
    ] {
        assert!(page.lines().any(|shown| shown == line), "{line} in {page}");
    }
    // The page is delivered before its client has read it, and noted soon after.
    wait_until(|| exporters.registry().observation_account(Exporter::Prometheus).sent == OBSERVATIONS);
    engine.observe();
    let [status] = &exporters.status()[..] else { panic!("one runs") };
    let held = status.observations.map(|account| (account.recorded, account.held));
    assert_eq!(held, Some((2 * OBSERVATIONS, OBSERVATIONS)));
    exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    let account = ended(&exporters);
    assert_settled(&account, 2 * OBSERVATIONS);
    assert_eq!(account.dropped.get(DropReason::Unscraped), OBSERVATIONS, "{account:?}");
    let report = exporters.shutdown(Duration::from_secs(1));
    assert_eq!(report.observations, [account]);
    assert!(report.to_string().contains("observations"), "{report}");
}

/// A page lingers for observations as it does for requests.
pub fn a_page_lingers_until_its_last_observations_were_seen<R: Runtime>() {
    let (exporters, mut engine) = observing::<R>();
    let config = any_port().linger(Duration::from_secs(3_600));
    let address = exporters.start_prometheus_exporter(config).expect("a free port");
    engine.observe();
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_eq!(account.recorded, 0, "there are no requests");
    let [status] = &exporters.status()[..] else { panic!("it lingers") };
    assert!(status.lingers, "{status:?}");
    ScrapeClient::connect(address).ask("GET", "/metrics");
    wait_until(|| exporters.status().is_empty());
    assert_all_sent(&ended(&exporters), OBSERVATIONS);
}

/// Storage without room for instruments has no account of observations.
pub fn without_room_for_instruments_nothing_is_said_of_observations<R: Runtime>() {
    let (exporters, mut engine) = super::load::exporters::<R>();
    let address = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    engine.record(3);
    assert!(!ScrapeClient::connect(address).ask("GET", "/metrics").text().contains("observations"));
    let [status] = &exporters.status()[..] else { panic!("one runs") };
    assert_eq!(status.observations, None);
    let report = exporters.shutdown(Duration::from_secs(1));
    assert!(report.observations.is_empty() && !report.to_string().contains("observations"), "{report}");
}
