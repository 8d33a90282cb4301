//! A DogStatsD sink with several sockets, with receivers of the standard library.

use std::path::PathBuf;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{StatsdConfig, StatsdSocket};

use super::agent::Agent;
use super::collector::PacketCollector;
use super::load::{assert_all_sent, exporters, wait_until};
use super::receiver::{DatagramReceiver, lines};
use super::statsd_interval::sums;
use super::{Capability, Folder, lacks};

/// Every message arrives once, and some come from each port, however messages are packed and handed to the kernel.
pub fn each_socket_sends_a_part_over_udp<R: Runtime>() {
    let contract = StatsdConfig::default;
    let aggregation_interval = Duration::from_millis(5);
    for config in [
        contract(),
        contract().segmentation_offload(false),
        contract().packed(true),
        contract().packed(true).segmentation_offload(false),
        contract().aggregate(true).aggregation_interval(aggregation_interval),
    ] {
        for sockets in [1, 2, 5] {
            let receiver = DatagramReceiver::start();
            let (exporters, mut engine) = exporters::<R>();
            let port = receiver.address.port();
            exporters.start_statsd_sink(config.clone().port(port).sockets(sockets)).expect("sockets");
            // Each round takes at least one call, so that every socket has its turn. The rounds let the receiver keep
            // up: its socket has room for the datagrams of one round, but not for those of all rounds.
            for round in 1..=2 * sockets as u64 {
                engine.record(50);
                wait_until(|| exporters.status()[0].account.sent == round * 50);
                receiver.wait_for(|datagrams| sizes(datagrams) == round as usize * 50);
            }
            assert_all_sent(
                &exporters.stop_statsd_sink().expect("a stop").expect("it was running"),
                100 * sockets as u64,
            );
            let (datagrams, senders) = receiver.finish_with_senders();
            assert_eq!(senders.len(), sockets, "{config:?}");
            assert_eq!(sums(&datagrams, ["ms", "h"]).0, engine.sums, "{config:?}");
        }
    }
}

/// Packets go over all connections in turn. All packets of an interval go over one of them.
pub fn each_connection_sends_a_part_over_a_unix_stream<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    for aggregate in [false, true] {
        let folder = Folder::new();
        let collector = PacketCollector::of_streams(&folder.socket());
        let (exporters, mut engine) = exporters::<R>();
        // So small that an interval takes several packets.
        let config = to(StatsdSocket::Unix, &folder).sockets(3).aggregate(aggregate).datagram_bytes(300);
        exporters.start_statsd_sink(config).expect("connections");
        engine.record(200);
        assert_all_sent(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 200);
        let connections = collector.finish();
        let packets: Vec<_> = connections.iter().map(Vec::len).collect();
        // With aggregates, all packets of an interval go over the same connection.
        let least = if aggregate { 1 } else { 3 };
        assert!(packets.len() >= least && !packets.contains(&0), "{packets:?}");
        assert_eq!(sums(&connections.concat(), ["ms", "h"]).0, engine.sums);
    }
}

/// Datagrams of several sockets arrive at the same receiver. None is lost or sent twice.
pub fn several_sockets_send_unix_datagrams<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let folder = Folder::new();
    let collector = PacketCollector::of_datagrams(&folder.socket());
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_statsd_sink(to(StatsdSocket::Unix, &folder).sockets(3)).expect("connections");
    engine.record(200);
    assert_all_sent(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 200);
    assert_eq!(sums(&collector.finish().concat(), ["ms", "h"]).0, engine.sums);
}

/// After an Agent restarts, each connection is made again, and the messages that waited arrive.
pub fn each_closed_connection_is_replaced<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let folder = Folder::new();
    let agent = || Agent::of_streams(&folder.socket(), 2, 150);
    let first = agent();
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_statsd_sink(to(StatsdSocket::UnixStream, &folder).sockets(2)).expect("a socket");
    engine.record(50);
    let mut packets = first.packets();

    engine.record(50);
    wait_until(|| exporters.status()[0].last_error.is_some());
    // The outcome of the last call is known a moment later.
    wait_until(|| {
        let account = exporters.status()[0].account;
        (account.recorded, account.sent, account.held) == (100, 50, 50)
    });

    packets.extend(agent().packets());
    assert_eq!(sums(&packets, ["ms", "h"]).0, engine.sums);
    wait_until(|| exporters.status()[0].last_error.is_none());
    assert_eq!(exporters.status()[0].reconnects, 2);
    assert_all_sent(&exporters.stop_statsd_sink().expect("a stop").expect("it was running"), 100);
}

/// How many messages with a size have arrived. Each request has one.
fn sizes(datagrams: &[String]) -> usize {
    let lines = datagrams.iter().flat_map(|datagram| lines(datagram));
    let values = lines.filter_map(|line| line.strip_prefix("loaddensity.response.size:")?.split('|').next());
    values.map(|values| values.split(':').count()).sum()
}

fn to(socket: fn(PathBuf) -> StatsdSocket, folder: &Folder) -> StatsdConfig {
    StatsdConfig::default().socket(socket(folder.socket()))
}
