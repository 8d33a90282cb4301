//! What running exporters complain of, said once each: a backend that is not there does not fail a start, but nobody
//! should have to wait for the table to learn of it.

use loaddensity_metrics_shell::actions::{ActionOutcome, Command, JsonAction};
use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::{
    Account, DropReason, Exporter, ExporterStatus, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp,
};

use crate::exporter_events::ExporterEvent;
use crate::losses::losses;
use crate::say;

/// Complaints of the exporters that one document starts.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    starts: Vec<Start>,
    said: Vec<(Exporter, String)>,
    /// Those whose last complaint was not taken back.
    failing: Vec<Exporter>,
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
    pub(crate) fn note(&mut self, action: &JsonAction, answer: &ActionOutcome, environment: &Environment) {
        if let ActionOutcome::Started { exporter, .. } = *answer {
            self.starts.retain(|start| start.exporter != exporter);
            // It was carried out, so it can be read.
            let place = Command::from_action_in(action, environment).map(|command| place(&command)).unwrap_or_default();
            let action = format!("actions[{}] {}", action.index, action.command);
            self.starts.push(Start { exporter, action, place });
            self.said.retain(|(other, _)| *other != exporter);
            self.failing.retain(|failing| *failing != exporter);
        }
    }

    /// Says what an exporter, or all of them together, said of themselves, if that is new.
    pub(crate) fn take(&mut self, event: &ExporterEvent) {
        let exporter = Exporter::ALL.into_iter().find(|known| event.exporter.as_deref() == Some(known.as_str()));
        match exporter {
            None => say::warning(format_args!("{}", event.text)),
            Some(exporter) if event.is_recovery => self.recovered(exporter, event),
            Some(exporter) => self.failed(exporter, event.address.as_deref(), &event.text),
        }
    }

    /// Says what was wrong at the end of a run, if that is new, and what was lost.
    pub(crate) fn settle(&mut self, run: &ExporterStatus) {
        if let Some(error) = &run.last_error {
            self.failed(run.exporter, Some(&run.address), error);
        }
        self.settle_account(run, "requests", &run.account);
        if let Some(account) = &run.observations {
            self.settle_account(run, "observations", account);
        }
    }

    fn settle_account(&mut self, run: &ExporterStatus, what: &str, account: &Account) {
        let causes: Vec<_> = losses(run, account).collect();
        if !causes.is_empty() {
            let of = LossyRun { exporter: run.exporter, has_lingered: run.linger.is_some() };
            let dropped: u64 = causes.iter().map(|(_, count)| count).sum();
            let causes: Vec<_> = causes.iter().map(|(cause, count)| lost(*cause, *count, &of)).collect();
            let text = format!("{dropped} of {} {what} not delivered: {}", account.recorded, causes.join(", "));
            self.say(account.exporter, &text);
        }
    }

    fn failed(&mut self, exporter: Exporter, address: Option<&str>, error: &str) {
        let start = self.starts.iter().find(|start| start.exporter == exporter);
        let place = start.map_or("", |start| &start.place);
        let text = match address {
            Some(address) => format!("{place}{address}: {error}"),
            None => error.to_owned(),
        };
        if self.say(exporter, &text) {
            self.failing.push(exporter);
        }
    }

    /// Only what was complained of works again.
    fn recovered(&mut self, exporter: Exporter, event: &ExporterEvent) {
        if self.failing.contains(&exporter) {
            self.failing.retain(|failing| *failing != exporter);
            let (start, address) = (self.start(exporter), event.address.as_deref().unwrap_or_default());
            say::over(format_args!("{start}: {address}: {}", event.text));
        }
    }

    /// The action that started it, or its name where that is not known.
    fn start(&self, exporter: Exporter) -> &str {
        let start = self.starts.iter().find(|start| start.exporter == exporter);
        start.map_or(exporter.as_str(), |start| &start.action)
    }

    /// Whether it is new and was said.
    fn say(&mut self, exporter: Exporter, text: &str) -> bool {
        if self.said.iter().any(|(other, said)| *other == exporter && said == text) {
            return false;
        }
        say::warning(format_args!("{}: {text}", self.start(exporter)));
        self.said.push((exporter, text.to_owned()));
        true
    }
}

/// The parameters that say where an exporter sends to, as the beginning of a complaint that goes on with the address.
/// Of what may hold a secret only the name: the address is shown without it.
fn place(command: &Command) -> String {
    let host_port = |host: &str, port: u16| format!("host {host:?}, port {port}: ");
    match (command.exporter(), command) {
        (Exporter::Prometheus, Command::StartPrometheus(config)) => {
            format!("port {}, host {:?}: ", config.port, config.host)
        }
        (Exporter::Influxdb, Command::StartInfluxdb(config)) => match &config.target {
            InfluxdbTarget::Udp(InfluxdbUdp { host, port, .. })
            | InfluxdbTarget::Http(InfluxdbHttp { host, port, .. }) => host_port(host, *port),
            _ => "url ".into(),
        },
        (Exporter::Statsd, Command::StartStatsd(config)) if config.socket.is_some() => "url ".into(),
        (Exporter::Statsd, Command::StartStatsd(config)) => host_port(&config.host, config.port),
        (Exporter::OpenTelemetry, Command::StartOpenTelemetry(_)) => "endpoint ".into(),
        // A stop sends nowhere. Each exporter by its name, so that another one has to be given its start.
        (Exporter::Prometheus | Exporter::Influxdb | Exporter::Statsd | Exporter::OpenTelemetry, _) => String::new(),
    }
}

/// What advice depends on.
struct LossyRun {
    exporter: Exporter,
    has_lingered: bool,
}

/// So many were lost for this cause, and what to do so that they are fewer.
fn lost(cause: DropReason, count: u64, run: &LossyRun) -> String {
    match advice(cause, run) {
        Some(advice) => format!("{cause} {count} ({advice})"),
        None => format!("{cause} {count}"),
    }
}

fn advice(cause: DropReason, run: &LossyRun) -> Option<&'static str> {
    let (_, advice) = ADVICE.iter().find(|(reason, _)| *reason == cause)?;
    advice(run)
}

/// What to do so that fewer requests are dropped. `None` where a complaint of its own says what was wrong, in the
/// backend's words, or nothing is.
type DropAdvice = fn(&LossyRun) -> Option<&'static str>;

/// For each reason.
const ADVICE: [(DropReason, DropAdvice); DropReason::ALL.len()] = [
    (DropReason::RingFull, |_| Some("lower the rate with max_rate, or build the storage with larger rings")),
    (DropReason::BufferFull, |_| {
        Some("the backend is slower than the load, or away; a larger buffer_events lasts longer")
    }),
    (DropReason::TooLarge, |run| {
        Some(match run.exporter {
            Exporter::Prometheus => "give shorter names",
            Exporter::Influxdb => "raise datagram_bytes (UDP) or batch_bytes (HTTP), or give shorter names",
            Exporter::Statsd => "raise datagram_bytes, or give shorter names",
            Exporter::OpenTelemetry => "raise max_request_bytes, or give shorter names",
        })
    }),
    (DropReason::Refused, |_| None),
    (DropReason::Unreachable, |_| None),
    (DropReason::Unconfirmed, |_| None),
    (DropReason::Rejected, |_| None),
    (DropReason::Deadline, |_| Some("the backend did not take them before the stop was over")),
    (DropReason::Unscraped, |run| {
        Some(match run.has_lingered {
            true => "no scrape came after the stop: let it linger longer than the scrape interval",
            false => "nobody scraped the page: check that a scraper knows its address, or let it linger",
        })
    }),
    (DropReason::Sampled, |_| None),
];

// A reason that lacks its row does not compile: the table has as many rows as there are reasons, and each its own.
const _: () = {
    let mut row = 0;
    while row < ADVICE.len() {
        assert!(ADVICE[row].0 as usize == DropReason::ALL[row] as usize, "the rows have the order of DropReason::ALL");
        row += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_that_nothing_else_explains_come_with_advice() {
        let run = LossyRun { exporter: Exporter::Influxdb, has_lingered: false };
        for cause in DropReason::ALL {
            let text = lost(cause, 3, &run);
            assert!(text.starts_with(&format!("{cause} 3")), "{text}");
            // What a backend did is told in its own words, and what was sampled was asked for.
            let is_explained = matches!(
                cause,
                DropReason::Refused
                    | DropReason::Unreachable
                    | DropReason::Unconfirmed
                    | DropReason::Rejected
                    | DropReason::Sampled
            );
            assert_eq!(text.ends_with(')'), !is_explained, "{text}");
        }
    }

    #[test]
    fn advice_names_the_setting_of_the_exporter_and_what_was_done_already() {
        for (cause, exporter, has_lingered, says) in [
            (DropReason::TooLarge, Exporter::Influxdb, false, "raise datagram_bytes (UDP) or batch_bytes (HTTP), or"),
            (DropReason::TooLarge, Exporter::Statsd, false, "raise datagram_bytes, or give shorter names"),
            (DropReason::TooLarge, Exporter::OpenTelemetry, false, "raise max_request_bytes, or give shorter names"),
            (DropReason::Unscraped, Exporter::Prometheus, false, "or let it linger"),
            (DropReason::Unscraped, Exporter::Prometheus, true, "let it linger longer"),
        ] {
            let text = lost(cause, 3, &LossyRun { exporter, has_lingered });
            assert!(text.contains(says), "{text}");
        }
    }
}
