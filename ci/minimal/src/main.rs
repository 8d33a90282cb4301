//! The smallest program with those exporters that its features switch on: it starts them, records a request and stops
//! them. Its argument says where to: a URL, or a document with the feature `action-json`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    println!("{argument}");
    record(&argument)
}

#[cfg(not(any(feature = "core", feature = "smol", feature = "tokio")))]
fn record(_: &str) -> Result<(), Box<dyn Error>> {
    Ok(())
}

#[cfg(all(feature = "core", not(any(feature = "smol", feature = "tokio"))))]
fn record(argument: &str) -> Result<(), Box<dyn Error>> {
    use core::time::Duration;
    use loaddensity_metrics_core::{DefaultStorage, Sample};

    static STORAGE: DefaultStorage = DefaultStorage::new();
    STORAGE.registry().recorder().record_request("GET", argument, Sample::http(200, Duration::ZERO));
    Ok(())
}

#[cfg(any(feature = "smol", feature = "tokio"))]
use with_a_shell::record;

#[cfg(any(feature = "smol", feature = "tokio"))]
mod with_a_shell {
    use std::error::Error;
    use std::time::Duration;

    #[cfg(feature = "smol")]
    use loaddensity_metrics_smol as shell;
    #[cfg(not(feature = "smol"))]
    use loaddensity_metrics_tokio as shell;
    use shell::{Exporters, Sample, Settings};

    pub(super) fn record(argument: &str) -> Result<(), Box<dyn Error>> {
        let exporters = Exporters::start(Settings::default())?;
        start(&exporters, argument)?;
        exporters.recorder().record_request("GET", "/", Sample::http(200, Duration::ZERO));
        println!("{}", exporters.shutdown(Duration::from_secs(1)));
        Ok(())
    }

    #[cfg(feature = "action-json")]
    fn start(exporters: &Exporters, argument: &str) -> Result<(), Box<dyn Error>> {
        for action in shell::actions::Document::parse(argument)?.actions {
            futures_lite::future::block_on(shell::actions::execute(exporters.as_async(), &action?))?;
        }
        Ok(())
    }

    #[cfg(not(feature = "action-json"))]
    #[allow(unused_variables, reason = "they are for those exporters that are switched on")]
    fn start(exporters: &Exporters, argument: &str) -> Result<(), Box<dyn Error>> {
        #[cfg(feature = "prometheus")]
        exporters.start_prometheus_exporter(shell::PrometheusConfig::default())?;
        #[cfg(feature = "influxdb")]
        exporters.start_influxdb_sink(shell::InfluxdbConfig::default().target(shell::InfluxdbUrl::new(argument)))?;
        #[cfg(feature = "statsd")]
        exporters.start_statsd_sink(shell::StatsdConfig::default())?;
        #[cfg(feature = "opentelemetry-http")]
        {
            let is_grpc = cfg!(feature = "opentelemetry");
            let config = shell::OpenTelemetryConfig::default;
            let config = if is_grpc { config() } else { shell::OpenTelemetryConfig::http() };
            exporters.start_opentelemetry_exporter(config.endpoint(argument))?;
        }
        Ok(())
    }
}
