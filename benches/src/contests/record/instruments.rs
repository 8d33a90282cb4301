//! A request by handle, and with it three instruments of the engine's own: a counter of each series that the request raises by its
//! size, a histogram of times and one of numbers, which get its latency and its size.

use std::time::Duration;

use loaddensity_metrics_core::{Counter, Histogram, Registry, Unit};

use crate::contest::Role;
use crate::floor::record as floor;
use crate::ours::{self, HistogramKind};
use crate::peers::prometheus;
use crate::recording::{Pass, RecordingContender, pass};
use crate::trace::{TraceEvent, TraceSums, TraceWork, completed_at};

/// Ours, the floor, and the peer whose handles take no lock either.
pub(super) fn recordings(work: &'static TraceWork) -> Vec<RecordingContender> {
    let ours = [
        ours("ours, classic histograms", HistogramKind::Classic, work),
        ours("ours, exponential histograms too", HistogramKind::Exponential, work),
    ];
    ours.into_iter().chain([floor::with_instruments(work)]).chain(prometheus::with_instruments(work)).collect()
}

#[derive(Clone, Copy)]
struct InstrumentedRegistry {
    registry: Registry<'static>,
    sent: Counter,
    first_byte: Histogram<Duration>,
    body: Histogram<u64>,
}

fn ours(name: &'static str, kind: HistogramKind, work: &'static TraceWork) -> RecordingContender {
    let place = move || InstrumentedRegistry::new(ours::registry_with_instruments(kind, work.names.len()));
    RecordingContender::new(name, Role::Ours, place, move |place| place.pass(work), move |place| place.sums(work))
}

impl InstrumentedRegistry {
    fn new(registry: Registry<'static>) -> Self {
        let sent = registry.counter("sent", Unit::Bytes, "").expect("room for a counter");
        let first_byte = registry.timer("time_to_first_byte", "").expect("room for two histograms");
        let body = registry.histogram("body", Unit::Bytes, "").expect("room for two histograms");
        Self { registry, sent, first_byte, body }
    }

    fn pass(self, work: &'static TraceWork) -> Pass {
        let mut recorder = self.registry.recorder();
        let series = ours::handles(&mut recorder, work);
        pass(work, move |position, event| {
            let series = series[event.series as usize];
            recorder.record(series, event.sample(completed_at(position)));
            recorder.add(self.sent, series, event.bytes.into());
            recorder.observe(self.first_byte, series, event.latency);
            recorder.observe(self.body, series, event.bytes.into());
        })
    }

    fn sums(self, work: &TraceWork) -> TraceSums {
        let (registry, requests) = (self.registry, ours::sums(self.registry));
        let (passes, sent) = (requests.passes(), registry.counter_total(self.sent));
        let expected = TraceSums::of_instruments(&work.events, passes);
        assert_eq!((sent.sum, sent.number), (expected.requests[0], passes * work.events.len() as u64), "the counter");
        let values = |value: fn(&TraceEvent) -> u64| work.events.iter().map(value).collect();
        ours::check_histogram(&registry.histogram_total(self.first_byte), values(TraceEvent::nanos), passes);
        ours::check_histogram(&registry.histogram_total(self.body), values(|event| event.bytes.into()), passes);
        requests
    }
}
