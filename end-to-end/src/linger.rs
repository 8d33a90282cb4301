//! Pages that are served after a stop, until a scrape has seen their last values.

use std::io::{self, BufRead as _, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, DropReason, Exporter, Exporters, PrometheusConfig};

use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::scraper::{ScrapeClient, any_port};

/// Longer than any case may take.
const LONG: Duration = Duration::from_secs(3_600);

fn lingering(linger: Duration) -> PrometheusConfig {
    any_port().linger(linger)
}

/// Exporters with room for `series` series and no deadline for stops, and a page that lingers.
fn long_lingering<R: Runtime>(series: usize) -> (Exporters<R>, TestEngine, SocketAddr) {
    let settings = settings(series).stop_deadline(LONG);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut recorder = exporters.recorder();
    for number in 4..series {
        recorder.series("GET", &format!("/a/name/that/makes/the/page/larger/{number}"));
    }
    let engine = TestEngine::new(settings.registry);
    let address = exporters.start_prometheus_exporter(lingering(LONG)).expect("a free port");
    (exporters, engine, address)
}

/// Stops the page, which then lingers. Its account stays open.
#[track_caller]
fn stop<R: Runtime>(exporters: &Exporters<R>, recorded: u64, sent: u64) {
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_eq!((account.recorded, account.sent, account.held), (recorded, sent, recorded - sent), "{account:?}");
    assert!(account.balanced(), "{account:?}");
    let [status] = &exporters.status()[..] else { panic!("{:?}", exporters.status()) };
    assert!(status.lingers && status.state().ends_with(", lingers"), "{status:?}");
}

/// Waits until no page lingers, and returns the account of the last run.
fn ended<R: Runtime>(exporters: &Exporters<R>) -> Account {
    wait_until(|| exporters.status().is_empty());
    exporters.ended_runs().pop().expect("a run").account
}

/// The stop returns at once and the page is served on. Only after a whole page was scraped, it ends and the port is
/// free.
pub fn a_page_lingers_until_a_scrape_has_seen_all_of_it<R: Runtime>() {
    let (exporters, mut engine, address) = long_lingering::<R>(64);
    engine.record(10);
    let mut client = ScrapeClient::connect(address);
    assert_eq!(client.ask("GET", "/metrics").sums(), engine.sums);
    engine.record(5);
    stop(&exporters, 15, 10);
    for (method, path) in [("HEAD", "/metrics"), ("GET", "/healthz"), ("GET", "/"), ("GET", "/elsewhere")] {
        client.ask(method, path);
    }
    // Stopping again changes nothing.
    stop(&exporters, 15, 10);
    let accounts = exporters.stop_all().expect("a stop");
    assert_eq!(accounts.iter().map(|account| account.held).collect::<Vec<_>>(), [5]);
    assert!(exporters.ended_runs().is_empty());
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums(), engine.sums);
    assert_all_sent(&ended(&exporters), 15);
    let refused = TcpStream::connect(address).expect_err("nobody listens any more");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(exporters.stop_prometheus_exporter().expect("a stop").is_none(), "it was not running");
}

/// Requests that are recorded after the stop are shown, but no account counts them.
pub fn requests_after_the_stop_are_shown_but_not_counted<R: Runtime>() {
    let (exporters, mut engine, address) = long_lingering::<R>(64);
    engine.record(10);
    stop(&exporters, 10, 0);
    engine.record(7);
    stop(&exporters, 10, 0);
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums().requests, 17);
    assert_all_sent(&ended(&exporters), 10);
}

/// A whole page counts as a scrape, whatever its format and its compression.
pub fn pages_of_each_format_end_the_lingering<R: Runtime>() {
    for head in [
        "",
        "Accept: application/openmetrics-text;version=1.0.0\r\n",
        "Accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited\r\n",
        "Accept-Encoding: gzip\r\n",
    ] {
        let (exporters, mut engine, address) = long_lingering::<R>(64);
        engine.record(10);
        stop(&exporters, 10, 0);
        assert_eq!(ScrapeClient::connect(address).ask_with("GET", "/metrics", head).sums(), engine.sums, "{head}");
        assert_all_sent(&ended(&exporters), 10);
    }
}

/// A page does not linger if everything was scraped before the stop, if it has nothing to show, or if lingering is off.
pub fn a_page_without_unseen_values_does_not_linger<R: Runtime>() {
    let (exporters, mut engine, address) = long_lingering::<R>(64);
    engine.record(10);
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums(), engine.sums);
    assert_all_sent(&exporters.stop_prometheus_exporter().expect("a stop").expect("it was running"), 10);
    exporters.start_prometheus_exporter(lingering(LONG)).expect("a free port");
    assert_all_sent(&exporters.stop_prometheus_exporter().expect("a stop").expect("it was running"), 0);
    exporters.start_prometheus_exporter(lingering(Duration::ZERO)).expect("a free port");
    engine.record(3);
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_eq!(account.dropped.get(DropReason::Unscraped), 3, "{account:?}");
    assert!(exporters.status().is_empty());
}

/// A page that nobody scrapes ends when its time is over.
pub fn a_page_lingers_no_longer_than_its_limit<R: Runtime>() {
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_prometheus_exporter(lingering(Duration::from_millis(200))).expect("a free port");
    engine.record(10);
    exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    let account = ended(&exporters);
    assert_settled(&account, 10);
    assert_eq!(account.dropped.get(DropReason::Unscraped), 10, "{account:?}");
}

/// The rest is shown by the next page, if the sending of a page began before the stop.
pub fn a_scrape_that_began_before_the_stop_leaves_the_rest_to_the_next<R: Runtime>() {
    // 27 lines a series: some 20 MB, more than the sockets' buffers hold.
    let (exporters, mut engine, address) = long_lingering::<R>(8_000);
    engine.record(10);
    let mut slow = ScrapeClient::connect(address);
    slow.send("GET", "/metrics");
    // This line comes after all counters. So the page shows ten requests, whatever is recorded now.
    let mut line = String::new();
    while !line.contains("# HELP loaddensity_request_latency_ms") {
        line.clear();
        slow.0.read_line(&mut line).expect("a page");
    }
    engine.record(5);
    stop(&exporters, 15, 0);
    let mut tail = [0; 7];
    while tail != *b"\r\n0\r\n\r\n" {
        tail.rotate_left(1);
        slow.0.read_exact(&mut tail[6..]).expect("the rest of the page");
    }
    wait_until(|| exporters.status()[0].account.sent == 10);
    stop(&exporters, 15, 10);
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums(), engine.sums);
    assert_all_sent(&ended(&exporters), 15);
}

/// A start on the same port ends the lingering. Each of the two runs has an account.
pub fn a_new_start_ends_the_lingering<R: Runtime>() {
    let (exporters, mut engine, address) = long_lingering::<R>(64);
    engine.record(10);
    stop(&exporters, 10, 0);
    let config = lingering(LONG).port(address.port());
    assert_eq!(exporters.start_prometheus_exporter(config).expect("its own port"), address);
    let [before] = &exporters.ended_runs()[..] else { panic!("{:?}", exporters.ended_runs()) };
    assert_eq!((before.account.dropped.get(DropReason::Unscraped), before.linger), (10, Some(LONG)), "{before:?}");
    engine.record(1);
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums().requests, 11);
    // A start with other settings is not a stop: the old page does not linger, and the new page shows the same values.
    engine.record(1);
    let elsewhere = exporters.start_prometheus_exporter(any_port()).expect("a free port");
    let [_, moved] = &exporters.ended_runs()[..] else { panic!("{:?}", exporters.ended_runs()) };
    assert_eq!((moved.account.sent, moved.account.dropped.get(DropReason::Unscraped)), (1, 1), "{moved:?}");
    assert_eq!(ScrapeClient::connect(elsewhere).ask("GET", "/metrics").sums(), engine.sums);
}

/// While a page lingers, other exporters can be stopped and started.
pub fn a_page_that_lingers_does_not_delay_other_exporters<R: Runtime>() {
    let (exporters, mut engine, address) = long_lingering::<R>(64);
    engine.record(10);
    stop(&exporters, 10, 0);
    let statsd = loaddensity_metrics_shell::StatsdConfig::default();
    exporters.start_statsd_sink(statsd).expect("a socket");
    let running: Vec<_> = exporters.status().iter().map(|status| (status.exporter, status.lingers)).collect();
    assert_eq!(running, [(Exporter::Prometheus, true), (Exporter::Statsd, false)]);
    exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums(), engine.sums);
    wait_until(|| exporters.status().is_empty());
}

/// A page does not linger beyond the deadline of a shutdown.
pub fn a_shutdown_ends_the_lingering_at_its_deadline<R: Runtime>() {
    for (deadline, is_stopped) in [(Duration::ZERO, true), (Duration::from_millis(200), true), (Duration::ZERO, false)]
    {
        let (exporters, mut engine, _) = long_lingering::<R>(64);
        engine.record(10);
        if is_stopped {
            stop(&exporters, 10, 0);
        }
        let [account] = exporters.shutdown(deadline).accounts[..] else { panic!("one run") };
        assert_settled(&account, 10);
        assert_eq!(account.dropped.get(DropReason::Unscraped), 10, "{account:?}");
    }
}

/// A shutdown lets a page linger until its deadline. It ends as soon as a scrape has seen the last values.
pub fn a_shutdown_waits_for_the_last_scrape<R: Runtime>() {
    for is_stopped in [true, false] {
        let (exporters, mut engine, address) = long_lingering::<R>(64);
        engine.record(10);
        if is_stopped {
            stop(&exporters, 10, 0);
        }
        let shutdown = thread::spawn(move || exporters.shutdown(LONG));
        assert_eq!(ScrapeClient::connect(address).ask("GET", "/metrics").sums(), engine.sums);
        let report = shutdown.join().expect("a shutdown");
        assert_all_sent(&report.accounts[0], 10);
    }
}
