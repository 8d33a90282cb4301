//! Load generators that send to backends in another process over every transport.

use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, Exporter, Report, StatsdConfig, StatsdSocket};

use crate::backend_process::{BackendCounts, BackendProcess};
use crate::backends::{any_page, influxdb_at, otlp_at, statsd_at, statsd_to};
use crate::course::{Course, Trouble};
use crate::items::ItemCounts;
use crate::law::{account_of, check_arrived, check_backend, check_datagrams, check_reasons};
use crate::load_generator::LoadGenerator;
use crate::observations_as::are_one_by_one;

/// Requests a millisecond. A ring then lasts for two seconds without the pump.
pub(crate) const PACE: u64 = 2;

/// One for each transport.
pub(crate) struct GeneratorSet<R: Runtime> {
    /// InfluxDB, OTLP and the page.
    pub(crate) tcp: LoadGenerator<R>,
    udp: LoadGenerator<R>,
    pub(crate) datagrams: LoadGenerator<R>,
    pub(crate) streams: LoadGenerator<R>,
}

/// What they report at their stop.
pub(crate) struct Reports {
    pub(crate) tcp: Report,
    udp: Report,
    /// Over datagrams, over a stream.
    pub(crate) unix: [Report; 2],
}

impl<R: Runtime> GeneratorSet<R> {
    /// They are ready when something has come over each transport.
    pub(crate) fn start(backends: &mut BackendProcess) -> Result<Self, Trouble> {
        let over = |socket| LoadGenerator::start(PACE, |exporters| exporters.start_statsd_sink(statsd_to(socket)));
        let generators = Self {
            tcp: LoadGenerator::start(PACE, |exporters| {
                exporters.start_influxdb_sink(influxdb_at(backends.influxdb()))?;
                exporters.start_opentelemetry_exporter(otlp_at(backends.otlp()))?;
                exporters.start_prometheus_exporter(any_page()).map(drop)
            })?,
            // A datagram for each message, so that datagrams can be counted.
            udp: LoadGenerator::start(PACE, |exporters| {
                exporters.start_statsd_sink(at_the_stop_alone(statsd_at(backends.udp()).packed(false)))
            })?,
            datagrams: over(StatsdSocket::UnixDatagram(backends.unix_datagrams()))?,
            streams: over(StatsdSocket::UnixStream(backends.unix_streams()))?,
        };
        backends.wait_for("something has come over each transport", |counts| {
            counts.udp.requests > 0 && counts.include([ItemCounts::of_engine(1); 3])
        })?;
        Ok(generators)
    }

    /// Waits until all that is recorded now has come over the transports that can wait.
    pub(crate) fn catch_up(&self, backends: &mut BackendProcess) -> Result<(), Trouble> {
        let recorded = [&self.tcp, &self.datagrams, &self.streams].map(LoadGenerator::recorded);
        backends.wait_for("all that had to wait has come", |counts| counts.include(recorded)).map(drop)
    }

    pub(crate) fn stop(self, course: &mut Course, deadline: Duration) -> Result<Reports, Trouble> {
        Ok(Reports {
            tcp: self.tcp.stop(course, deadline)?,
            udp: self.udp.stop(course, deadline)?,
            unix: [self.datagrams.stop(course, deadline)?, self.streams.stop(course, deadline)?],
        })
    }
}

impl Reports {
    /// The law, against what the backends have in the end.
    pub(crate) fn check(&self, backends: &mut BackendProcess) -> Result<(), Trouble> {
        let counts = backends.settled()?;
        check_backend(&self.tcp, Exporter::Influxdb, counts.influxdb)?;
        check_backend(&self.tcp, Exporter::OpenTelemetry, counts.otlp)?;
        let own = own_datagrams_at_stop(&self.udp)?;
        check_datagrams(&self.udp, counts.datagrams + counts.overflowed, own)?;
        check_arrived(&self.udp, &counts)?;
        for (report, stored) in self.unix.iter().zip([counts.unix_datagrams, counts.unix_streams]) {
            check_backend(report, Exporter::Statsd, stored)?;
        }
        Ok(())
    }

    /// Nothing was dropped, but for what no page has shown.
    pub(crate) fn check_all_sent(&self) -> Result<(), Trouble> {
        let reports = [&self.tcp, &self.udp].into_iter().chain(&self.unix);
        let senders = reports.flat_map(|report| report.accounts.iter().map(move |account| (report, account.exporter)));
        senders
            .filter(|(_, exporter)| *exporter != Exporter::Prometheus)
            .try_for_each(|(report, exporter)| check_reasons(report, exporter, &[]))
    }
}

impl BackendCounts {
    /// Whether there is so much over TCP, in Unix datagrams and over Unix streams.
    fn include(&self, [tcp, datagrams, streams]: [ItemCounts; 3]) -> bool {
        let over_tcp = self.influxdb.include(tcp) && self.otlp.include(tcp);
        over_tcp && self.unix_datagrams.include(datagrams) && self.unix_streams.include(streams)
    }
}

/// Own instruments that are sent once, at the stop, or one by one: then it is known in how many datagrams.
pub(crate) fn at_the_stop_alone(config: StatsdConfig) -> StatsdConfig {
    config.instruments_interval(Duration::from_secs(3_600))
}

/// How many those are where each message is a datagram: one for each observation, or a counter, and the seven of a timer, of three
/// series, and the counter of the run. Fewer where not all observations have left.
pub(crate) fn own_datagrams_at_stop(report: &Report) -> Result<RangeInclusive<u64>, Trouble> {
    const ALL: u64 = 3 * (1 + 7) + 1;
    let account = account_of(report, AccountKind::Observations, Exporter::Statsd)?;
    if are_one_by_one() {
        return Ok(account.sent..=account.sent + account.dropped.get(DropReason::Unconfirmed));
    }
    Ok(if account.sent == account.recorded { ALL..=ALL } else { 0..=ALL })
}
