//! A process that stands still while its exporters stop, as on a machine that sleeps. In a process of its own: it is frozen
//! whole.
#![cfg(unix)]

use std::process::{self, Command};
use std::time::Duration;

use loaddensity_metrics_end_to_end::http_server::{HttpReply, HttpServer};
use loaddensity_metrics_end_to_end::load::{TestEngine, assert_settled, settings, wait_until};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{BatchLimits, DropReason, Exporters, InfluxdbConfig, InfluxdbUrl};
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

#[test]
fn what_may_have_arrived_is_unconfirmed_after_a_freeze_too() {
    stop_frozen::<Tokio>();
    stop_frozen::<Smol>();
}

/// The body has arrived, nothing was answered, and the deadline passes while nothing runs.
fn stop_frozen<R: Runtime>() {
    let server = HttpServer::start(|_, _| HttpReply::Silence);
    let settings = settings(64).stop_deadline(Duration::from_millis(300));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let target = InfluxdbUrl::new(format!("http://{}/write", server.address));
    let batch = BatchLimits::default().age(Duration::from_millis(20));
    let config = InfluxdbConfig::default().target(target).batch(batch).timeout(Duration::from_secs(3_600));
    exporters.start_influxdb_sink(config).expect("a sink");
    TestEngine::new(settings.registry).record(50);
    wait_until(|| server.posts().len() == 1);
    let commands = "sleep 0.1; kill -STOP $0; sleep 1; kill -CONT $0";
    let mut freezer = Command::new("sh").args(["-c", commands, &process::id().to_string()]).spawn().expect("a shell");
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert!(freezer.wait().expect("its end").success());
    assert_settled(&account, 50);
    assert_eq!(account.dropped.get(DropReason::Unconfirmed), 50, "{account:?}");
}
