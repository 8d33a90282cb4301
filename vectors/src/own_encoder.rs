//! For whoever has written an encoder of LoadDensity's metrics: what was recorded, and the bytes that it made of that, are
//! judged here, one function per format. None asks who wrote the bytes, or uses this house's recorders and exporters.
//!
//! What is expected is the contract without options: its names, bounds and labels (`core/src/metrics.rs`, `docs/FIELD.md`). Each
//! function reads the bytes with the format's oracle, and compares all that they say with the requests: nothing may be missing,
//! doubled or too much. What a format leaves open (the order of labels, fields and samples, `1` for `1.0`) may be either way.
//!
//! [`cases`] are lists of requests to begin with: names that break encoders, numbers at bounds. Beside them lies what reference
//! encoders make of them, here in the place of your own:
//!
//! ```
//! use loaddensity_metrics_vectors::own_encoder;
//!
//! for case in own_encoder::cases() {
//!     let yours = case.expected("influxdb.lp"); // what your encoder makes of case.requests
//!     own_encoder::influxdb(&case.requests, &yours);
//! }
//! ```

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use loaddensity_metrics_core::prometheus::{Families, MAX_METRIC, Page};
use loaddensity_metrics_core::{Outcome, Registry, Sample, Storage};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use crate::contract::Spelling;
use crate::golden::{CAPACITY, Case, read};
use crate::judge;
use crate::model::Model;
use crate::{names, samples};

/// Series of the requests of one call, and one more.
const SERIES: usize = 128;
/// Bytes of a request in [`requests`], and the most requests of one call.
const REQUEST_BYTES: usize = 6;
const MOST_REQUESTS: usize = 100;

/// Lists of requests that are worth a try: the golden cases that need no options.
///
/// ```
/// # use loaddensity_metrics_vectors::own_encoder;
/// let cases = own_encoder::cases();
/// let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
/// assert!(names.contains(&"quotes-and-backslashes") && names.contains(&"bounds"));
/// ```
///
/// # Panics
/// If one cannot be read.
#[must_use]
pub fn cases() -> Vec<Case> {
    let is_plain = |case: &Case| case.options.is_contract && case.series().len() < CAPACITY;
    Case::all().into_iter().filter(is_plain).collect()
}

/// Requests from any bytes, for a property test or a fuzzer that mutates them: one for each six bytes, 100 at most, with names
/// that break encoders, a label, and latencies and sizes at bounds.
///
/// ```
/// # use loaddensity_metrics_vectors::own_encoder;
/// let requests = own_encoder::requests(&[0; 13]);
/// assert_eq!((requests.len(), requests[0].0.method.as_str()), (2, "GET"));
/// ```
#[must_use]
pub fn requests(bytes: &[u8]) -> Vec<(Spelling, Sample)> {
    let (names, latencies, sizes) = (names::all(), samples::latencies(), samples::sizes());
    let request = |bytes: &[u8]| {
        let pick = |at: usize, of: usize| usize::from(bytes[at]) % of;
        let name = &names[usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % names.len()].name;
        let mut series = Spelling::new(["GET", "", "POST", "a|b"][pick(2, 4)], name);
        let label = ["", "eu-west-1", "a,b:c#d", "naïve"][pick(3, 4)];
        series.labels.push(("region".to_owned(), label.to_owned()));
        let outcome = Outcome::ALL[usize::from(bytes[3] >> 7)];
        let sample = Sample::new(outcome, Duration::from_nanos(latencies[pick(4, latencies.len())]));
        (series, sample.response_bytes(sizes[pick(5, sizes.len())]))
    };
    bytes.chunks_exact(REQUEST_BYTES).take(MOST_REQUESTS).map(request).collect()
}

/// A page of Prometheus' text format, which may say more in families of other names: `loaddensity_exporter_…` and
/// `loaddensity_registry_…`.
///
/// ```
/// # use loaddensity_metrics_vectors::own_encoder;
/// for case in own_encoder::cases() {
///     own_encoder::prometheus(&case.requests, &case.expected("prometheus.txt"));
/// }
/// ```
///
/// # Panics
/// If the bytes break the format or say something else than `requests`; here and in all that follow. They have at most 127
/// series.
pub fn prometheus(requests: &[(Spelling, Sample)], page: &[u8]) {
    with_reference(requests, |model, registry| {
        let ours = filled(Page::new(registry));
        judge::page(model, &[], &ours);
        assert_eq!(read::page(page), read::page(&ours));
    });
}

/// A page of OpenMetrics, in which counts are whole numbers, without a point.
///
/// ```
/// # use loaddensity_metrics_vectors::{golden::read, own_encoder};
/// for case in own_encoder::cases() {
///     own_encoder::open_metrics(&case.requests, &read::whole_numbers(&case.expected("openmetrics.txt")));
/// }
/// ```
///
/// # Panics
/// As [`prometheus`].
pub fn open_metrics(requests: &[(Spelling, Sample)], page: &[u8]) {
    with_reference(requests, |model, registry| {
        let ours = filled(Page::open_metrics(registry));
        judge::open_page(model, &[], None, &ours);
        assert_eq!(read::open_page(page), read::open_page(&ours));
    });
}

/// The body of a scrape in protobuf: `MetricFamily` messages, each with its length before it, with classic buckets and native
/// histograms.
///
/// ```
/// # use loaddensity_metrics_vectors::own_encoder;
/// for case in own_encoder::cases() {
///     own_encoder::prometheus_protobuf(&case.requests, &case.expected("prometheus.bin"));
/// }
/// ```
///
/// # Panics
/// As [`prometheus`].
pub fn prometheus_protobuf(requests: &[(Spelling, Sample)], body: &[u8]) {
    with_reference(requests, |model, registry| {
        let ours = joined(Families::new(registry));
        judge::families(model, &[], None, &ours);
        assert_eq!(read::metric_families(body), read::metric_families(&ours));
    });
}

/// Lines of InfluxDB, one for each request, with newlines between them. The time of a line may be later than that of its request
/// by some nanoseconds, so that no two lines of a series have the same.
///
/// ```
/// # use loaddensity_metrics_vectors::{contract::Spelling, own_encoder, samples};
/// use loaddensity_metrics_core::{Outcome, Sample, Timestamp};
/// use std::time::Duration;
///
/// let sample = Sample::new(Outcome::Success, Duration::from_millis(42)).status(200).response_bytes(1_024);
/// let sample = sample.completed_at(Timestamp::from_unix_nanos(1_700_000_000_001_000_000));
/// let line = b"loaddensity_request,method=GET,name=/x,outcome=success \
///              response_time_ms=42,status_code=200i,response_length=1024i 1700000000001000000";
/// own_encoder::influxdb(&[(Spelling::new("GET", "/x"), sample)], line);
/// ```
///
/// # Panics
/// As [`prometheus`].
pub fn influxdb(requests: &[(Spelling, Sample)], lines: &[u8]) {
    with_reference(requests, |model, _| judge::lines(model, "loaddensity_request", [lines]));
}

/// Messages of DogStatsD, three for each request, with newlines between them.
///
/// ```
/// # use loaddensity_metrics_vectors::{contract::Spelling, own_encoder};
/// use loaddensity_metrics_core::{Outcome, Sample};
/// use std::time::Duration;
///
/// let sample = Sample::new(Outcome::Failure, Duration::from_micros(7_900)).response_bytes(12);
/// let messages = b"loaddensity.requests:1|c|#method:GET,name:/x,outcome:failure\n\
///                  loaddensity.request.latency:7.9|ms|#method:GET,name:/x,outcome:failure\n\
///                  loaddensity.response.size:12|h|#method:GET,name:/x,outcome:failure";
/// own_encoder::dogstatsd(&[(Spelling::new("GET", "/x"), sample)], messages);
/// ```
///
/// # Panics
/// As [`prometheus`].
pub fn dogstatsd(requests: &[(Spelling, Sample)], messages: &[u8]) {
    with_reference(requests, |model, _| judge::messages(model, "loaddensity", [messages]));
}

/// An `ExportMetricsServiceRequest` of OTLP with cumulative points, of a resource with this `service.name`, from a start to a time,
/// both in nanoseconds.
///
/// ```
/// # use loaddensity_metrics_vectors::own_encoder;
/// for case in own_encoder::cases() {
///     let times = (1_700_000_000_000_000_000, 1_700_000_060_000_000_000);
///     own_encoder::otlp(&case.requests, "golden", times, &case.expected("otlp.bin"));
/// }
/// ```
///
/// # Panics
/// As [`prometheus`].
pub fn otlp(requests: &[(Spelling, Sample)], service: &str, times: (u64, u64), message: &[u8]) {
    // Fields may come in any order; the judge wants them in prost's.
    let request = ExportMetricsServiceRequest::decode(message).unwrap_or_else(|error| panic!("{error}"));
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).expect("less than 4 GiB");
    let frame = [&[0][..], &length.to_be_bytes(), &message].concat();
    with_reference(requests, |model, _| judge::exports(model, service, times, [frame.as_slice()]));
}

/// The naive model of the requests, and a registry that has counted them. On a thread of its own, which has room for the storage
/// on its way to the heap.
fn with_reference(requests: &[(Spelling, Sample)], judge: impl FnOnce(&Model, Registry<'_>) + Send) {
    let work = || {
        let storage = Box::new(Storage::<SERIES, 1, 2>::new());
        let model = recorded(requests, storage.registry());
        judge(&model, storage.registry());
    };
    let judged = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work);
        thread.expect("a thread").join()
    });
    judged.unwrap_or_else(|panic| resume_unwind(panic));
}

fn recorded(requests: &[(Spelling, Sample)], registry: Registry<'_>) -> Model {
    let (mut model, mut recorder) = (Model::new(), registry.recorder());
    for (spelling, sample) in requests {
        let series = model.intern(&mut recorder, spelling).unwrap_or_else(|error| panic!("{spelling:?}: {error}"));
        model.record(&mut recorder, series, *sample);
    }
    assert_eq!(registry.usage().folded, 0, "more than {} series", SERIES - 1);
    model
}

fn filled(mut page: Page<'_>) -> Vec<u8> {
    let (mut bytes, mut room) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match page.fill(&mut room).expect("room for any line") {
            0 => return bytes,
            length => bytes.extend_from_slice(&room[..length]),
        }
    }
}

fn joined(mut families: Families<'_>) -> Vec<u8> {
    let (mut body, mut metrics, mut room) = (Vec::new(), Vec::new(), vec![0; MAX_METRIC]);
    while !families.is_complete() {
        match families.next_metric(&mut room).expect("room for any metric") {
            Some(metric) => metrics.extend_from_slice(metric),
            None => {
                body.extend_from_slice(families.finish_family(metrics.len(), &mut room).expect("room for any head"));
                body.append(&mut metrics);
            }
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// The requests without their last one are not what the bytes say.
    #[test]
    fn a_request_too_much_is_noticed_in_each_format() {
        let times = (1_700_000_000_000_000_000, 1_700_000_060_000_000_000);
        let mut judged = 0;
        for case in cases() {
            let (_, fewer) = case.requests.split_last().expect("requests");
            let open = read::whole_numbers(&case.expected("openmetrics.txt"));
            let verdicts: [&dyn Fn(); 6] = [
                &|| prometheus(fewer, &case.expected("prometheus.txt")),
                &|| open_metrics(fewer, &open),
                &|| prometheus_protobuf(fewer, &case.expected("prometheus.bin")),
                &|| influxdb(fewer, &case.expected("influxdb.lp")),
                &|| dogstatsd(fewer, &case.expected("dogstatsd.txt")),
                &|| otlp(fewer, "golden", times, &case.expected("otlp.bin")),
            ];
            for (number, verdict) in verdicts.into_iter().enumerate() {
                assert!(catch_unwind(AssertUnwindSafe(verdict)).is_err(), "{}: verdict {number}", case.name);
                judged += 1;
            }
        }
        assert!(judged >= 60, "{judged} verdicts");
    }
}
