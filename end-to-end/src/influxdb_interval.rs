//! The InfluxDB sink with one point per series and interval, and with constant tags.

use std::collections::BTreeSet;
use std::time::Duration;

use loaddensity_metrics_shell::config::{Precision, StatusCode};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, DropReason, Exporters, InfluxdbConfig, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, InfluxdbV2, Labels,
    Sample, StartError,
};

use super::http_server::{HttpReply, HttpServer};
use super::load::{LoadSums, TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::receiver::{DatagramReceiver, lines};

/// The points of all intervals add up to what was recorded since the start. The last interval is sent at the stop.
pub fn points_per_interval_add_up_over_udp<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    engine.record(70);
    let before = engine.sums;
    let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
    exporters.start_influxdb_sink(per_interval().target(target)).expect("a socket");
    for round in 1..=3 {
        engine.record(100);
        wait_until(|| exporters.status()[0].account.sent == round * 100);
    }
    engine.record(50);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 350);
    assert_eq!(sums(&receiver.finish()), engine.sums.since(before));
}

/// The same over HTTP, with a limit of points per body, with constant tags and with another precision.
pub fn points_per_interval_add_up_over_http<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Status(204));
    let (exporters, mut engine) = exporters::<R>();
    let batch = BatchLimits::default().points(2);
    let constant_labels = [("run", "7"), ("namespace", "a b")];
    let target = InfluxdbV2::new(format!("http://{}", server.address), "o", "b");
    let precision = Precision::Millisecond;
    exporters
        .start_influxdb_sink(
            per_interval().target(target).batch(batch).constant_labels(constant_labels).precision(precision),
        )
        .expect("a sink");
    engine.record(100);
    wait_until(|| exporters.status()[0].account.sent == 100);
    engine.record(50);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 150);
    let posts = server.posts();
    for post in &posts {
        assert_eq!(post.line, "POST /api/v2/write?org=o&bucket=b&precision=ms HTTP/1.1");
        assert!(post.body.lines().count() <= 2);
        for line in post.body.lines() {
            assert!(line.contains(",namespace=a\\ b,run=7 requests="), "{line}");
            let time = line.rsplit(' ').next().expect(line);
            assert_eq!(time.len(), 13, "no milliseconds: {line}");
        }
    }
    let bodies: Vec<_> = posts.into_iter().map(|post| post.body).collect();
    assert_eq!(sums(&bodies), engine.sums);
}

/// Requests of an interval that the server could not take are in the next points, and nothing is counted twice.
pub fn a_failed_interval_is_added_to_the_next_one<R: Runtime>() {
    let server = HttpServer::start(|_, number| HttpReply::Status(if number < 3 { 503 } else { 204 }));
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    engine.record(100);
    wait_until(|| server.posts().len() >= 2);
    engine.record(100);
    wait_until(|| exporters.status()[0].account.sent == 200);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 200);
    let stored = server.posts().into_iter().filter(|post| post.status == Some(204)).map(|post| post.body);
    assert_eq!(sums(&stored.collect::<Vec<_>>()), engine.sums);
}

/// Points that the server refuses count as refused. If it refused one point of several, it does not say which one, so
/// the one with the most requests counts as refused. Points of later intervals are sent.
pub fn refused_intervals_are_dropped<R: Runtime>() {
    let partial = r#"{"error":"partial write: field type conflict dropped=1"}"#;
    for (says, refused) in [("", 100), (partial, 34)] {
        let server = HttpServer::start(move |_, number| match number {
            0 => HttpReply::Says(400, says),
            _ => HttpReply::Status(204),
        });
        let (exporters, mut engine) = exporters::<R>();
        // Long enough for all requests to be in the first interval.
        let interval = Duration::from_millis(500);
        exporters.start_influxdb_sink(to(&server).interval(interval)).expect("a sink");
        engine.record(100);
        wait_until(|| exporters.status()[0].account.dropped.get(DropReason::Refused) == refused);
        engine.record(30);
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_settled(&account, 130);
        assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (130 - refused, refused), "{account:?}");
    }
}

/// Bodies that the server finds too large are sent again in smaller parts.
pub fn large_intervals_are_split<R: Runtime>() {
    const SERIES: u64 = 40;
    let server = HttpServer::start(|post, _| HttpReply::Status(if post.body.len() > 3_000 { 413 } else { 204 }));
    let settings = settings(64);
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    exporters.start_influxdb_sink(to(&server)).expect("a sink");
    let mut recorder = settings.registry.recorder();
    for number in 0..SERIES {
        let series = recorder.series("GET", &format!("/items/{number}"));
        recorder.record(series, Sample::ok(Duration::ZERO));
    }
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, SERIES);
    let posts = server.posts();
    assert!(posts.iter().any(|post| post.status == Some(413)), "{} bodies", posts.len());
    let stored = posts.into_iter().filter(|post| post.status == Some(204)).map(|post| post.body);
    assert_eq!(sums(&stored.collect::<Vec<_>>()).requests, SERIES);
}

/// If the server cannot store the points of one series, only the requests of this series are dropped.
pub fn only_the_series_that_the_server_cannot_take_is_dropped<R: Runtime>() {
    let server = HttpServer::start(|post, _| HttpReply::Status(if post.body.contains("/orders") { 500 } else { 204 }));
    let (exporters, mut engine) = exporters::<R>();
    let interval = Duration::from_millis(500);
    exporters.start_influxdb_sink(to(&server).interval(interval)).expect("a sink");
    engine.record(100);
    wait_until(|| exporters.status()[0].account.held == 0);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert_eq!((account.sent, account.dropped.get(DropReason::Refused)), (67, 33), "{account:?}");
    let stored = server.posts().into_iter().filter(|post| post.status == Some(204)).map(|post| post.body);
    let stored: BTreeSet<_> = stored.flat_map(|body| lines(&body).map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(stored.iter().any(|line| line.contains("/items")), "{stored:?}");
}

/// A silent server does not delay a stop beyond its deadline, and every request is accounted for.
pub fn a_silent_server_leaves_intervals_unconfirmed<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Silence);
    let settings = settings(64).stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let mut engine = TestEngine::new(settings.registry);
    exporters.start_influxdb_sink(to(&server).timeout(Duration::from_secs(60))).expect("a sink");
    engine.record(50);
    wait_until(|| server.posts().len() == 1);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 50);
    assert_eq!((account.sent, account.dropped.get(DropReason::Unconfirmed)), (0, 50), "{account:?}");
}

/// The engine's gauges are points of their own in both modes. The last ones have the values at the stop.
pub fn gauges_are_shown_in_both_modes<R: Runtime>() {
    for aggregate in [false, true] {
        let receiver = DatagramReceiver::start();
        let server = HttpServer::start(|_, _| HttpReply::Status(204));
        for target in [
            InfluxdbTarget::from(InfluxdbUdp::new("127.0.0.1", receiver.address.port())),
            InfluxdbUrl::new(format!("http://{}/write", server.address)).into(),
        ] {
            let settings = settings(8);
            let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
            let users = settings.registry.gauge("active_users").expect("a good name");
            users.set(1.0);
            let constant_labels = [("run", "7")];
            // Only the stop ends an interval.
            let interval = Duration::from_secs(3_600);
            let config = InfluxdbConfig::default()
                .target(target)
                .constant_labels(constant_labels)
                .aggregate(aggregate)
                .interval(interval);
            exporters.start_influxdb_sink(config).expect("a sink");
            users.set(2.5);
            exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        }
        let bodies = receiver.finish().into_iter().chain(server.posts().into_iter().map(|post| post.body));
        let bodies: Vec<_> = bodies.collect();
        assert_eq!(bodies.len(), 2, "{bodies:?}");
        for body in bodies {
            assert!(body.starts_with("loaddensity_request_gauges,run=7 active_users=2.5 1"), "{body}");
        }
    }
}

/// In both modes, compressed bodies have the right header and the same content. If they are too large, they are split
/// by points.
pub fn bodies_are_compressed<R: Runtime>() {
    for aggregate in [false, true] {
        let server =
            HttpServer::start(|post, _| HttpReply::Status(if post.body.lines().count() > 20 { 413 } else { 204 }));
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_influxdb_sink(to(&server).gzip(true).aggregate(aggregate)).expect("a sink");
        engine.record(100);
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 100);
        let posts = server.posts();
        assert!(posts.iter().all(|post| post.header("content-encoding") == Some("gzip")));
        let stored = posts.iter().filter(|post| post.status == Some(204)).flat_map(|post| post.body.lines());
        let lines = stored.filter(|line| line.starts_with("loaddensity_request")).count();
        assert_eq!(lines, if aggregate { 3 } else { 100 });
    }
}

/// Constant tags, and the status code as a tag, are on every line of a request, sorted by their keys.
pub fn constant_tags_are_on_every_line<R: Runtime>() {
    let receiver = DatagramReceiver::start();
    let (exporters, mut engine) = exporters::<R>();
    let target = InfluxdbUdp::new("127.0.0.1", receiver.address.port());
    let constant_labels = [("run", "a,b")];
    let config = InfluxdbConfig::default().target(target).constant_labels(constant_labels).status_code(StatusCode::Tag);
    exporters.start_influxdb_sink(config).expect("a socket");
    engine.record(100);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    let datagrams = receiver.finish();
    let all: Vec<_> = datagrams.iter().flat_map(|datagram| lines(datagram)).collect();
    assert_eq!(all.len(), 100);
    for line in all {
        let failed = line.contains(",outcome=failure,run=a\\,b,status_code=503 response_time_ms=");
        assert!(failed || line.contains(",outcome=success,run=a\\,b,status_code=200 response_time_ms="), "{line}");
    }
}

/// Settings that do not go together are refused at the start, and the error names the alternative.
pub fn settings_that_contradict_each_other_are_refused<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let tag = |key: &str| Labels::from([(key, "x")]);
    for (config, field, says) in [
        (InfluxdbConfig::default().precision(Precision::Millisecond), "precision", "points per interval"),
        (InfluxdbConfig::default().gzip(true), "gzip", "over HTTP"),
        (per_interval().precision(Precision::Second), "interval", "finer precision"),
        (per_interval().status_code(StatusCode::Both), "status_code", "points per request"),
        (per_interval().constant_labels(tag("requests")), "constant_labels", "choose another"),
        (InfluxdbConfig::default().constant_labels(tag("outcome")), "constant_labels", "another"),
        (InfluxdbConfig::default().constant_labels(tag("9")), "constant_labels", "letter"),
    ] {
        let error = exporters.start_influxdb_sink(config).expect_err(field);
        assert!(matches!(&error, StartError::Setting { field: found, .. } if *found == field), "{error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(exporters.status().is_empty());
}

fn per_interval() -> InfluxdbConfig {
    InfluxdbConfig::default().aggregate(true).interval(Duration::from_millis(20))
}

fn to(server: &HttpServer) -> InfluxdbConfig {
    let url = format!("http://{}/write", server.address);
    per_interval().target(InfluxdbUrl::new(url))
}

/// Adds up the points. No two of them may have the same series and time.
fn sums(bodies: &[String]) -> LoadSums {
    let mut sums = LoadSums::default();
    let mut seen = BTreeSet::new();
    for line in bodies.iter().flat_map(|body| lines(body)) {
        // Split from the end: tag values may contain escaped spaces, fields contain none.
        let mut parts = line.rsplitn(3, ' ');
        let time = parts.next().expect(line);
        let (fields, key) = (parts.next().expect(line), parts.next().expect(line));
        assert!(key.starts_with("loaddensity_request_interval,method=") && !key.contains("outcome="), "{line}");
        assert!(seen.insert((key.to_owned(), time.to_owned())), "a point that overwrites another: {line}");
        let field = |name: &str| {
            let fields = fields.split(',').filter_map(|field| field.split_once('='));
            let (_, value) = fields.into_iter().find(|(key, _)| *key == name).expect(line);
            value.trim_end_matches('i').parse::<f64>().expect(line)
        };
        let steps = ["min", "p50", "p95", "p99", "max"].map(|name| field(&format!("response_time_ms_{name}")));
        assert!(steps.is_sorted(), "{line}");
        sums.requests += field("requests") as u64;
        sums.failures += field("failures") as u64;
        sums.latency_ms += field("response_time_ms_sum");
        sums.bytes += field("response_length_sum") as u64;
    }
    sums
}
