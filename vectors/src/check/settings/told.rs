//! What users are told: errors, warnings in the log, and what is shown of settings.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::{Subscriber, with_default};
use tracing::{Event, Metadata};

use super::secrets::SECRET;

/// Bytes that no error and no warning exceeds.
const LONGEST: usize = 4_096;

/// An error or a warning.
pub(super) fn is_fit(text: &str) {
    assert!(text.len() <= LONGEST, "{} bytes: {text}", text.len());
    assert!(!text.contains(char::is_control), "{text:?} has control characters");
    is_public(text);
}

/// Anything that is shown, of whatever length.
pub(super) fn is_public(text: &str) {
    assert!(!text.contains(SECRET), "{text} shows a secret");
}

/// What `run` gives; the warnings that it logs are looked at.
pub(super) fn warned<T>(run: impl FnOnce() -> T) -> T {
    let collector = WarningCollector::default();
    let given = with_default(collector.clone(), run);
    let warnings = collector.0.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.iter().for_each(|warning| is_fit(warning));
    given
}

#[derive(Clone, Default)]
struct WarningCollector(Arc<Mutex<Vec<String>>>);

impl Subscriber for WarningCollector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = WarningText::default();
        event.record(&mut text);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The message and the fields, as a log shows them.
#[derive(Default)]
struct WarningText(String);

impl Visit for WarningText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).expect("a string takes all");
    }
}
