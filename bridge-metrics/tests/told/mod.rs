//! What is told through `tracing`.

use std::fmt;
use std::sync::{Arc, Mutex};

use loaddensity_metrics_facade::FacadeRecorder;
use metrics::with_local_recorder;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber};

/// What is told while `load` uses the facade with this recorder.
pub(crate) fn told_by(recorder: &FacadeRecorder, load: impl FnOnce()) -> Vec<String> {
    told_to(|| (), || with_local_recorder(recorder, load))
}

/// What a subscriber is told that does `also` each time.
pub(crate) fn told_to(also: impl Fn() + Send + Sync + 'static, run: impl FnOnce()) -> Vec<String> {
    let texts = Arc::new(Mutex::new(Vec::new()));
    with_default(Listener { texts: texts.clone(), also }, run);
    let texts = texts.lock().expect("nobody panicked");
    texts.clone()
}

struct Listener<F> {
    texts: Arc<Mutex<Vec<String>>>,
    also: F,
}

impl<F: Fn() + Send + Sync + 'static> Subscriber for Listener<F> {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        (self.also)();
        event.record(&mut Texts(&mut self.texts.lock().expect("nobody panicked")));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Texts<'a>(&'a mut Vec<String>);

impl Visit for Texts<'_> {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0.push(format!("{value:?}"));
    }
}
