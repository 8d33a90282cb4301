//! What an engine's own instruments count, as points per interval of the InfluxDB sink.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, DropReason, Exporters, InfluxdbConfig, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, Sample, StartError,
};

use super::http_server::{HttpReply, HttpServer};
use super::load::{assert_all_sent, assert_settled, wait_until};
use super::own_instruments::{OBSERVATIONS, ObservingEngine, ended, observing};
use super::receiver::{DatagramReceiver, lines};

/// What each field adds up to, by the tags and the name.
type FieldSums = BTreeMap<(String, String), f64>;

/// The points of all intervals add up to what was observed since the start, in both modes. The last interval is sent at the
/// stop.
pub fn own_instruments_add_up_over_udp<R: Runtime>() {
    for aggregate in [false, true] {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = observing::<R>();
        observe(&mut engine, 7);
        let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
        let config = config(target).aggregate(aggregate);
        exporters.start_influxdb_sink(config).expect("a socket");
        for round in 1..=3 {
            observe(&mut engine, 100);
            wait_until(|| observations(&exporters).sent == round * 100 * OBSERVATIONS);
        }
        observe(&mut engine, 50);
        record(&exporters, &engine, 30);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 30);
        assert_all_sent(&ended(&exporters), 350 * OBSERVATIONS);
        assert_eq!(sums(&receiver.finish()), sums_of(350));
    }
}

/// The same over HTTP, where no body has points of both.
pub fn own_instruments_add_up_over_http<R: Runtime>() {
    for aggregate in [false, true] {
        let server = HttpServer::start(|_, _| HttpReply::Status(204));
        let (exporters, mut engine) = observing::<R>();
        exporters.start_influxdb_sink(to(&server).aggregate(aggregate)).expect("a sink");
        for round in 1..=3 {
            observe(&mut engine, 100);
            record(&exporters, &engine, 10);
            wait_until(|| observations(&exporters).sent == round * 100 * OBSERVATIONS);
        }
        observe(&mut engine, 50);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 30);
        assert_all_sent(&ended(&exporters), 350 * OBSERVATIONS);
        let bodies = stored(&server);
        for body in &bodies {
            let own = lines(body).filter(|line| is_own(line)).count();
            assert!(own == 0 || own == lines(body).count(), "{body}");
        }
        assert_eq!(sums(&bodies), sums_of(350));
    }
}

/// A server that refuses every point of an own instrument gets all requests, and the accounts say so.
pub fn a_refused_instrument_costs_no_request<R: Runtime>() {
    let server = HttpServer::start(|post, _| HttpReply::Status(if is_own(&post.body) { 400 } else { 204 }));
    let (exporters, mut engine) = observing::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    observe(&mut engine, 100);
    record(&exporters, &engine, 40);
    wait_until(|| observations(&exporters).held == 0);
    observe(&mut engine, 10);
    let status = exporters.status().remove(0);
    assert!(status.last_error.is_some_and(|error| error.starts_with("own instruments: ")), "it is told");
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 40);
    let account = ended(&exporters);
    assert_settled(&account, 110 * OBSERVATIONS);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (0, 110 * OBSERVATIONS), "{account:?}");
}

/// What a server could not take is in the next points, and nothing is counted twice.
pub fn an_interval_of_instruments_that_failed_is_in_the_next_one<R: Runtime>() {
    let server = HttpServer::start(|_, number| HttpReply::Status(if number < 3 { 503 } else { 204 }));
    let (exporters, mut engine) = observing::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    observe(&mut engine, 100);
    wait_until(|| server.posts().len() >= 2);
    observe(&mut engine, 100);
    wait_until(|| observations(&exporters).sent == 200 * OBSERVATIONS);
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 0);
    assert_all_sent(&ended(&exporters), 200 * OBSERVATIONS);
    assert_eq!(sums(&stored(&server)), sums_of(200));
}

/// A silent server does not delay a stop beyond its deadline, and every observation is accounted for.
pub fn a_silent_server_leaves_observations_unconfirmed<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Silence);
    let (exporters, mut engine) = observing::<R>();
    exporters.start_influxdb_sink(to(&server).timeout(Duration::from_secs(60))).expect("a sink");
    observe(&mut engine, 50);
    wait_until(|| server.posts().len() == 1);
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 0);
    let account = ended(&exporters);
    assert_settled(&account, 50 * OBSERVATIONS);
    assert_eq!((account.sent, account.dropped.get(DropReason::Unconfirmed)), (0, 50 * OBSERVATIONS), "{account:?}");
}

/// Where the storage has no room for any there is no account, and nothing is sent of them.
pub fn storage_without_room_for_instruments_sends_none<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let (exporters, mut engine) = super::load::exporters::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    engine.record(30);
    wait_until(|| exporters.status()[0].account.sent == 30);
    assert_eq!(exporters.status()[0].observations, None);
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 30);
    assert!(!stored(&server).iter().any(|body| is_own(body)));
}

/// A field that the instruments have, and none of another tag.
pub fn a_constant_tag_with_the_name_of_an_instruments_field_is_refused<R: Runtime>() {
    let (exporters, _engine) = observing::<R>();
    for tag in ["checks_failed", "first_byte_ms_count", "depth_p99"] {
        let error =
            exporters.start_influxdb_sink(InfluxdbConfig::default().constant_labels([(tag, "x")])).expect_err(tag);
        assert!(matches!(error, StartError::Setting { field: "constant_labels", .. }), "{error:?}");
        assert!(error.to_string().contains(tag), "{error}");
    }
    for tag in ["checks", "first_byte", "depth_ms"] {
        exporters.start_influxdb_sink(InfluxdbConfig::default().constant_labels([(tag, "x")])).expect(tag);
    }
}

fn observe(engine: &mut ObservingEngine, rounds: u64) {
    (0..rounds).for_each(|_| engine.observe());
}

fn record<R: Runtime>(exporters: &Exporters<R>, engine: &ObservingEngine, requests: u64) {
    let mut recorder = exporters.registry().recorder();
    (0..requests).for_each(|_| recorder.record(engine.series[0], Sample::ok(Duration::from_millis(1))));
}

/// What so many rounds add up to: halves and quarters, so that sums are exact.
fn sums_of(rounds: u64) -> FieldSums {
    let of_series = [(",method=GET,name=/items", 1.0), (",method=GET,name=/orders", 2.0)].map(|(tags, number)| {
        let (sum, count) = ("first_byte_ms_sum", "first_byte_ms_count");
        [(tags, "checks_failed", number), (tags, sum, 0.25 * number), (tags, count, 1.0)]
    });
    let all = of_series.into_iter().flatten().chain([("", "depth_sum", 7.0), ("", "depth_count", 1.0)]);
    all.map(|(tags, field, value)| ((tags.into(), field.into()), value * rounds as f64)).collect()
}

fn config(target: impl Into<InfluxdbTarget>) -> InfluxdbConfig {
    let interval = Duration::from_millis(20);
    InfluxdbConfig::default().target(target).interval(interval).instruments_interval(interval)
}

fn to(server: &HttpServer) -> InfluxdbConfig {
    config(InfluxdbUrl::new(format!("http://{}/write", server.address)))
}

fn observations<R: Runtime>(exporters: &Exporters<R>) -> Account {
    exporters.status()[0].observations.expect("there is room for instruments")
}

fn is_own(line: &str) -> bool {
    line.starts_with("loaddensity_request_instruments")
}

/// The bodies that were taken.
fn stored(server: &HttpServer) -> Vec<String> {
    server.posts().into_iter().filter(|post| post.status == Some(204)).map(|post| post.body).collect()
}

/// Adds up the points of own instruments. No field of a series may have two values at one time.
fn sums(bodies: &[String]) -> FieldSums {
    let (mut sums, mut seen) = (FieldSums::new(), BTreeSet::new());
    for line in bodies.iter().flat_map(|body| lines(body)).filter(|line| is_own(line)) {
        let mut parts = line.split(' ');
        let key = parts.next().and_then(|key| key.strip_prefix("loaddensity_request_instruments")).expect(line);
        let (fields, time) = (parts.next().expect(line), parts.next().expect(line));
        for (name, value) in fields.split(',').map(|field| field.split_once('=').expect(line)) {
            assert!(seen.insert((key.to_owned(), name.to_owned(), time.to_owned())), "two values at one time: {line}");
            let is_added = ["checks_failed", "iterations"].contains(&name)
                || ["_count", "_sum"].iter().any(|end| name.ends_with(end));
            if is_added {
                let value: f64 = value.trim_end_matches('i').parse().expect(line);
                *sums.entry((key.to_owned(), name.to_owned())).or_default() += value;
            }
        }
    }
    sums
}
