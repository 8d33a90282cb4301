//! The DogStatsD sink over Unix sockets that break, or are full, at chosen moments.

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, AsyncExporters, DropReason, StatsdConfig, StatsdSocket};

use super::load::{LoadSums, TestEngine, assert_settled, settings};
use super::run;
use super::staged::{Staged, StagedSockets};
use super::statsd::sums;

/// A stream breaks in the middle of a packet, in the middle of its length, or between two packets. The packet that was
/// cut is sent again on the next stream, so that each message arrives whole exactly once.
pub fn a_packet_that_was_cut_off_is_sent_whole_again<R: Runtime>() {
    for packed in [false, true] {
        let budgets = [10, 150, 0, 3, 1_003, 90].into();
        let stage = StagedSockets { budgets, ..StagedSockets::default() };
        let socket = StatsdSocket::UnixStream("/staged".into());
        let config = StatsdConfig::default().socket(socket).packed(packed).datagram_bytes(packed.then_some(300));
        let (account, expected, stage) = recorded::<R>(stage, config, 40);
        assert_settled(&account, 40);
        assert_eq!(account.sent, 40, "{account:?}");
        assert_eq!(stage.streams.len(), 7);
        let packets: Vec<_> = stage.streams.iter().flat_map(|stream| whole_packets(stream)).collect();
        assert_eq!(sums(&packets, "loaddensity"), expected);
    }
}

/// If the system has no buffers left, the sink tries again over the same socket. Nothing is lost.
pub fn a_system_without_buffers_is_asked_again<R: Runtime>() {
    let stage = StagedSockets { errors: [libc::ENOBUFS; 3].into(), ..StagedSockets::default() };
    let (account, expected, stage) = recorded::<R>(stage, datagrams(), 40);
    assert_settled(&account, 40);
    assert_eq!((account.sent, stage.connections), (40, 1), "{account:?}");
    assert_eq!(sums(&stage.datagrams, "loaddensity"), expected);
}

/// A socket that fails is replaced, and the same datagram is sent through the new one.
pub fn a_failed_socket_is_replaced<R: Runtime>() {
    let stage = StagedSockets { errors: [libc::ECONNREFUSED, libc::ENOTCONN].into(), ..StagedSockets::default() };
    let (account, expected, stage) = recorded::<R>(stage, datagrams(), 40);
    assert_settled(&account, 40);
    assert_eq!((account.sent, stage.connections), (40, 3), "{account:?}");
    assert_eq!(sums(&stage.datagrams, "loaddensity"), expected);
}

/// Only the datagram that the system refuses as too long is dropped.
pub fn a_packet_that_is_too_long_is_dropped<R: Runtime>() {
    let stage = StagedSockets { too_long: Some("name:/orders"), ..StagedSockets::default() };
    let (account, _, stage) = recorded::<R>(stage, datagrams(), 30);
    assert_settled(&account, 30);
    assert_eq!((account.sent, account.dropped.get(DropReason::TooLarge)), (20, 10), "{account:?}");
    assert_eq!((stage.datagrams.len(), stage.connections), (60, 1));
}

fn datagrams() -> StatsdConfig {
    StatsdConfig::default().socket(StatsdSocket::UnixDatagram("/staged".into()))
}

/// Records `requests`, one after another, and stops. Returns the account, what was recorded, and what the sockets took.
fn recorded<R: Runtime>(
    stage: StagedSockets,
    config: StatsdConfig,
    requests: u64,
) -> (Account, LoadSums, StagedSockets) {
    run(|inner: R| async move {
        let runtime = Staged::new(inner, stage);
        let settings = settings(64);
        let exporters = AsyncExporters::start_on(runtime.clone(), settings).expect("a fresh storage is free");
        let mut engine = TestEngine::new(settings.registry);
        exporters.start_statsd_sink(config).await.expect("a socket");
        engine.record(requests);
        super::until(&runtime, || settings.registry.account(loaddensity_metrics_shell::Exporter::Statsd).held == 0)
            .await;
        let account = exporters.stop_statsd_sink().await.expect("a stop").expect("it was running");
        (account, engine.sums, std::mem::take(&mut *runtime.stage()))
    })
}

/// The packets of a stream that arrived whole; only the last can be cut.
fn whole_packets(mut stream: &[u8]) -> Vec<String> {
    let mut packets = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk::<4>()
        && let Some((packet, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)
    {
        packets.push(str::from_utf8(packet).expect("UTF-8").to_owned());
        stream = rest;
    }
    packets
}
