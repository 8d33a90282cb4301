//! What running exporters complain of, said once each: a backend that is not there does not fail a start, but nobody
//! should have to wait for the table to learn of it.

use std::io::{IsTerminal, stderr};

use loaddensity_metrics_shell::actions::{Action, Answer};
use loaddensity_metrics_shell::{Account, Exporter, ExporterStatus};

/// Complaints of the exporters that one document starts.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    /// Which action started an exporter, as it is shown.
    starts: Vec<(Exporter, String)>,
    said: Vec<(Exporter, String)>,
}

impl Complaints {
    /// Remembers which action started an exporter.
    pub(crate) fn note(&mut self, action: &Action, answer: &Answer) {
        if let Answer::Started { exporter, .. } = *answer {
            self.starts.retain(|(other, _)| *other != exporter);
            self.starts.push((exporter, format!("actions[{}] {}", action.index, action.command)));
            self.said.retain(|(other, _)| *other != exporter);
        }
    }

    /// Says what is new.
    pub(crate) fn hear(&mut self, statuses: &[ExporterStatus]) {
        for status in statuses {
            if let Some(error) = &status.last_error {
                let text = format!("{}: {error}; {}", status.address, keys(status.exporter));
                self.say(status.exporter, &text);
            }
        }
    }

    /// Says what was lost, for an exporter that has been stopped.
    pub(crate) fn settle(&mut self, account: &Account) {
        let causes = account.dropped.iter().filter(|(_, count)| *count > 0);
        let causes: Vec<_> = causes.map(|(cause, count)| format!("{} {count}", cause.as_str())).collect();
        if !causes.is_empty() {
            let text = format!(
                "{} of {} requests not delivered: {}",
                account.dropped.total(),
                account.recorded,
                causes.join(", ")
            );
            self.say(account.exporter, &text);
        }
    }

    fn say(&mut self, exporter: Exporter, text: &str) {
        if self.said.iter().any(|(other, said)| *other == exporter && said == text) {
            return;
        }
        let start = self.starts.iter().find(|(other, _)| *other == exporter);
        let start = start.map_or(exporter.as_str(), |(_, start)| start);
        // Over the live line, where there is one.
        let clear = if stderr().is_terminal() { "\r\x1b[K" } else { "" };
        eprintln!("{clear}warning: {start}: {text}");
        self.said.push((exporter, text.to_owned()));
    }
}

/// The parameters that say where an exporter sends to.
const fn keys(exporter: Exporter) -> &'static str {
    match exporter {
        Exporter::Prometheus => "check port and addr",
        Exporter::Influxdb => "check that InfluxDB takes data there (transport, host and port, or url)",
        Exporter::Statsd => "check that an Agent listens there (host, port)",
        Exporter::OpenTelemetry => "check that an OTLP/gRPC receiver listens there (endpoint)",
    }
}
