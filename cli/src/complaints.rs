//! What running exporters complain of, said once each: a backend that is not there does not fail a start, but nobody
//! should have to wait for the table to learn of it.

use std::io::{IsTerminal, stderr};

use loaddensity_metrics_shell::actions::{Action, Answer, Command};
use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::{Cause, Exporter, ExporterStatus, InfluxdbTarget};

use crate::losses::losses;
use crate::say;

/// Complaints of the exporters that one document starts.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    starts: Vec<Start>,
    said: Vec<(Exporter, String)>,
}

/// The action that started an exporter.
#[derive(Debug)]
struct Start {
    exporter: Exporter,
    /// As it is shown: `actions[0] LD_start_statsd_sink`.
    action: String,
    /// The parameters that say where it sends to, and what they are.
    place: String,
}

impl Complaints {
    /// Remembers which action started an exporter.
    pub(crate) fn note(&mut self, action: &Action, answer: &Answer, environment: &Environment) {
        if let Answer::Started { exporter, .. } = *answer {
            self.starts.retain(|start| start.exporter != exporter);
            // It was carried out, so it can be read.
            let place = Command::from_action_in(action, environment).map(|command| place(&command)).unwrap_or_default();
            let action = format!("actions[{}] {}", action.index, action.command);
            self.starts.push(Start { exporter, action, place });
            self.said.retain(|(other, _)| *other != exporter);
        }
    }

    /// Says what is new.
    pub(crate) fn hear(&mut self, statuses: &[ExporterStatus]) {
        for status in statuses {
            if let Some(error) = &status.last_error {
                let start = self.starts.iter().find(|start| start.exporter == status.exporter);
                let place = start.map_or("", |start| &start.place);
                let text = format!("{place}{}: {error}; {}", status.address, remedy(status.exporter));
                self.say(status.exporter, &text);
            }
        }
    }

    /// Says what was wrong at the end of a run, if that is new, and what was lost.
    pub(crate) fn settle(&mut self, run: &ExporterStatus) {
        self.hear(std::slice::from_ref(run));
        let account = &run.account;
        let causes: Vec<_> = losses(run).collect();
        if !causes.is_empty() {
            let lost: u64 = causes.iter().map(|(_, count)| count).sum();
            let causes: Vec<_> = causes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
            let (recorded, causes, advice) = (account.recorded, causes.join(", "), unscraped(run));
            self.say(account.exporter, &format!("{lost} of {recorded} requests not delivered: {causes}{advice}"));
        }
    }

    fn say(&mut self, exporter: Exporter, text: &str) {
        if self.said.iter().any(|(other, said)| *other == exporter && said == text) {
            return;
        }
        let start = self.starts.iter().find(|start| start.exporter == exporter);
        let start = start.map_or(exporter.as_str(), |start| &start.action);
        // Over the live line, where there is one.
        let clear = if stderr().is_terminal() { "\r\x1b[K" } else { "" };
        say::err(format_args!("{clear}warning: {start}: {text}"));
        self.said.push((exporter, text.to_owned()));
    }
}

/// The parameters that say where an exporter sends to, as the beginning of a complaint that goes on with the address.
/// Of what may hold a secret only the name: the address is shown without it.
fn place(command: &Command) -> String {
    let host_port = |host: &str, port: u16| format!("host {host:?}, port {port}: ");
    match command {
        Command::StartPrometheus(config) => format!("port {}, addr {:?}: ", config.port, config.addr),
        Command::StartInfluxdb(config) => match &config.target {
            InfluxdbTarget::Udp { host, port } | InfluxdbTarget::Http { host, port, .. } => host_port(host, *port),
            InfluxdbTarget::Url { .. }
            | InfluxdbTarget::V1 { .. }
            | InfluxdbTarget::V2 { .. }
            | InfluxdbTarget::V3 { .. } => "url ".into(),
        },
        Command::StartStatsd(config) if config.socket.is_some() => "url ".into(),
        Command::StartStatsd(config) => host_port(&config.host, config.port),
        Command::StartOpenTelemetry(_) => "endpoint ".into(),
        _ => String::new(),
    }
}

/// What to do about a page that was not scraped.
fn unscraped(run: &ExporterStatus) -> &'static str {
    match (run.account.dropped.get(Cause::Unscraped), run.linger) {
        (0, _) => "",
        (_, None) => "; nobody scraped the page: check that a scraper knows its address, or let it linger",
        (_, Some(_)) => "; no scrape came after the stop: let it linger longer than the scrape interval",
    }
}

/// What to do about it.
const fn remedy(exporter: Exporter) -> &'static str {
    match exporter {
        Exporter::Prometheus => "check port and addr",
        Exporter::Influxdb => "check that InfluxDB takes data there (transport, host and port, or url)",
        Exporter::Statsd => "check that an Agent listens there (host and port, or url)",
        Exporter::OpenTelemetry => "check that an OTLP/gRPC receiver listens there (endpoint)",
    }
}
