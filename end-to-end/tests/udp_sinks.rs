//! DogStatsD and InfluxDB over UDP.

mod support;

use std::net::UdpSocket;
use std::time::Duration;

use loaddensity_metrics_tokio::{Account, DropReason, Exporters, InfluxdbConfig, InfluxdbUdp, StatsdConfig};
use loaddensity_metrics_vectors::{dogstatsd, influx};
use support::{PATIENCE, assert_settled, exporters, record, wait_until};

/// So few requests that even a burst of all their messages fits into the usual buffer of a socket.
const REQUESTS: u64 = 60;

fn receiver() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let port = socket.local_addr().expect("bound").port();
    (socket, port)
}

/// Receives datagrams until they contain `items` items, as `count` counts them.
fn receive(socket: &UdpSocket, items: usize, count: impl Fn(&[u8]) -> usize) -> Vec<Vec<u8>> {
    let mut buffer = vec![0; 65_536];
    let (mut datagrams, mut seen) = (Vec::new(), 0);
    while seen < items {
        let length = socket.recv(&mut buffer).expect("more datagrams");
        seen += count(&buffer[..length]);
        datagrams.push(buffer[..length].to_vec());
    }
    assert_eq!(seen, items);
    datagrams
}

fn messages(datagram: &[u8]) -> usize {
    dogstatsd::parse(datagram).expect("DogStatsD").len()
}

fn stop_statsd(exporters: &Exporters) -> Account {
    let account = exporters.stop_statsd_sink().expect("stops").expect("it ran");
    assert_settled(&account);
    account
}

#[test]
fn each_dogstatsd_message_is_a_datagram_of_its_own() {
    let (socket, port) = receiver();
    let exporters = exporters();
    exporters.start_statsd_sink(StatsdConfig::default().port(port).prefix("load.")).expect("starts");
    record(&mut exporters.recorder(), REQUESTS);
    let datagrams = receive(&socket, 3 * REQUESTS as usize, messages);
    assert_eq!(datagrams.len(), 3 * REQUESTS as usize);
    let is = |text: &str| datagrams.iter().filter(|datagram| **datagram == text.as_bytes()).count();
    assert_eq!(is("load.requests:1|c|#method:GET,name:/items,outcome:failure"), REQUESTS as usize / 10);
    assert_eq!(is("load.request.latency:7.9|ms|#method:GET,name:/items,outcome:success"), REQUESTS as usize * 9 / 10);
    let account = stop_statsd(&exporters);
    assert_eq!((account.recorded, account.sent), (REQUESTS, REQUESTS));
}

#[test]
fn packing_puts_whole_messages_into_datagrams_of_the_given_size() {
    let (socket, port) = receiver();
    let exporters = exporters();
    let config = StatsdConfig::default().port(port).datagram_bytes(300);
    exporters.start_statsd_sink(config).expect("starts");
    record(&mut exporters.recorder(), REQUESTS);
    let datagrams = receive(&socket, 3 * REQUESTS as usize, messages);
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 300));
    assert!(datagrams.len() < 2 * REQUESTS as usize, "{} datagrams", datagrams.len());
    assert_eq!(stop_statsd(&exporters).sent, REQUESTS);
}

#[test]
fn a_message_that_no_datagram_holds_is_dropped_as_too_large() {
    let (_socket, port) = receiver();
    let exporters = exporters();
    let config = StatsdConfig::default().port(port).datagram_bytes(20);
    exporters.start_statsd_sink(config).expect("starts");
    record(&mut exporters.recorder(), 7);
    assert_eq!(stop_statsd(&exporters).dropped.get(DropReason::TooLarge), 7);
}

#[test]
fn a_stop_sends_what_was_recorded_and_a_start_counts_from_zero() {
    let (socket, port) = receiver();
    let exporters = exporters();
    let config = StatsdConfig::default().port(port);
    let mut recorder = exporters.recorder();
    record(&mut recorder, 5);
    for round in 1..=3 {
        exporters.start_statsd_sink(config.clone()).expect("starts");
        exporters.start_statsd_sink(config.clone()).expect("does nothing");
        record(&mut recorder, round);
        let account = stop_statsd(&exporters);
        assert_eq!((account.recorded, account.sent), (round, round));
        receive(&socket, 3 * round as usize, messages);
        record(&mut recorder, 10);
    }
}

#[test]
fn a_closed_port_is_reported_and_refused_datagrams_are_unconfirmed() {
    let (socket, port) = receiver();
    drop(socket);
    let exporters = exporters();
    exporters.start_statsd_sink(StatsdConfig::default().port(port)).expect("starts");
    let mut recorder = exporters.recorder();
    wait_until("the refusal is seen", || {
        record(&mut recorder, 1);
        exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains("nothing listens"))
    });
    let status = exporters.status().remove(0);
    assert!(status.state().contains(&format!("udp://127.0.0.1:{port}: nothing listens")), "{}", status.state());
    let account = stop_statsd(&exporters);
    assert!(account.dropped.get(DropReason::Unconfirmed) != 0 && account.sent == 0, "{account:?}");
    assert!(account.balanced() && account.held == 0, "{account:?}");
}

#[test]
fn influxdb_lines_are_packed_into_datagrams() {
    let (socket, port) = receiver();
    let exporters = exporters();
    let target = InfluxdbUdp::new("localhost", port);
    exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).expect("starts");
    record(&mut exporters.recorder(), REQUESTS);
    let lines = |datagram: &[u8]| influx::parse(datagram).expect("line protocol").len();
    let datagrams = receive(&socket, REQUESTS as usize, lines);
    assert!(datagrams.iter().all(|datagram| datagram.len() <= 1_400));
    assert!(datagrams.len() < REQUESTS as usize / 2, "{} datagrams", datagrams.len());
    let points: Vec<_> =
        datagrams.iter().flat_map(|datagram| influx::parse(datagram).expect("line protocol")).collect();
    let mut times: Vec<_> = points.iter().map(|point| point.timestamp.expect("a timestamp")).collect();
    times.sort_unstable();
    times.dedup();
    assert_eq!(times.len(), REQUESTS as usize, "every point has a timestamp of its own");
    let account = exporters.stop_influxdb_sink().expect("stops").expect("ran");
    assert_settled(&account);
    assert_eq!(account.sent, REQUESTS);
}

#[test]
fn both_sinks_send_every_request_and_have_separate_accounts() {
    let ((statsd, statsd_port), (influxdb, influxdb_port)) = (receiver(), receiver());
    let exporters = exporters();
    exporters.start_statsd_sink(StatsdConfig::default().port(statsd_port)).expect("starts");
    let mut recorder = exporters.recorder();
    record(&mut recorder, 10);
    let target = InfluxdbUdp::new("127.0.0.1", influxdb_port);
    exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).expect("starts");
    record(&mut recorder, 20);
    let report = exporters.shutdown(Duration::from_secs(5));
    let sent: Vec<_> = report.accounts.iter().map(|account| (account.recorded, account.sent)).collect();
    assert_eq!(sent, [(20, 20), (30, 30)]);
    receive(&statsd, 90, messages);
    receive(&influxdb, 20, |datagram| influx::parse(datagram).expect("line protocol").len());
}
