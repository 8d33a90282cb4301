//! Backends in a process of their own, so that this process's memory, threads and descriptors are those of the exporters and
//! of the engine.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashSet};
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use loaddensity_metrics_conformance::Folder;
use loaddensity_metrics_end_to_end::http_server::{HttpReply, HttpServer};
use loaddensity_metrics_end_to_end::otlp_receiver::{OtlpReply, OtlpTestServer};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporters, StatsdConfig, StatsdSocket};

use crate::backends::{any_page, influxdb_at, otlp_at};
use crate::course::Trouble;
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
pub(crate) struct FarRequests {
    /// Points of InfluxDB, each once: one that comes again takes the place of the first.
    pub(crate) points: u64,
    /// The last total of OTLP, of all instances together.
    pub(crate) total: u64,
    /// Instances that have exported over OTLP.
    pub(crate) instances: u64,
    /// Requests that the Agent has counted.
    pub(crate) counted: u64,
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

    pub(crate) fn requests(&mut self) -> Result<FarRequests, Trouble> {
        let line = self.process.ask("requests")?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [points, total, instances, counted] = numbers[..] else {
            return Err(format!("the backends' process says {line}").into());
        };
        Ok(FarRequests { points, total, instances, counted })
    }

    /// Messages to the Agent, packed. Of what a Unix socket takes nothing is lost.
    pub(crate) fn statsd(&self) -> StatsdConfig {
        StatsdConfig::default().socket(StatsdSocket::UnixDatagram(self.agent())).packed(true)
    }

    /// Starts all four exporters. Where the page is.
    pub(crate) fn start_all<R: Runtime>(&self, exporters: &Exporters<R>) -> Result<SocketAddr, Trouble> {
        let said = |error: loaddensity_metrics_shell::StartError| error.to_string();
        exporters.start_influxdb_sink(influxdb_at(self.influxdb)).map_err(said)?;
        exporters.start_statsd_sink(self.statsd()).map_err(said)?;
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
    let points = Arc::new(Mutex::new(HashSet::new()));
    let (stored, hashes) = (points.clone(), RandomState::new());
    let influxdb = HttpServer::start(move |post, _| {
        let mut stored = stored.lock().unwrap_or_else(PoisonError::into_inner);
        for line in post.body.lines() {
            // A point is the one of its series and its time; what is between has no blank, and names may have.
            let mut parts = line.rsplitn(3, ' ');
            let (time, _, series) = (parts.next(), parts.next(), parts.next());
            stored.insert(hashes.hash_one((series, time)));
        }
        HttpReply::Status(204)
    });
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let counted = Arc::new(AtomicU64::new(0));
    let (socket, count) = (UnixDatagram::bind(agent)?, counted.clone());
    thread::spawn(move || {
        let mut packet = vec![0; 65_536];
        while let Ok(length) = socket.recv(&mut packet) {
            let text = String::from_utf8_lossy(&packet[..length]);
            let requests = text.lines().filter(|line| line.starts_with("loaddensity.requests:1|c"));
            count.fetch_add(requests.count() as u64, Ordering::SeqCst);
        }
    });
    lines.say(&influxdb.address.to_string())?;
    lines.say(&receiver.address.to_string())?;
    while lines.hear()?.is_some() {
        let points = points.lock().unwrap_or_else(PoisonError::into_inner).len();
        let mut totals = BTreeMap::new();
        for export in receiver.exports() {
            let [.., instance] = &export.identity;
            totals.insert(instance.clone(), export.sums().requests);
        }
        let (total, instances) = (totals.values().sum::<u64>(), totals.len());
        let counted = counted.load(Ordering::SeqCst);
        lines.say(&format!("{points} {total} {instances} {counted}"))?;
    }
    Ok(())
}
