//! The DogStatsD sink over Unix sockets, with receivers of the standard library.

use std::fs;
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, DropReason, Exporters, StatsdConfig, StatsdSocket};

use super::agent::Agent;
use super::collector::PacketCollector;
use super::load::{assert_all_sent, assert_settled, exporters, wait_until};
use super::own_instruments::{OBSERVATIONS, ended, observing};
use super::statsd::sums;
use super::{Capability, Folder, lacks, statsd_instruments, statsd_interval};

/// How an Agent listens, and the socket setting of the sink.
type Listening = (fn(&Path, usize) -> Agent, fn(PathBuf) -> StatsdSocket);

const DATAGRAMS: Listening = (Agent::of_datagrams, StatsdSocket::UnixDatagram);
const STREAM: Listening = (Agent::of_a_stream, StatsdSocket::UnixStream);

/// Datagrams and streams. If the setting says neither, the sink finds out which one it is.
pub fn messages_arrive_over_each_kind_of_socket<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let found_out = [(DATAGRAMS.0, StatsdSocket::Unix as fn(PathBuf) -> _), (STREAM.0, StatsdSocket::Unix)];
    for (agent, socket) in [DATAGRAMS, STREAM].into_iter().chain(found_out) {
        let folder = Folder::new();
        let agent = agent(&folder.socket(), 3_000);
        let (exporters, mut engine) = exporters::<R>();
        let config = StatsdConfig::default().socket(socket(folder.socket()));
        let address = config.socket.as_ref().map(ToString::to_string);
        exporters.start_statsd_sink(config).expect("a socket");
        assert_eq!(exporters.status().pop().map(|status| status.state()), address);
        for _ in 0..10 {
            engine.record(100);
        }
        let packets = agent.packets();
        assert!(packets.iter().all(|packet| !packet.contains('\n')), "one message each");
        assert_eq!(sums(&packets, "loaddensity"), engine.sums);
        assert_all_sent(&stop(&exporters), 1_000);
    }
}

/// Aggregates, gauges and telemetry. Telemetry counts what went over the same kind of socket.
pub fn aggregates_gauges_and_telemetry_arrive_over_each_kind_of_socket<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    for (collector, socket, transport) in [
        (PacketCollector::of_datagrams as fn(&Path) -> _, StatsdSocket::UnixDatagram as fn(PathBuf) -> _, "uds"),
        (PacketCollector::of_streams, StatsdSocket::UnixStream, "uds-stream"),
        (PacketCollector::of_datagrams, StatsdSocket::Unix, "uds"),
        (PacketCollector::of_streams, StatsdSocket::Unix, "uds"),
    ] {
        let folder = Folder::new();
        let collector = collector(&folder.socket());
        let (exporters, mut engine) = exporters::<R>();
        engine.set_gauge("active_users", 250.0);
        // Only the stop ends an interval.
        let never = Duration::from_secs(3_600);
        let (interval, aggregation_interval) = (never, never);
        let config = to(socket, &folder).aggregate(true).telemetry(true);
        exporters
            .start_statsd_sink(config.interval(interval).aggregation_interval(aggregation_interval))
            .expect("a socket");
        engine.record(1_000);
        assert_all_sent(&stop(&exporters), 1_000);

        let packets = collector.finish().concat();
        assert!(packets.iter().all(|packet| packet.len() <= 8_192));
        let (telemetry, others): (Vec<_>, Vec<_>) =
            packets.into_iter().partition(|packet| packet.starts_with("datadog."));
        let told = |metric| statsd_interval::told(&telemetry, transport, metric);
        let (gauges, requests): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|packet| packet.starts_with("loaddensity.active_users"));
        // The bytes of the gauges of the same interval are counted in the next one.
        let bytes: usize = requests.iter().map(String::len).sum();
        assert_eq!((told("metrics"), told("packets_sent")), (Some(3_001), Some(requests.len() as u64)));
        assert_eq!((told("bytes_sent"), told("packets_dropped")), (Some(bytes as u64), Some(0)));
        assert_eq!(gauges, ["loaddensity.active_users:250|g\n"]);
        assert_eq!(statsd_interval::sums(&requests, ["ms", "h"]).0, engine.sums);
    }
}

/// Instruments of the engine's own. Telemetry counts their packets and bytes: it leaves after the last of them.
pub fn own_instruments_arrive_over_each_kind_of_socket<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    for (collector, socket, transport) in [
        (PacketCollector::of_datagrams as fn(&Path) -> _, StatsdSocket::UnixDatagram as fn(PathBuf) -> _, "uds"),
        (PacketCollector::of_streams, StatsdSocket::UnixStream, "uds-stream"),
    ] {
        let folder = Folder::new();
        let collector = collector(&folder.socket());
        let (exporters, mut engine) = observing::<R>();
        // Only the stop ends an interval.
        let never = Duration::from_secs(3_600);
        let config = to(socket, &folder).packed(true).telemetry(true);
        exporters.start_statsd_sink(config.interval(never).instruments_interval(never)).expect("a socket");
        statsd_instruments::rounds(&mut engine, 500);
        assert_all_sent(&stop(&exporters), 0);
        assert_all_sent(&ended(&exporters), 500 * OBSERVATIONS);
        let packets = collector.finish().concat();
        let (telemetry, own): (Vec<_>, Vec<_>) = packets.into_iter().partition(|packet| packet.starts_with("datadog."));
        let told = |metric| statsd_interval::told(&telemetry, transport, metric);
        let bytes: usize = own.iter().map(String::len).sum();
        assert_eq!((told("packets_sent"), told("bytes_sent")), (Some(own.len() as u64), Some(bytes as u64)));
        // Five gauges of the timer and each series, and of the histogram of the run.
        assert_eq!(statsd_instruments::own_sums(&own), (statsd_instruments::expected(500), 3 * 5));
    }
}

/// Packed without a given size: packets have up to 8,192 bytes.
pub fn packets_are_as_large_as_the_agent_reads<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    for (agent, socket) in [DATAGRAMS, STREAM] {
        let folder = Folder::new();
        let agent = agent(&folder.socket(), 3_000);
        let (exporters, mut engine) = exporters::<R>();
        let config = to(socket, &folder).packed(true);
        exporters.start_statsd_sink(config).expect("a socket");
        engine.record(1_000);
        let packets = agent.packets();
        assert!(packets.iter().all(|packet| packet.len() <= 8_192));
        assert!(packets.iter().any(|packet| packet.len() > 8_000), "none is as full as it can be");
        assert_eq!(sums(&packets, "loaddensity"), engine.sums);
        assert_all_sent(&stop(&exporters), 1_000);
    }
}

/// What is recorded while no Agent runs waits. The next Agent gets all of it once.
pub fn an_agent_that_restarts_gets_what_has_waited<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    for ((agent, socket), packed) in [(DATAGRAMS, false), (STREAM, false), (DATAGRAMS, true), (STREAM, true)] {
        let folder = Folder::new();
        let first = agent(&folder.socket(), 150);
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_statsd_sink(to(socket, &folder).packed(packed)).expect("a socket");
        engine.record(50);
        let mut packets = first.packets();

        engine.record(50);
        wait_until(|| exporters.status()[0].last_error.is_some());
        let account = exporters.status()[0].account;
        assert_eq!((account.recorded, account.sent, account.held), (100, 50, 50), "{account:?}");
        assert!(account.balanced());

        packets.extend(agent(&folder.socket(), 150).packets());
        assert_eq!(sums(&packets, "loaddensity"), engine.sums);
        wait_until(|| exporters.status()[0].last_error.is_none());
        assert_eq!(exporters.status()[0].reconnects, 1);
        assert_all_sent(&stop(&exporters), 100);
    }
}

/// An Agent that comes again with datagrams where it had a stream gets the packet that was begun over the stream too.
pub fn a_packet_that_a_stream_did_not_take_goes_out_as_a_datagram<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).expect("a free path");
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_statsd_sink(to(StatsdSocket::Unix, &folder)).expect("a socket");
    // It takes nothing: the first packet breaks off before its first byte.
    listener.accept().expect("the sink").0.shutdown(Shutdown::Read).expect("a connection");
    drop(listener);
    fs::remove_file(folder.socket()).expect("the socket's file");
    engine.record(50);
    wait_until(|| exporters.status()[0].last_error.is_some());

    let packets = Agent::of_datagrams(&folder.socket(), 150).packets();
    assert_eq!(sums(&packets, "loaddensity"), engine.sums);
    assert_all_sent(&stop(&exporters), 50);
}

/// No Agent runs at any time. What does not fit into the buffer is dropped, and the rest is dropped at the stop, which
/// does not wait.
pub fn a_missing_agent_changes_no_sum<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    for (_, socket) in [DATAGRAMS, STREAM] {
        let folder = Folder::new();
        let (exporters, mut engine) = exporters::<R>();
        let config = to(socket, &folder).buffer_events(10);
        exporters.start_statsd_sink(config).expect("nobody needs to be there yet");
        wait_until(|| exporters.status()[0].last_error.is_some());
        engine.record(50);
        let account = stop(&exporters);
        assert_settled(&account, 50);
        let dropped = [DropReason::BufferFull, DropReason::Unreachable].map(|cause| account.dropped.get(cause));
        assert_eq!((account.sent, dropped), (0, [40, 10]));
    }
}

/// An Agent that does not read does not delay a stop beyond its deadline.
pub fn a_stop_does_not_wait_for_an_agent_that_does_not_read<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let (datagrams, streams) = (Folder::new(), Folder::new());
    let _datagrams = UnixDatagram::bind(datagrams.socket()).expect("a free path");
    let _streams = UnixListener::bind(streams.socket()).expect("a free path");
    for (folder, socket) in [(&datagrams, DATAGRAMS.1), (&streams, STREAM.1)] {
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_statsd_sink(to(socket, folder)).expect("a socket");
        engine.record(4_000);
        let account = exporters.shutdown(Duration::from_millis(50)).accounts[0];
        assert_settled(&account, 4_000);
        let [deadline, unconfirmed] =
            [DropReason::Deadline, DropReason::Unconfirmed].map(|cause| account.dropped.get(cause));
        assert!(deadline > 0, "{account:?}");
        // Of one request some messages may have left.
        assert!(unconfirmed <= 1, "{account:?}");
        assert_eq!(account.sent + deadline + unconfirmed, 4_000, "{account:?}");
    }
}

/// The socket is a stream although the setting says datagrams, and the other way round.
pub fn a_socket_of_another_kind_is_reported<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let (datagrams, streams) = (Folder::new(), Folder::new());
    let _datagrams = UnixDatagram::bind(datagrams.socket()).expect("a free path");
    let _streams = UnixListener::bind(streams.socket()).expect("a free path");
    for (folder, socket) in [(&datagrams, STREAM.1), (&streams, DATAGRAMS.1)] {
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_statsd_sink(to(socket, folder)).expect("the Agent may be made anew");
        engine.record(5);
        wait_until(|| exporters.status()[0].last_error.is_some());
        let error = exporters.status().remove(0).last_error.expect("an error");
        assert!(error.contains("wrong type"), "{error}");
        assert_eq!(stop(&exporters).dropped.get(DropReason::Unreachable), 5);
    }
}

fn to(socket: fn(PathBuf) -> StatsdSocket, folder: &Folder) -> StatsdConfig {
    StatsdConfig::default().socket(socket(folder.socket()))
}

fn stop<R: Runtime>(exporters: &Exporters<R>) -> Account {
    exporters.stop_statsd_sink().expect("a stop").expect("it was running")
}
