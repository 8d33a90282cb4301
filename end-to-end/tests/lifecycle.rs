//! Starting, stopping and dropping the exporters as a whole.

mod support;

use std::time::Duration;

use loaddensity_metrics_tokio::{
    AsyncExporters, Exporter, Exporters, InfluxdbConfig, InfluxdbUrl, PrometheusConfig, Settings, StartError,
    StatsdConfig, StopError, Tokio,
};
use support::{assert_settled, exporters, record, registry};

fn any_port() -> PrometheusConfig {
    PrometheusConfig::default().port(0)
}

#[test]
fn one_storage_has_one_set_of_exporters_at_a_time() {
    let registry = registry(8, 1, 64);
    let first = Exporters::start(Settings::on(registry)).expect("free");
    assert!(matches!(Exporters::start(Settings::on(registry)), Err(StartError::StorageInUse)));
    first.shutdown(Duration::from_secs(1));
    let second = Exporters::start(Settings::on(registry)).expect("free again");
    drop(second);
    Exporters::start(Settings::on(registry)).expect("free again after a drop");
}

#[test]
fn the_report_has_every_exporter_that_ran_and_the_table_shows_it() {
    let exporters = exporters();
    exporters.start_prometheus_exporter(any_port()).expect("starts");
    exporters.start_statsd_sink(StatsdConfig::default().port(9)).expect("starts without a backend");
    record(&mut exporters.recorder(), 25);
    let stopped = exporters.stop_prometheus_exporter().expect("stops").expect("it ran");
    assert_settled(&stopped);
    assert_eq!((stopped.recorded, stopped.sent), (25, 0));
    assert!(exporters.stop_prometheus_exporter().expect("nothing to stop").is_none());
    let report = exporters.shutdown(Duration::from_secs(5));
    let ran: Vec<_> = report.accounts.iter().map(|account| (account.exporter, account.recorded)).collect();
    assert_eq!(ran, [(Exporter::Prometheus, 25), (Exporter::Statsd, 25)]);
    report.accounts.iter().for_each(assert_settled);
    let table = report.to_string();
    for part in ["exporter", "recorded", "prometheus", "unscraped 25", "statsd"] {
        assert!(table.contains(part), "{table} lacks {part:?}");
    }
}

#[test]
fn after_a_shutdown_every_handle_says_so() {
    let exporters = exporters();
    let handle = exporters.as_async().clone();
    exporters.start_prometheus_exporter(any_port()).expect("starts");
    exporters.shutdown(Duration::from_secs(5));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let started = handle.start_prometheus_exporter(any_port()).await;
        assert!(matches!(started, Err(StartError::ShutDown)), "{started:?}");
        assert!(matches!(handle.stop_statsd_sink().await, Err(StopError::ShutDown)));
        assert!(handle.status().await.is_empty());
        assert_eq!(handle.shutdown(Duration::ZERO).await.accounts.len(), 1);
    });
}

#[test]
fn dropping_the_exporters_flushes_them() {
    let registry = registry(8, 1, 1_024);
    let exporters = Exporters::start(Settings::on(registry)).expect("free");
    let receiver = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = receiver.local_addr().expect("bound").port();
    exporters.start_statsd_sink(StatsdConfig::default().port(port)).expect("starts");
    record(&mut exporters.recorder(), 20);
    drop(exporters);
    let account = registry.account(Exporter::Statsd);
    assert_settled(&account);
    assert_eq!((account.recorded, account.sent), (20, 20));
}

#[test]
fn exporters_run_on_the_callers_runtime_and_end_when_the_last_handle_is_gone() {
    let registry = registry(8, 1, 1_024);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let exporters =
            AsyncExporters::start_on(Tokio::current().expect("in tokio"), Settings::on(registry)).expect("free");
        let address = exporters.start_prometheus_exporter(any_port()).await.expect("starts");
        assert_eq!(exporters.start_prometheus_exporter(any_port()).await.expect("a no-op"), address);
        record(&mut exporters.recorder(), 3);
        let status = exporters.status().await;
        assert_eq!((status.len(), status[0].account.held), (1, 3));
        drop(exporters);
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let account = registry.account(Exporter::Prometheus);
    assert_eq!(account.recorded, 3);
}

/// Only on Linux are 127.0.0.1 and 127.0.0.2 both this machine.
#[cfg(target_os = "linux")]
#[test]
fn a_start_that_fails_after_the_old_exporter_stopped_says_so_with_its_account() {
    let exporters = exporters();
    let page = exporters.start_prometheus_exporter(any_port()).expect("starts");
    record(&mut exporters.recorder(), 7);
    // This listener, like the exporter itself, prevents a listener on all addresses.
    let taken = std::net::TcpListener::bind(("127.0.0.2", page.port())).expect("free");
    let everywhere = any_port().host("0.0.0.0").port(page.port());
    let error = exporters.start_prometheus_exporter(everywhere.clone()).expect_err("taken");
    let StartError::Stopped { account, source } = &error else { panic!("{error:?}") };
    assert_settled(account);
    assert_eq!(account.recorded, 7);
    assert!(matches!(**source, StartError::Socket { .. }), "{source:?}");
    let text = error.to_string();
    for part in ["prometheus", "already in use", "was stopped", "does not run now", "recorded 7, sent 0, dropped 7"] {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
    assert!(exporters.status().is_empty());
    drop(taken);
    exporters.start_prometheus_exporter(everywhere).expect("free now");
    let report = exporters.shutdown(Duration::from_secs(5));
    assert_eq!(report.accounts.iter().map(|account| account.recorded).collect::<Vec<_>>(), [7, 0]);
}

/// Another program has the port on the new address. The exporter has the same port number on the old address, but it is
/// not what prevents the start.
#[cfg(target_os = "linux")]
#[test]
fn a_start_on_a_taken_address_leaves_the_running_exporter_alone() {
    let exporters = exporters();
    let page = exporters.start_prometheus_exporter(any_port()).expect("starts");
    let _taken = std::net::TcpListener::bind(("127.0.0.2", page.port())).expect("free");
    let config = any_port().host("127.0.0.2").port(page.port());
    assert!(matches!(exporters.start_prometheus_exporter(config), Err(StartError::Socket { .. })));
    assert_eq!(exporters.start_prometheus_exporter(any_port()).expect("still runs"), page);
}

#[test]
fn bad_settings_are_refused_and_leave_the_running_exporter_alone() {
    let exporters = exporters();
    let address = exporters.start_prometheus_exporter(any_port()).expect("starts");
    let bad = any_port().host(String::new());
    assert!(matches!(exporters.start_prometheus_exporter(bad), Err(StartError::Setting { field: "host", .. })));
    assert_eq!(exporters.start_prometheus_exporter(any_port()).expect("still runs"), address);

    let statsd = |config| exporters.start_statsd_sink(config).expect_err("must be refused").to_string();
    let text = statsd(StatsdConfig::default().host("user@host"));
    assert!(text.contains("statsd") && text.contains("without a user"), "{text}");
    let text = statsd(StatsdConfig::default().prefix("a:b"));
    assert!(text.contains("prefix") && text.contains("a:b"), "{text}");

    let influxdb = |target| {
        let config = InfluxdbConfig::default().target(target);
        exporters.start_influxdb_sink(config).expect_err("must be refused").to_string()
    };
    let text = influxdb(InfluxdbUrl::new("ftp://localhost/write?p=secret"));
    assert!(text.contains("ftp://localhost") && text.contains("http") && !text.contains("secret"), "{text}");
    assert_eq!(exporters.status().len(), 1);
}
