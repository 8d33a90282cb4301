//! Backends in a process of their own, so that this process's memory, threads and descriptors are those of the exporters and
//! of the engine.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use loaddensity_metrics_conformance::Folder;
use loaddensity_metrics_end_to_end::http_server::{HttpReply, HttpServer};
use loaddensity_metrics_end_to_end::otlp_receiver::{OtlpReply, OtlpTestServer};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporters, StatsdConfig, StatsdSocket};

use crate::backends::{any_page, influxdb_at, otlp_at, statsd_to};
use crate::course::Trouble;
use crate::items::{ItemCounts, LastTotals, SharedCounts, StoredPoints, in_packet};
use crate::process::{ForkedProcess, LineStream};

/// An InfluxDB, a receiver of OTLP and an Agent that take everything.
pub(crate) struct FarBackends {
    process: ForkedProcess,
    pub(crate) influxdb: SocketAddr,
    pub(crate) receiver: SocketAddr,
    folder: Folder,
}

/// What the backends have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FarCounts {
    /// Of InfluxDB.
    pub(crate) points: ItemCounts,
    /// The last totals of OTLP, of all instances together.
    pub(crate) total: ItemCounts,
    /// Instances that have exported over OTLP.
    pub(crate) instances: u64,
    /// What the Agent has counted.
    pub(crate) counted: ItemCounts,
}

impl FarCounts {
    /// Whether both are the same, but for so many observations that were recorded while exporters of intervals came or went.
    pub(crate) fn agrees_with(&self, other: Self, apart: u64) -> bool {
        let is_near = |one: ItemCounts, other: ItemCounts| {
            one.requests == other.requests && one.observations.abs_diff(other.observations) <= apart
        };
        self.instances == other.instances
            && self.total == other.total
            && is_near(self.points, other.points)
            && is_near(self.counted, other.counted)
    }
}

impl FarBackends {
    /// Before this process has any other thread, or some lock might be held for ever in the one of the backends.
    pub(crate) fn start<R: Runtime>() -> Result<Self, Trouble> {
        let folder = Folder::new();
        let path = folder.socket();
        let mut process = ForkedProcess::start(|lines| serve::<R>(lines, &path))?;
        let [influxdb, receiver] = [process.hear()?, process.hear()?].map(|line| address(&line));
        Ok(Self { process, influxdb: influxdb?, receiver: receiver?, folder })
    }

    pub(crate) fn counts(&mut self) -> Result<FarCounts, Trouble> {
        let line = self.process.ask("counts")?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [instances, ref items @ ..] = numbers[..] else {
            return Err(format!("the backends' process says {line}").into());
        };
        match ItemCounts::from_numbers(items)[..] {
            [points, total, counted] => Ok(FarCounts { points, total, instances, counted }),
            _ => Err(format!("the backends' process says {line}").into()),
        }
    }

    /// Messages to the Agent, packed. Of what a Unix socket takes nothing is lost.
    pub(crate) fn statsd(&self) -> StatsdConfig {
        statsd_to(StatsdSocket::UnixDatagram(self.agent()))
    }

    /// Starts all four exporters, that of DogStatsD with these settings. Where the page is.
    pub(crate) fn start_all<R: Runtime>(
        &self,
        exporters: &Exporters<R>,
        statsd: StatsdConfig,
    ) -> Result<SocketAddr, Trouble> {
        let said = |error: loaddensity_metrics_shell::StartError| error.to_string();
        exporters.start_influxdb_sink(influxdb_at(self.influxdb)).map_err(said)?;
        exporters.start_statsd_sink(statsd).map_err(said)?;
        exporters.start_opentelemetry_exporter(otlp_at(self.receiver)).map_err(said)?;
        Ok(exporters.start_prometheus_exporter(any_page()).map_err(said)?)
    }

    fn agent(&self) -> PathBuf {
        self.folder.socket()
    }
}

fn address(line: &str) -> Result<SocketAddr, Trouble> {
    line.parse().map_err(|_| Trouble::Broken(format!("the backends' process says {line}")))
}

/// The backends, until nobody asks for them any more.
fn serve<R: Runtime>(lines: &mut LineStream, agent: &Path) -> Result<(), Trouble> {
    let points = <Arc<Mutex<StoredPoints>>>::default();
    let stored = points.clone();
    let influxdb = HttpServer::start(move |post, _| {
        stored.lock().unwrap_or_else(PoisonError::into_inner).take(&post.body);
        HttpReply::Status(204)
    });
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let counted = Arc::new(SharedCounts::default());
    let (socket, count) = (UnixDatagram::bind(agent)?, counted.clone());
    thread::spawn(move || {
        let mut packet = vec![0; 65_536];
        while let Ok(length) = socket.recv(&mut packet) {
            count.add(in_packet(&packet[..length]));
        }
    });
    lines.say(&influxdb.address.to_string())?;
    lines.say(&receiver.address.to_string())?;
    let mut totals = LastTotals::default();
    while lines.hear()?.is_some() {
        let points = points.lock().unwrap_or_else(PoisonError::into_inner).counts();
        for export in receiver.exports_after(totals.exports) {
            totals.take(&export.message);
        }
        let items = ItemCounts::as_words(&[points, totals.counts(), counted.get()]);
        lines.say(&format!("{} {items}", totals.instances()))?;
    }
    Ok(())
}
