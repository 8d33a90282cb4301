//! All exporters that a runtime has on, each with a receiver on the loopback interface: what end-to-end measurements run
//! against. A runtime without TCP has InfluxDB and DogStatsD alone.
//!
//! Exporters have their one thread. Each receiver has one of its own, whose names are [`THREADS`]: what the exporters
//! cost is the CPU time of all threads but those and the engine's.

use std::error::Error;
use std::time::Duration;

use clap::ValueEnum;
use loaddensity_metrics_cli::receivers::OtlpReceiver;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, Exporters, InfluxdbConfig, InfluxdbUdp, OpenTelemetryConfig, PrometheusConfig, StatsdConfig,
};

use crate::drain::{Drain, DrainCounts};
use crate::process::CpuTimes;
use crate::scraper::PageScraper;

/// What a measurement failed of.
pub type BenchError = Box<dyn Error + Send + Sync>;

/// Names of the receivers' threads.
pub const THREADS: [&str; 3] = [Drain::THREAD, PageScraper::THREAD, "otlp-receiver"];

/// How often the page is scraped.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);
/// Largest datagram of items that share one: what an Ethernet carries.
pub const PACKED: usize = 1_432;
/// Room for one line in a datagram and never for two.
pub const ONE_LINE: usize = 200;

/// How the per-request exporters fill datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DatagramMode {
    /// A datagram for each line and each message, sent one by one.
    Contract,
    /// A datagram for each line and each message, several to a call (UDP_SEGMENT).
    ContractOffload,
    /// Datagrams of up to 1,432 bytes, sent one by one.
    Packed,
    /// Datagrams of up to 1,432 bytes, several to a call.
    PackedOffload,
}

impl DatagramMode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Contract, Self::ContractOffload, Self::Packed, Self::PackedOffload];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contract => "a datagram each",
            Self::ContractOffload => "a datagram each, offload",
            Self::Packed => "packed",
            Self::PackedOffload => "packed, offload",
        }
    }

    const fn is_packed(self) -> bool {
        matches!(self, Self::Packed | Self::PackedOffload)
    }

    const fn offloads(self) -> bool {
        matches!(self, Self::ContractOffload | Self::PackedOffload)
    }
}

/// Receivers that are being sent to.
#[derive(Debug)]
pub struct Backends {
    influxdb: Drain,
    statsd: Drain,
    /// `None` on a runtime without TCP.
    tcp: Option<TcpBackends>,
}

#[derive(Debug)]
struct TcpBackends {
    otlp: OtlpReceiver,
    scraper: PageScraper,
}

/// What became of everything.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// In the order of `Exporter::ALL`.
    pub accounts: Vec<Account>,
    /// CPU times when the exporters had stopped and the receivers had not.
    pub cpu: CpuTimes,
    /// Datagrams with InfluxDB points.
    pub influxdb: DrainCounts,
    /// Datagrams with DogStatsD messages.
    pub statsd: DrainCounts,
}

impl Backends {
    /// Starts the receivers and the exporters. `reads`: the UDP receivers empty their sockets.
    ///
    /// # Errors
    /// What the operating system or an exporter says.
    pub fn start<R: Runtime>(exporters: &Exporters<R>, packing: DatagramMode, reads: bool) -> Result<Self, BenchError> {
        let (influxdb, statsd) = (Drain::start(reads)?, Drain::start(reads)?);
        let tcp = if R::HAS_TCP { Some(TcpBackends::start(exporters)?) } else { None };
        let at = influxdb.address();
        exporters.start_influxdb_sink(
            InfluxdbConfig::default()
                .target(InfluxdbUdp::new(at.ip().to_string(), at.port()))
                .datagram_bytes(if packing.is_packed() { PACKED } else { ONE_LINE })
                .segmentation_offload(packing.offloads()),
        )?;
        let at = statsd.address();
        exporters.start_statsd_sink(
            StatsdConfig::default()
                .host(at.ip().to_string())
                .port(at.port())
                .datagram_bytes(packing.is_packed().then_some(PACKED))
                .segmentation_offload(packing.offloads())
                .fill_datagrams(packing.is_packed() && packing.offloads()),
        )?;
        Ok(Self { influxdb, statsd, tcp })
    }

    /// Scrapes once more, stops the exporters, each of which flushes, and then the receivers.
    ///
    /// # Errors
    /// What the operating system or an exporter says, or an OTLP export that was not right.
    pub fn stop<R: Runtime>(self, exporters: &Exporters<R>) -> Result<RunOutcome, BenchError> {
        if let Some(tcp) = &self.tcp {
            tcp.scraper.last()?;
        }
        let accounts = exporters.stop_all()?;
        let cpu = CpuTimes::now()?;
        if let Some(TcpBackends { otlp, scraper }) = self.tcp {
            scraper.finish()?;
            otlp.finish()?;
        }
        Ok(RunOutcome { accounts, cpu, influxdb: self.influxdb.finish()?, statsd: self.statsd.finish()? })
    }
}

impl TcpBackends {
    fn start<R: Runtime>(exporters: &Exporters<R>) -> Result<Self, BenchError> {
        let otlp = OtlpReceiver::start::<R>()?;
        let page = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0))?;
        exporters.start_opentelemetry_exporter(
            OpenTelemetryConfig::default().endpoint(format!("http://{}", otlp.address())),
        )?;
        Ok(Self { otlp, scraper: PageScraper::start(page, SCRAPE_INTERVAL)? })
    }
}
