//! Exporters whose host name gets an address, or a different one.

use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    AsyncExporters, BatchLimits, DropReason, Exporter, InfluxdbConfig, InfluxdbUdp, InfluxdbUrl, StatsdConfig,
};

use super::http_server::{HttpReply, HttpServer};
use super::load::{TestEngine, assert_all_sent, assert_settled, settings};
use super::receiver::{DatagramReceiver, lines};
use super::staged::{Staged, StagedSockets};
use super::{run, until};

/// Messages per request of DogStatsD.
const MESSAGES: usize = 3;

/// After a name was resolved again, messages go to its new address, and none is lost.
pub fn a_host_whose_address_changes_is_followed<R: Runtime>() {
    run(|inner: R| async move {
        let (old, new) = (DatagramReceiver::start(), DatagramReceiver::start());
        let (runtime, exporters, mut engine) = staged(inner, &[old.address]);
        exporters.start_statsd_sink(statsd(Duration::from_millis(5))).await.expect("a socket");
        engine.record(10);
        until(&runtime, || old.has(|datagrams| datagrams.len() == 10 * MESSAGES)).await;

        runtime.stage().addresses = vec![new.address];
        while new.has(<[String]>::is_empty) {
            engine.record(1);
            runtime.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(exporters.status().await[0].reconnects, 1);
        let account = exporters.stop_statsd_sink().await.expect("a stop").expect("it was running");
        assert_all_sent(&account, engine.sums.requests);
        let (old, new) = (old.finish(), new.finish());
        assert_eq!(old.len() + new.len(), MESSAGES * engine.sums.requests as usize);
    });
}

/// The sink keeps its address while it is one of several addresses of the name, and while the name has none.
pub fn a_host_that_keeps_its_address_keeps_its_socket<R: Runtime>() {
    run(|inner: R| async move {
        let (used, other) = (DatagramReceiver::start(), DatagramReceiver::start());
        let (runtime, exporters, mut engine) = staged(inner, &[used.address, other.address]);
        exporters.start_statsd_sink(statsd(Duration::from_millis(5))).await.expect("a socket");
        // A start does not wait for the name's first address.
        engine.record(1);
        until(&runtime, || used.has(|datagrams| datagrams.len() == MESSAGES)).await;
        for addresses in [vec![other.address, used.address], Vec::new()] {
            let before = runtime.stage().resolutions;
            runtime.stage().addresses = addresses;
            // The sink has two sockets. After six resolutions each was checked at least twice, so the first check is
            // done.
            until(&runtime, || runtime.stage().resolutions >= before + 6).await;
            engine.record(10);
            let expected = MESSAGES * engine.sums.requests as usize;
            until(&runtime, || used.has(|datagrams| datagrams.len() == expected)).await;
        }
        assert_eq!(exporters.status().await[0].reconnects, 0);
        let account = exporters.stop_statsd_sink().await.expect("a stop").expect("it was running");
        assert_all_sent(&account, engine.sums.requests);
        assert!(other.finish().is_empty());
    });
}

/// If nobody listens any more, the name is resolved before its time.
pub fn a_refusal_makes_a_sink_resolve_the_name_early<R: Runtime>() {
    run(|inner: R| async move {
        let (old, new) = (DatagramReceiver::start(), DatagramReceiver::start());
        let (runtime, exporters, mut engine) = staged(inner, &[old.address]);
        exporters.start_statsd_sink(statsd(Duration::from_secs(86_400))).await.expect("a socket");
        engine.record(1);
        until(&runtime, || old.has(|datagrams| datagrams.len() == MESSAGES)).await;
        runtime.stage().addresses = vec![new.address];
        old.finish();
        while new.has(<[String]>::is_empty) {
            engine.record(1);
            runtime.sleep(Duration::from_millis(5)).await;
        }
        let account = exporters.stop_statsd_sink().await.expect("a stop").expect("it was running");
        assert_settled(&account, engine.sums.requests);
        // A refused datagram has not arrived.
        let refused = account.dropped.get(DropReason::Unconfirmed);
        assert!(refused != 0 && account.sent + refused == account.recorded, "{account:?}");
    });
}

/// The same for InfluxDB's lines.
pub fn influxdb_over_udp_follows_its_host<R: Runtime>() {
    run(|inner: R| async move {
        let (old, new) = (DatagramReceiver::start(), DatagramReceiver::start());
        let (runtime, exporters, mut engine) = staged(inner, &[old.address]);
        let target = InfluxdbUdp::new("influxdb.staged", 8_089);
        let resolve_interval = Some(Duration::from_millis(5));
        let config = InfluxdbConfig::default().target(target).resolve_interval(resolve_interval);
        exporters.start_influxdb_sink(config).await.expect("a socket");
        runtime.stage().addresses = vec![new.address];
        while new.has(<[String]>::is_empty) {
            engine.record(1);
            runtime.sleep(Duration::from_millis(1)).await;
        }
        let account = exporters.stop_influxdb_sink().await.expect("a stop").expect("it was running");
        assert_eq!(account.exporter, Exporter::Influxdb);
        assert_all_sent(&account, engine.sums.requests);
        let datagrams = [old.finish(), new.finish()].concat();
        assert_eq!(datagrams.iter().flat_map(|datagram| lines(datagram)).count() as u64, engine.sums.requests);
    });
}

/// A name without an address does not make the start fail. It is resolved again, and what was recorded arrives.
pub fn influxdb_waits_until_its_host_name_resolves<R: Runtime>() {
    run(|inner: R| async move {
        let server = HttpServer::start(|_, _| HttpReply::Status(204));
        let (runtime, exporters, mut engine) = staged(inner, &[]);
        let target = InfluxdbUrl::new("http://influxdb.staged/write");
        let batch = BatchLimits::default().age(Duration::from_millis(10));
        let config = InfluxdbConfig::default().target(target).batch(batch);
        exporters.start_influxdb_sink(config).await.expect("the name need not be there yet");
        engine.record(30);
        until(&runtime, || runtime.stage().resolutions >= 2).await;
        let state = exporters.status().await.remove(0);
        let says = state.last_error.clone().unwrap_or_default();
        assert!(says.contains("no address for host \"influxdb.staged\""), "{state:?}");
        assert_eq!((state.account.held, state.account.sent), (30, 0), "{state:?}");
        runtime.stage().addresses = vec![server.address];
        let account = loop {
            let state = exporters.status().await.remove(0);
            if state.account.sent == 30 {
                break exporters.stop_influxdb_sink().await.expect("a stop").expect("it was running");
            }
            runtime.sleep(Duration::from_millis(5)).await;
        };
        assert_all_sent(&account, 30);
    });
}

fn statsd(resolve_interval: Duration) -> StatsdConfig {
    let resolve_interval = Some(resolve_interval);
    StatsdConfig::default().host("agent.staged").resolve_interval(resolve_interval)
}

/// A runtime on which names have these addresses, exporters on this runtime, and an engine.
fn staged<R: Runtime>(inner: R, addresses: &[SocketAddr]) -> (Staged<R>, AsyncExporters<Staged<R>>, TestEngine) {
    let runtime = Staged::new(inner, StagedSockets { addresses: addresses.to_vec(), ..StagedSockets::default() });
    let settings = settings(64);
    let exporters = AsyncExporters::start_on(runtime.clone(), settings).expect("a fresh storage is free");
    (runtime, exporters, TestEngine::new(settings.registry))
}
