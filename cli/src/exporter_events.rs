//! What the exporters say of themselves through `tracing`, in a queue for the code that writes to stderr.
//!
//! Whatever is said, the thread that says it only puts it into a queue: an exporter must not wait for a terminal.

use std::collections::HashSet;
use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Level, Metadata, Subscriber};

/// Only our own crates are listened to.
const CRATES: &str = "loaddensity_metrics";

/// One event that exporters or the runtime reported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ExporterEvent {
    /// The exporter that it is about, by its name.
    pub(crate) exporter: Option<String>,
    /// Where that one sends to or listens.
    pub(crate) address: Option<String>,
    /// Whether something works again; otherwise something is wrong.
    pub(crate) is_recovery: bool,
    /// The words, and what else belongs to them.
    pub(crate) text: String,
}

/// Everything that was said and not yet taken. Listens from now on, for the rest of the process.
pub(crate) fn listen() -> ExporterEvents {
    let (say, said) = mpsc::channel();
    // Where somebody else listens already, nothing arrives here.
    let _ = tracing::subscriber::set_global_default(EventSubscriber(say));
    ExporterEvents { said, known: HashSet::new() }
}

/// The receiving end of the queue.
#[derive(Debug)]
pub(crate) struct ExporterEvents {
    said: Receiver<ExporterEvent>,
    /// What was said of no exporter: that is handed on once.
    known: HashSet<String>,
}

impl ExporterEvents {
    /// What was said since the last call.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = ExporterEvent> {
        let Self { said, known } = self;
        said.try_iter().filter(|event| event.exporter.is_some() || known.insert(event.text.clone()))
    }
}

struct EventSubscriber(Sender<ExporterEvent>);

impl Subscriber for EventSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with(CRATES) && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut told = ExporterEvent::default();
        event.record(&mut told);
        if *event.metadata().level() <= Level::WARN || told.is_recovery {
            // Fails only where nobody takes it any more.
            let _ = self.0.send(told);
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        // No span is enabled; an id must not be 0.
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Visit for ExporterEvent {
    fn record_bool(&mut self, field: &Field, value: bool) {
        match field.name() {
            "recovered" => self.is_recovery = value,
            _ => self.record_debug(field, &value),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.text.insert_str(0, &value),
            "exporter" => self.exporter = Some(value),
            "address" => self.address = Some(value),
            // Words that name the variable already need not name it again.
            "variable" if self.text.contains(&value) => {}
            name => self.text += &format!(" ({name}: {value})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events_of(say: impl FnOnce()) -> Vec<ExporterEvent> {
        let (sender, said) = mpsc::channel();
        tracing::subscriber::with_default(EventSubscriber(sender), say);
        said.try_iter().collect()
    }

    #[test]
    fn warnings_of_ours_and_recoveries_arrive_with_what_belongs_to_them() {
        let said = events_of(|| {
            tracing::info!(exporter = "statsd", "started");
            tracing::warn!(target: "hyper", "not ours");
            tracing::warn!(exporter = "statsd", address = %"udp://h:1", "{}", "gone");
            tracing::info!(exporter = "statsd", address = %"udp://h:1", recovered = true, "works again");
            tracing::warn!(variable = "DD_X", "environment variable DD_X is \"y\"");
            tracing::warn!(variable = "DD_Z", "not followed");
        });
        let of = |is_recovery, text: &str| ExporterEvent {
            exporter: Some("statsd".into()),
            address: Some("udp://h:1".into()),
            is_recovery,
            text: text.into(),
        };
        let plain = |text: &str| ExporterEvent { text: text.into(), ..ExporterEvent::default() };
        assert_eq!(
            said,
            [
                of(false, "gone"),
                of(true, "works again"),
                plain("environment variable DD_X is \"y\""),
                plain("not followed (variable: DD_Z)"),
            ]
        );
    }
}
