//! `measured` 0.0.25: label ids as handles and look-up by strings; with names that are known beforehand ("dense") or
//! turn up as they come ("sparse").

use lasso::{Rodeo, RodeoReader, ThreadedRodeo};
use loaddensity_metrics_core::Outcome;
use measured::FixedCardinalityLabel;

use crate::contest::{Contender, Role};
use crate::exposition;
use crate::recording::{Pass, RecordingContender};
use crate::trace::TraceWork;

/// By handle.
#[must_use]
pub fn by_handle(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![
        dense::recording("measured, label ids, dense", work, dense::by_id),
        sparse::recording("measured, label ids, sparse", work, sparse::by_id),
    ]
}

/// By strings.
#[must_use]
pub fn by_strings(work: &'static TraceWork) -> Vec<RecordingContender> {
    vec![
        dense::recording("measured, names known beforehand", work, dense::by_labels),
        sparse::recording("measured, names as they come", work, sparse::by_labels),
    ]
}

/// Pages of `passes` passes in a buffered encoder that is used again, sparse and dense; and what they show.
#[must_use]
pub fn pages(work: &'static TraceWork, passes: u64) -> [(Contender, String); 2] {
    [
        sparse::page("measured, BufferedTextEncoder, sparse", work, passes),
        dense::page("measured, BufferedTextEncoder, dense", work, passes),
    ]
}

#[derive(Clone, Copy, FixedCardinalityLabel)]
enum OutcomeLabel {
    Success,
    Failure,
}

const fn label(outcome: Outcome) -> OutcomeLabel {
    match outcome {
        Outcome::Success => OutcomeLabel::Success,
        Outcome::Failure => OutcomeLabel::Failure,
    }
}

fn rodeo(strings: impl Iterator<Item = &'static str>) -> RodeoReader {
    let mut rodeo = Rodeo::default();
    strings.for_each(|string| _ = rodeo.get_or_intern_static(string));
    rodeo.into_reader()
}

fn methods(work: &TraceWork) -> RodeoReader {
    rodeo(work.names.iter().map(|(method, _)| *method))
}

fn names(work: &TraceWork) -> RodeoReader {
    rodeo(work.names.iter().map(|(_, name)| *name))
}

/// The same program over both kinds of label sets.
macro_rules! over {
    ($sets:ident, [$($label:tt)*], $requests:expr, $series:expr) => {
        mod $sets {
            use std::sync::Arc;

            use measured::metric::histogram::Thresholds;
            use measured::text::BufferedTextEncoder;
            use measured::{CounterVec, HistogramVec, LabelGroup, MetricGroup};

            use super::*;
            use crate::recording::pass;
            use crate::trace::{LATENCY_BOUNDS_MS, SIZE_BOUNDS_F64};

            #[derive(Clone, Copy, LabelGroup)]
            #[label(set = RequestSet)]
            struct MeasuredRequest<'a> {
                #[label($($label)*)]
                method: &'a str,
                #[label($($label)*)]
                name: &'a str,
                outcome: OutcomeLabel,
            }

            #[derive(Clone, Copy, LabelGroup)]
            #[label(set = SeriesSet)]
            struct MeasuredSeries<'a> {
                #[label($($label)*)]
                method: &'a str,
                #[label($($label)*)]
                name: &'a str,
            }

            #[derive(MetricGroup)]
            pub(super) struct MeasuredMetrics {
                /// help
                loaddensity_requests_total: CounterVec<RequestSet>,
                /// help
                loaddensity_request_latency_ms: HistogramVec<SeriesSet, 11>,
                /// help
                loaddensity_response_bytes: HistogramVec<SeriesSet, 8>,
            }

            fn metrics(work: &TraceWork) -> Arc<MeasuredMetrics> {
                let (requests, series): (fn(&TraceWork) -> RequestSet, fn(&TraceWork) -> SeriesSet) = ($requests, $series);
                let latency = Thresholds::with_buckets(LATENCY_BOUNDS_MS);
                let size = Thresholds::with_buckets(SIZE_BOUNDS_F64);
                Arc::new(MeasuredMetrics {
                    loaddensity_requests_total: CounterVec::with_label_set(requests(work)),
                    loaddensity_request_latency_ms: HistogramVec::with_label_set_and_metadata(series(work), latency),
                    loaddensity_response_bytes: HistogramVec::with_label_set_and_metadata(series(work), size),
                })
            }

            pub(super) fn by_id(metrics: &Arc<MeasuredMetrics>, work: &'static TraceWork) -> Pass {
                let metrics = Arc::clone(metrics);
                let ids = |&(method, name): &(&'static str, &'static str)| {
                    let request = |outcome| MeasuredRequest { method, name, outcome: label(outcome) };
                    let requests = |outcome| metrics.loaddensity_requests_total.with_labels(request(outcome));
                    let series = MeasuredSeries { method, name };
                    (
                        Outcome::ALL.map(requests),
                        metrics.loaddensity_request_latency_ms.with_labels(series),
                        metrics.loaddensity_response_bytes.with_labels(series),
                    )
                };
                let ids: Vec<_> = work.names.iter().map(ids).collect();
                pass(work, move |_, event| {
                    let (requests, latency, size) = ids[event.series as usize];
                    metrics.loaddensity_requests_total.get_metric(requests[event.outcome as usize]).inc();
                    metrics.loaddensity_request_latency_ms.get_metric(latency).observe(event.millis);
                    metrics.loaddensity_response_bytes.get_metric(size).observe(event.bytes.into());
                })
            }

            pub(super) fn by_labels(metrics: &Arc<MeasuredMetrics>, work: &'static TraceWork) -> Pass {
                let metrics = Arc::clone(metrics);
                pass(work, move |_, event| {
                    let (method, name) = work.names[event.series as usize];
                    let outcome = label(event.outcome);
                    metrics.loaddensity_requests_total.inc(MeasuredRequest { method, name, outcome });
                    metrics.loaddensity_request_latency_ms.observe(MeasuredSeries { method, name }, event.millis);
                    metrics.loaddensity_response_bytes.observe(MeasuredSeries { method, name }, event.bytes.into());
                })
            }

            pub(super) fn recording(
                name: &'static str,
                work: &'static TraceWork,
                make: fn(&Arc<MeasuredMetrics>, &'static TraceWork) -> Pass,
            ) -> RecordingContender {
                let sums = |metrics: &Arc<MeasuredMetrics>| {
                    let page = render(metrics, &mut BufferedTextEncoder::new());
                    exposition::total(&exposition::parse(&String::from_utf8_lossy(&page)))
                };
                RecordingContender::new(name, Role::Peer, || metrics(work), move |metrics| make(metrics, work), sums)
            }

            pub(super) fn page(name: &'static str, work: &'static TraceWork, passes: u64) -> (Contender, String) {
                let metrics = metrics(work);
                let mut record = by_id(&metrics, work);
                (0..passes).for_each(|_| _ = record());
                let mut encoder = BufferedTextEncoder::new();
                let shown = String::from_utf8_lossy(&render(&metrics, &mut encoder)).into_owned();
                (Contender::new(name, Role::Peer, move || render(&metrics, &mut encoder).len()), shown)
            }

            fn render(metrics: &MeasuredMetrics, encoder: &mut BufferedTextEncoder) -> impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<> {
                let Ok(()) = metrics.collect_group_into(encoder);
                encoder.finish()
            }
        }
    };
}

over!(dense, [fixed_with = RodeoReader], |work| RequestSet::new(methods(work), names(work)), |work| SeriesSet::new(
    methods(work),
    names(work)
));
over!(sparse, [dynamic_with = ThreadedRodeo, default], |_| RequestSet::new(), |_| SeriesSet::new());
