//! Observations that DogStatsD and InfluxDB are told one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, DropReason, Exporters, InfluxdbConfig, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, Observations, Sample,
    SampleRate, StartError, StatsdConfig,
};

use super::http_server::{HttpReply, HttpServer};
use super::load::{assert_all_sent, assert_settled, wait_until};
use super::own_instruments::{OBSERVATIONS, ObservingEngine, ended, observing, observing_with_rings};
use super::receiver::{DatagramReceiver, lines};
use super::unused_port;

/// How often each instrument of a series was told, and the sum of what was, in billionths.
type ToldSums = BTreeMap<String, (u64, u64)>;

/// Every observation since the start is a message, whether requests are sent one by one, packed or per interval. They share no
/// datagram with requests. The last ones are sent at the stop.
pub fn messages_per_observation_add_up<R: Runtime>() {
    let dialects: [fn(StatsdConfig) -> StatsdConfig; 4] = [
        |config| config,
        |config| config.packed(true),
        |config| config.aggregate(true).aggregation_interval(Duration::from_millis(5)).datagram_bytes(200),
        |config| config.segmentation_offload(false).newline(true),
    ];
    for dialect in dialects {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = observing_with_rings::<R>(8_192);
        engine.observe();
        exporters.start_statsd_sink(dialect(statsd(&receiver))).expect("a socket");
        observe_in_turns(&exporters, &mut engine);
        assert_settled(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 3);
        assert_all_sent(&ended(&exporters), 100 * OBSERVATIONS);
        let (of_requests, own): (Vec<_>, Vec<_>) =
            receiver.finish().into_iter().partition(|datagram| datagram.contains("outcome:"));
        assert!(of_requests.iter().flat_map(|datagram| lines(datagram)).all(|line| line.contains(",outcome:success")));
        assert_eq!(sums_of_messages(&own), expected(100, "#method:GET,name:"));
    }
}

/// What is sampled is told at its rate, and the account has the rest.
pub fn observations_are_sampled_as_requests_are<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = observing_with_rings::<R>(8_192);
    let rate = SampleRate::new(0.5).expect("a rate");
    exporters.start_statsd_sink(statsd(&receiver).packed(true).sample_rate(rate)).expect("a socket");
    observe_in_turns(&exporters, &mut engine);
    exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    let account = ended(&exporters);
    assert_settled(&account, 100 * OBSERVATIONS);
    let sampled = account.dropped.get(DropReason::Sampled);
    assert!(account.sent + sampled == 100 * OBSERVATIONS && sampled != 0, "{account:?}");
    let own = receiver.finish().into_iter().filter(|datagram| !datagram.contains("outcome:"));
    let messages: Vec<_> = own.flat_map(|datagram| lines(&datagram).map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(messages.iter().all(|message| message.contains("|@0.5")), "{messages:?}");
    assert_eq!(messages.len() as u64, account.sent);
}

/// Every observation since the start is a point, in both modes.
pub fn points_per_observation_add_up_over_udp<R: Runtime>() {
    for aggregate in [false, true] {
        let receiver = DatagramReceiver::start();
        let (exporters, mut engine) = observing_with_rings::<R>(8_192);
        let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
        exporters.start_influxdb_sink(influxdb(target).aggregate(aggregate)).expect("a socket");
        observe_in_turns(&exporters, &mut engine);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 3);
        assert_all_sent(&ended(&exporters), 100 * OBSERVATIONS);
        assert_eq!(sums_of_points(&receiver.finish()), expected_points(100));
    }
}

/// The same over HTTP, where no body has points of both.
pub fn points_per_observation_add_up_over_http<R: Runtime>() {
    for aggregate in [false, true] {
        let server = HttpServer::start(|_, number| HttpReply::Status(if number < 2 { 503 } else { 204 }));
        let (exporters, mut engine) = observing_with_rings::<R>(8_192);
        exporters.start_influxdb_sink(influxdb(url(&server)).aggregate(aggregate)).expect("a sink");
        observe_in_turns(&exporters, &mut engine);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 3);
        assert_all_sent(&ended(&exporters), 100 * OBSERVATIONS);
        let posts = server.posts().into_iter().filter(|post| post.status == Some(204));
        let bodies: Vec<_> = posts.map(|post| post.body).collect();
        for body in &bodies {
            let own = lines(body).filter(|line| line.starts_with(MEASUREMENT)).count();
            assert!(own == 0 || own == lines(body).count(), "{body}");
        }
        assert_eq!(sums_of_points(&bodies), expected_points(100));
    }
}

/// A server that refuses every observation gets all requests, and the accounts say so.
pub fn a_refused_observation_costs_no_request<R: Runtime>() {
    let server =
        HttpServer::start(|post, _| HttpReply::Status(if post.body.starts_with(MEASUREMENT) { 400 } else { 204 }));
    let (exporters, mut engine) = observing_with_rings::<R>(8_192);
    exporters.start_influxdb_sink(influxdb(url(&server))).expect("a sink");
    observe(&mut engine, 40);
    exporters.local_recorder().record_request("GET", "/items", Sample::ok(Duration::from_millis(1)));
    wait_until(|| observations(&exporters).held == 0);
    let status = exporters.status().remove(0);
    assert!(status.last_error.is_some_and(|error| error.starts_with("own instruments: ")), "it is told");
    assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 1);
    let account = ended(&exporters);
    assert_settled(&account, 40 * OBSERVATIONS);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (0, 40 * OBSERVATIONS), "{account:?}");
}

/// Rings that are full, and nobody who listens: every observation is accounted for, and a request is not.
pub fn observations_that_do_not_arrive_change_no_sum<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = observing_with_rings::<R>(2);
    exporters.start_statsd_sink(statsd(&receiver).port(unused_port().port())).expect("nobody needs to listen yet");
    observe(&mut engine, 100);
    exporters.stop_statsd_sink().expect("a stop").expect("it was running");
    let account = ended(&exporters);
    assert_settled(&account, 100 * OBSERVATIONS);
    assert_ne!(account.dropped.get(DropReason::RingFull), 0, "{account:?}");
    let report = exporters.shutdown(Duration::from_secs(1));
    assert!(report.to_string().contains("observations dropped by its full ring of 2"), "{report}");
}

/// A start that wants them is refused where the storage has no rings, with what would help, and nothing is left running.
pub fn storage_without_rings_is_refused<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, _) = observing::<R>();
    let influxdb = influxdb(InfluxdbUdp::new("127.0.0.1", receiver.address.port()));
    for refused in [exporters.start_statsd_sink(statsd(&receiver)), exporters.start_influxdb_sink(influxdb)] {
        let error = refused.expect_err("there are no rings");
        assert!(matches!(error, StartError::Setting { field: "observations", .. }), "{error:?}");
        assert!(error.to_string().contains("observations(1024)"), "{error}");
    }
    assert!(exporters.status().is_empty());
}

const MEASUREMENT: &str = "loaddensity_request_observations";

fn statsd(receiver: &DatagramReceiver) -> StatsdConfig {
    StatsdConfig::default().port(receiver.address.port()).observations(Observations::PerEvent)
}

fn influxdb(target: impl Into<InfluxdbTarget>) -> InfluxdbConfig {
    let interval = Duration::from_millis(20);
    InfluxdbConfig::default().target(target).interval(interval).observations(Observations::PerEvent)
}

fn url(server: &HttpServer) -> InfluxdbUrl {
    InfluxdbUrl::new(format!("http://{}/write", server.address))
}

/// Three times 30 rounds and a request, each of which is settled before the next, and 10 rounds.
fn observe_in_turns<R: Runtime>(exporters: &Exporters<R>, engine: &mut ObservingEngine) {
    for round in 1..=3 {
        exporters.local_recorder().record_request("GET", "/items", Sample::ok(Duration::from_millis(1)));
        observe(engine, 30);
        wait_until(|| {
            let account = observations(exporters);
            account.recorded == round * 30 * OBSERVATIONS && account.held == 0
        });
    }
    observe(engine, 10);
}

fn observe(engine: &mut ObservingEngine, rounds: u64) {
    (0..rounds).for_each(|_| engine.observe());
}

fn observations<R: Runtime>(exporters: &Exporters<R>) -> Account {
    exporters.status()[0].observations.expect("an account")
}

/// What is told of so many rounds, of series that begin with `tags`.
fn expected(rounds: u64, tags: &str) -> ToldSums {
    let of_series = (1..).zip(["/items", "/orders"]).flat_map(|(number, name)| {
        let told = [("checks_failed", number * 1_000_000_000), ("first_byte", number * 250_000_000)];
        told.map(|(instrument, sum)| (format!("{instrument} {tags}{name}"), (rounds, sum * rounds)))
    });
    of_series.chain([("depth ".into(), (rounds, 7_000_000_000 * rounds))]).collect()
}

fn expected_points(rounds: u64) -> ToldSums {
    let told = expected(rounds, ",method=GET,name=");
    told.into_iter().map(|(name, sums)| (name.replace("first_byte", "first_byte_ms"), sums)).collect()
}

fn sums_of_messages(datagrams: &[String]) -> ToldSums {
    let mut sums = ToldSums::new();
    for message in datagrams.iter().flat_map(|datagram| lines(datagram)) {
        let rest = message.strip_prefix("loaddensity.").expect(message);
        let (metric, rest) = rest.split_once(':').expect(message);
        let (value, rest) = rest.split_once('|').expect(message);
        let (kind, tags) = rest.split_once('|').unwrap_or((rest, ""));
        let kinds = BTreeMap::from([("checks_failed", "c"), ("first_byte", "ms"), ("depth", "h")]);
        assert_eq!(kinds.get(metric), Some(&kind), "{message}");
        add(&mut sums, format!("{metric} {tags}"), value);
    }
    sums
}

fn sums_of_points(bodies: &[String]) -> ToldSums {
    let mut sums = ToldSums::new();
    for line in bodies.iter().flat_map(|body| lines(body)).filter(|line| line.starts_with(MEASUREMENT)) {
        let [series, field, _time] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (name, value) = field.split_once('=').expect(line);
        let tags = series.strip_prefix(MEASUREMENT).expect(line);
        add(&mut sums, format!("{name} {tags}"), value.trim_end_matches('i'));
    }
    sums
}

fn add(sums: &mut ToldSums, name: String, value: &str) {
    let value: f64 = value.parse().expect(value);
    let (number, sum) = sums.entry(name).or_default();
    (*number, *sum) = (*number + 1, *sum + (value * 1e9).round() as u64);
}
