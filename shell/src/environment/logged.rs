//! What a test's code warns of in the log.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::{Subscriber, with_default};
use tracing::{Event, Metadata};

/// What `run` gives, and the messages that it logged.
pub(crate) fn logged<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let collector = LogCollector::default();
    let given = with_default(collector.clone(), run);
    let messages = collector.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (given, messages)
}

#[derive(Clone, Default)]
struct LogCollector(Arc<Mutex<Vec<String>>>);

impl Subscriber for LogCollector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let written = write!(self.0, "{value:?}");
            debug_assert!(written.is_ok());
        }
    }
}
