//! Instruments of the engine's own on the Prometheus page, read by strict parsers and compared with what was observed.

mod common;

use common::{body_of, page_of, whole};
use loaddensity_metrics_core::prometheus::{Families, MAX_LINE, Page, ScrapeOptions};
use loaddensity_metrics_core::{
    Classic, ConstantLabels, Counter, DropReason, Exponential, Exporter, Histogram, Histograms, LABEL_BYTES, LABELS,
    PageTotals, Registry, Sample, Series, Storage, Timestamp, Unit,
};
use loaddensity_metrics_vectors::contract::{
    Format, LATENCY_LE, OWN_NUMBER_LE, OWN_TIME_LE, SIZE_LE, ShownLabels, Spelling, millis, observed,
};
use loaddensity_metrics_vectors::judge::pages::native_bucket;
use loaddensity_metrics_vectors::{families, openmetrics, prometheus, samples};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

type Engine<H = Exponential> = Storage<8, 2, 2, H, 3, 4>;

/// What a page must show of one instrument.
struct OwnModel {
    /// As the text format names the family.
    family: &'static str,
    help: &'static str,
    unit: Option<&'static str>,
    shape: OwnShape,
    /// By the labels of what it is shown of, none for the run.
    observed: BTreeMap<ShownLabels, Vec<u64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnShape {
    Counter,
    Times,
    Numbers,
}

/// Name, labels and the bound of a bucket, and the value as it is written.
type OwnLines = BTreeMap<(String, ShownLabels), String>;

impl OwnModel {
    fn open_family(&self) -> &str {
        self.family.strip_suffix("_total").unwrap_or(self.family)
    }

    fn bounds(&self, has_exponentials: bool) -> &'static [&'static str] {
        match (self.shape, has_exponentials) {
            (OwnShape::Counter, _) => &[],
            (OwnShape::Times, true) => &OWN_TIME_LE,
            (OwnShape::Times, false) => &LATENCY_LE,
            (OwnShape::Numbers, true) => &OWN_NUMBER_LE,
            (OwnShape::Numbers, false) => &SIZE_LE,
        }
    }

    /// The largest value of a bucket.
    fn largest(&self, le: &str) -> f64 {
        let bound: f64 = le.trim_start_matches('+').parse().expect("a bound");
        if self.shape == OwnShape::Times { (bound * 1e6).round() } else { bound }
    }

    fn lines(&self, has_exponentials: bool) -> OwnLines {
        let mut lines = OwnLines::new();
        for (labels, values) in &self.observed {
            let mut put = |suffix: &str, le: Option<&str>, value: String| {
                let mut labels = labels.clone();
                labels.extend(le.map(|le| ("le".to_owned(), le.to_owned())));
                labels.sort();
                lines.insert((format!("{}{suffix}", self.family), labels), value);
            };
            let sum: u64 = values.iter().sum();
            if self.shape == OwnShape::Counter {
                put("", None, sum.to_string());
                continue;
            }
            for le in self.bounds(has_exponentials).iter().copied() {
                let up_to = values.iter().filter(|value| **value as f64 <= self.largest(le)).count();
                put("_bucket", Some(le), up_to.to_string());
            }
            let sum = if self.shape == OwnShape::Times { millis(sum) } else { sum.to_string() };
            put("_sum", None, sum);
            put("_count", None, values.len().to_string());
        }
        lines
    }
}

/// Observes through recorders with shards and without, and records requests of some series.
fn observe_everything<H: Histograms>(storage: &Engine<H>) -> Vec<OwnModel> {
    let registry = storage.registry();
    let failed = registry.counter("checks_failed", Unit::One, "Checks that \"failed\" \\ all").expect("room");
    // These two are never raised.
    registry.counter("sent", Unit::Bytes, "é").expect("room");
    registry.run_counter("iterations", Unit::One, "").expect("room");
    let first_byte = registry.timer("time_to_first_byte", "To the first byte").expect("room");
    let payload = registry.histogram("payload", Unit::Bytes, "Payloads").expect("room");
    let iteration = registry.run_timer("iteration", "").expect("room");
    let depth = registry.run_histogram("depth", Unit::One, "How deep").expect("room");

    let nasty = Spelling {
        labels: vec![("scenario".into(), "é\\\"\n".into())],
        ..Spelling::new("POST", "quote\" back\\slash\n")
    };
    let spellings = [Spelling::new("GET", "/x"), nasty, Spelling::new("", "observed alone")];
    let intern = |spelling: &Spelling| {
        registry.series_with_labels(&spelling.method, &spelling.name, spelling.as_labels()).expect("good labels")
    };
    let series: Vec<Series> = spellings.iter().map(intern).collect();
    let labels: Vec<ShownLabels> = spellings.iter().map(|spelling| spelling.shown(Format::Prometheus)).collect();
    // Nothing is ever counted of it.
    registry.series("GET", "/idle");

    let (day, most) = (86_400_000_000_000, 1 << 50);
    let (times, numbers) = (samples::latencies(), samples::sizes());
    let capped = |values: &[u64], most: u64| values.iter().map(|value| (*value).min(most)).collect::<Vec<_>>();
    let all: Vec<u64> = times.iter().chain(&numbers).copied().collect();
    let mut recorders: Vec<_> = (0..4).map(|_| registry.recorder()).collect();
    assert_eq!(recorders.iter().filter(|recorder| recorder.is_sharing()).count(), 2);
    recorders[0].record(series[0], Sample::ok(Duration::from_millis(3)));
    for (number, value) in all.iter().enumerate() {
        let recorder = &mut recorders[number % 4];
        recorder.add(failed, series[0], *value);
        recorder.observe(first_byte, series[1], Duration::from_nanos(*value));
        recorder.observe(first_byte, series[2], Duration::from_nanos(*value / 7));
        recorder.observe(payload, series[2], *value);
        recorder.observe_in_run(iteration, Duration::from_nanos(*value));
        recorder.observe(depth, series[0], *value / 3);
    }
    let sevenths: Vec<u64> = all.iter().map(|value| value / 7).collect();
    let thirds: Vec<u64> = all.iter().map(|value| value / 3).collect();
    let none = || labels.iter().map(|labels| (labels.clone(), Vec::new()));
    let mut of_failed: BTreeMap<_, _> = none().collect();
    of_failed.insert(labels[0].clone(), capped(&all, most));
    let of_first_byte = [(labels[1].clone(), capped(&all, day)), (labels[2].clone(), capped(&sevenths, day))];
    let model = |family, help, unit, shape, observed| OwnModel { family, help, unit, shape, observed };
    let unsaid = "Measured by the load engine";
    use OwnShape::{Counter, Numbers, Times};
    let run = |values| BTreeMap::from([(ShownLabels::new(), values)]);
    vec![
        model("loaddensity_checks_failed_total", "Checks that \"failed\" \\ all", None, Counter, of_failed),
        model("loaddensity_sent_bytes_total", "é", Some("bytes"), Counter, none().collect()),
        model("loaddensity_iterations_total", unsaid, None, Counter, run(Vec::new())),
        model("loaddensity_time_to_first_byte_ms", "To the first byte", Some("ms"), Times, of_first_byte.into()),
        model(
            "loaddensity_payload_bytes",
            "Payloads",
            Some("bytes"),
            Numbers,
            [(labels[2].clone(), capped(&all, most))].into(),
        ),
        model("loaddensity_iteration_ms", unsaid, Some("ms"), Times, run(capped(&all, day))),
        model("loaddensity_depth", "How deep", None, Numbers, run(capped(&thirds, most))),
    ]
}

fn judge_text(models: &[OwnModel], page: &[u8], has_exponentials: bool) {
    let page = prometheus::parse(page).unwrap_or_else(|error| panic!("{error}"));
    for model in models {
        let family = page.family(model.family).unwrap_or_else(|| panic!("no {}", model.family));
        let kind = match model.shape {
            OwnShape::Counter => prometheus::FamilyType::Counter,
            OwnShape::Times | OwnShape::Numbers => prometheus::FamilyType::Histogram,
        };
        assert_eq!((family.kind, family.help.as_deref()), (kind, Some(model.help)), "{}", model.family);
        let sample = |sample: &prometheus::TextSample<'_>| {
            let labels = observed(sample.labels.iter().map(|(name, value)| (*name, value.as_ref())), &[]);
            ((sample.name.to_owned(), labels), sample.text.to_owned())
        };
        let shown: OwnLines = family.samples.iter().map(sample).collect();
        assert_eq!(shown.len(), family.samples.len());
        assert_eq!(shown, model.lines(has_exponentials), "{}", model.family);
    }
}

fn judge_open(models: &[OwnModel], page: &[u8], has_exponentials: bool) {
    let page = openmetrics::parse(page).unwrap_or_else(|error| panic!("{error}"));
    for model in models {
        let family = page.families.iter().find(|family| family.name == model.open_family());
        let family = family.unwrap_or_else(|| panic!("no {}", model.open_family()));
        let kind = if model.shape == OwnShape::Counter { "counter" } else { "histogram" };
        let about = (family.kind, family.unit, family.help.as_deref());
        assert_eq!(about, (kind, model.unit, Some(model.help)), "{}", model.family);
        let sample = |sample: &openmetrics::OpenMetricsSample<'_>| {
            assert_eq!(sample.exemplar, None);
            let labels = observed(sample.labels.iter().map(|(name, value)| (*name, value.as_str())), &[]);
            ((sample.name.to_owned(), labels), sample.text.to_owned())
        };
        let shown: OwnLines = family.samples.iter().map(sample).collect();
        assert_eq!(shown, model.lines(has_exponentials), "{}", model.family);
    }
}

fn judge_protobuf(models: &[OwnModel], body: &[u8], has_exponentials: bool) {
    let families = families::decode(body).unwrap_or_else(|error| panic!("{error}"));
    for model in models {
        let family = families.iter().find(|family| family.name() == model.family);
        let family = family.unwrap_or_else(|| panic!("no {}", model.family));
        let kind = if model.shape == OwnShape::Counter { 0 } else { 4 };
        let about = (family.r#type(), family.unit.as_deref(), family.help());
        assert_eq!(about, (kind, model.unit, model.help), "{}", model.family);
        let shown: BTreeMap<_, _> =
            family.metric.iter().map(|metric| (observed(metric.labels(), &[]), metric)).collect();
        assert!(shown.keys().eq(model.observed.keys()), "{}: {:?}", model.family, shown.keys());
        for (metric, values) in shown.values().zip(model.observed.values()) {
            judge_metric(model, metric, values, has_exponentials);
        }
    }
}

fn judge_metric(model: &OwnModel, metric: &families::ProtoMetric, values: &[u64], has_exponentials: bool) {
    let sum = values.iter().sum::<u64>() as f64;
    if model.shape == OwnShape::Counter {
        assert_eq!(metric.counter.as_ref().expect("a counter").value(), sum);
        return;
    }
    let is_time = model.shape == OwnShape::Times;
    let histogram = metric.histogram.as_ref().expect("a histogram");
    let expected_sum = if is_time { sum / 1e6 } else { sum };
    assert_eq!((histogram.sample_count(), histogram.sample_sum()), (values.len() as u64, expected_sum));
    let bounds = model.bounds(has_exponentials).iter().filter(|le| **le != "+Inf");
    let classic = bounds.map(|le| {
        let up_to = values.iter().filter(|value| **value as f64 <= model.largest(le)).count();
        (le.parse::<f64>().expect("a bound"), up_to as u64)
    });
    let shown = histogram.bucket.iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    assert!(histogram.bucket.iter().all(|bucket| bucket.exemplar.is_none()));
    assert_eq!(shown.collect::<Vec<_>>(), classic.collect::<Vec<_>>(), "{}", model.family);
    if !has_exponentials {
        assert_eq!(histogram.schema, None);
        return;
    }
    let mut native = BTreeMap::new();
    for value in values {
        let index = match model.shape {
            OwnShape::Times => native_bucket(*value as f64 / 1e6, 10, 20),
            OwnShape::Numbers | OwnShape::Counter => native_bucket(*value as f64, 127, 34),
        };
        *native.entry(index).or_insert(0) += 1;
    }
    let zeros = native.remove(&None).unwrap_or_default();
    let native: BTreeMap<i32, u64> = native.into_iter().filter_map(|(index, count)| Some((index?, count))).collect();
    assert_eq!((histogram.schema, histogram.zero_count()), (Some(3), zeros));
    assert_eq!(histogram.native().expect("checked when it was read"), native, "{}", model.family);
}

fn judge_everything<H: Histograms>(storage: &Engine<H>) {
    let (models, registry) = (observe_everything(storage), storage.registry());
    let has_exponentials = registry.has_exponentials();
    judge_text(&models, &page_of(registry), has_exponentials);
    judge_open(&models, &whole(Page::open_metrics(registry)), has_exponentials);
    judge_protobuf(&models, &body_of(Families::new(registry)), has_exponentials);
}

#[test]
fn what_was_observed_is_shown_exactly_whatever_the_storage_keeps() {
    judge_everything(&Box::<Engine>::default());
    judge_everything(&Box::<Engine<Classic>>::default());
}

/// From the first family of the engine's own to the first about exporters.
fn own_part(page: &[u8]) -> String {
    let page = str::from_utf8(page).expect("UTF-8");
    let begin = page.find("# HELP loaddensity_checks").expect("the first family of the engine's own");
    let end = page.find("# HELP loaddensity_exporter_recorded").expect("the first family about exporters");
    page[begin..end].to_owned()
}

fn buckets(name: &str, labels: &str, bounds: &[&str], count: impl Fn(f64) -> u64) -> String {
    let line = |le: &&str| {
        let bound = le.trim_start_matches('+').parse().expect("a bound");
        format!("{name}_bucket{{{labels}le=\"{le}\"}} {}\n", count(bound))
    };
    bounds.iter().map(line).collect()
}

#[test]
fn both_text_formats_have_the_lines_that_the_document_promises() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let failed = registry.counter("checks_failed", Unit::One, "Not \"ok\" \\ at all").expect("room");
    let sent = registry.run_counter("sent", Unit::Bytes, "").expect("room");
    let first_byte = registry.timer("first_byte", "First byte").expect("room");
    let depth = registry.run_histogram("depth", Unit::One, "Depth").expect("room");
    registry.timer("never", "Never observed").expect("room");
    let (mut recorder, series) = (registry.recorder(), registry.series("GET", "/x"));
    recorder.add(failed, series, 3);
    recorder.add_to_run(sent, 1_000);
    recorder.observe(first_byte, series, Duration::from_micros(850));
    recorder.observe(first_byte, series, Duration::from_nanos(1_500_001));
    recorder.observe_in_run(depth, 0);

    let constant = ConstantLabels::new([("run", "7")]).expect("a good label");
    for (constant, run) in [(ConstantLabels::NONE, ""), (constant, "run=\"7\"")] {
        let options = ScrapeOptions::default().constant_labels(&constant);
        let comma = if run.is_empty() { "" } else { "," };
        let (labels, run_labels) = (format!("method=\"GET\",name=\"/x\"{comma}{run}"), format!("{run}{comma}"));
        let of_run = if run.is_empty() { String::new() } else { format!("{{{run}}}") };
        let times = |bound: f64| if bound >= 4.0 { 2 } else { u64::from(bound >= 1.0) };
        let first_byte = buckets("loaddensity_first_byte_ms", &format!("{labels},"), &OWN_TIME_LE, times);
        let depth = buckets("loaddensity_depth", &run_labels, &OWN_NUMBER_LE, |_| 1);
        let expected = format!(
            "# HELP loaddensity_checks_failed_total Not \"ok\" \\\\ at all\n\
             # TYPE loaddensity_checks_failed_total counter\n\
             loaddensity_checks_failed_total{{{labels}}} 3\n\
             # HELP loaddensity_sent_bytes_total Measured by the load engine\n\
             # TYPE loaddensity_sent_bytes_total counter\n\
             loaddensity_sent_bytes_total{of_run} 1000\n\
             # HELP loaddensity_first_byte_ms First byte\n\
             # TYPE loaddensity_first_byte_ms histogram\n\
             {first_byte}\
             loaddensity_first_byte_ms_sum{{{labels}}} 2.350001\n\
             loaddensity_first_byte_ms_count{{{labels}}} 2\n\
             # HELP loaddensity_depth Depth\n\
             # TYPE loaddensity_depth histogram\n\
             {depth}\
             loaddensity_depth_sum{of_run} 0\n\
             loaddensity_depth_count{of_run} 1\n\
             # HELP loaddensity_never_ms Never observed\n\
             # TYPE loaddensity_never_ms histogram\n"
        );
        let created = Timestamp::from_unix_nanos(1_700_000_000_000_000_001);
        // The text format has no line for the time of creation.
        let options = options.created(created);
        assert_eq!(own_part(&whole(Page::new(registry).with_options(options.clone()))), expected);
        let expected = format!(
            "# HELP loaddensity_checks_failed Not \\\"ok\\\" \\\\ at all\n\
             # TYPE loaddensity_checks_failed counter\n\
             loaddensity_checks_failed_total{{{labels}}} 3\n\
             loaddensity_checks_failed_created{{{labels}}} 1700000000.000000001\n\
             # HELP loaddensity_sent_bytes Measured by the load engine\n\
             # TYPE loaddensity_sent_bytes counter\n\
             # UNIT loaddensity_sent_bytes bytes\n\
             loaddensity_sent_bytes_total{of_run} 1000\n\
             loaddensity_sent_bytes_created{of_run} 1700000000.000000001\n\
             # HELP loaddensity_first_byte_ms First byte\n\
             # TYPE loaddensity_first_byte_ms histogram\n\
             # UNIT loaddensity_first_byte_ms ms\n\
             {first_byte}\
             loaddensity_first_byte_ms_sum{{{labels}}} 2.350001\n\
             loaddensity_first_byte_ms_count{{{labels}}} 2\n\
             loaddensity_first_byte_ms_created{{{labels}}} 1700000000.000000001\n\
             # HELP loaddensity_depth Depth\n\
             # TYPE loaddensity_depth histogram\n\
             {depth}\
             loaddensity_depth_sum{of_run} 0\n\
             loaddensity_depth_count{of_run} 1\n\
             loaddensity_depth_created{of_run} 1700000000.000000001\n\
             # HELP loaddensity_never_ms Never observed\n\
             # TYPE loaddensity_never_ms histogram\n\
             # UNIT loaddensity_never_ms ms\n"
        );
        assert_eq!(own_part(&whole(Page::open_metrics(registry).with_options(options.clone()))), expected);
        let families = families::decode(&body_of(Families::new(registry).with_options(options))).expect("families");
        let own = families.iter().skip_while(|family| family.name() != "loaddensity_checks_failed_total").take(4);
        let expected = Some(families::ProtoTimestamp { seconds: 1_700_000_000, nanos: 1 });
        for metric in own.flat_map(|family| &family.metric) {
            let of_counter = metric.counter.as_ref().map(|counter| &counter.created_timestamp);
            let of_histogram = metric.histogram.as_ref().map(|histogram| &histogram.created_timestamp);
            assert_eq!(of_counter.or(of_histogram), Some(&expected), "{metric:?}");
        }
        assert!(families.iter().all(|family| family.name() != "loaddensity_never_ms"), "it has no metrics");
    }
}

/// The samples whose name begins so, each with the `name` of its series.
fn shown(registry: Registry<'_>, name: &str) -> Vec<String> {
    let page = page_of(registry);
    let page = prometheus::parse(&page).expect("a page");
    let of_name = page.samples().filter(|sample| sample.name.starts_with(name));
    of_name.map(|sample| format!("{} {}", sample.label("name").unwrap_or_default(), sample.text)).collect()
}

#[test]
fn a_counter_is_zero_before_it_is_raised_and_a_histogram_is_not_there_before_it_has_a_value() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let failed = registry.counter("failed", Unit::One, "").expect("room");
    let run = registry.run_counter("iterations", Unit::One, "").expect("room");
    let (timer, run_timer) = (registry.timer("a", "").expect("room"), registry.run_timer("b", "").expect("room"));
    let (idle, busy) = (registry.series("GET", "/idle"), registry.series("GET", "/busy"));
    let mut recorder = registry.recorder();
    let now = || {
        ["loaddensity_failed", "loaddensity_iterations", "loaddensity_a_ms_count", "loaddensity_b_ms_count"]
            .map(|name| shown(registry, name).join(", "))
    };
    assert_eq!(now(), ["", " 0", "", ""]);
    recorder.record(busy, Sample::ok(Duration::ZERO));
    assert_eq!(now(), ["/busy 0", " 0", "", ""]);
    recorder.observe(timer, idle, Duration::ZERO);
    recorder.observe_in_run(run_timer, Duration::ZERO);
    assert_eq!(now(), ["/idle 0, /busy 0", " 0", "/idle 1", " 1"]);
    recorder.add(failed, busy, 2);
    recorder.add_to_run(run, 7);
    assert_eq!(now(), ["/idle 0, /busy 2", " 7", "/idle 1", " 1"]);
    recorder.add_to_run(failed, 5);
    assert_eq!(now(), ["overflow 5, /idle 0, /busy 2", " 7", "/idle 1", " 1"]);
}

#[test]
fn a_series_with_observations_and_without_requests_shows_nothing_of_requests() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let failed = registry.counter("failed", Unit::One, "").expect("room");
    let (observed, interned) = (registry.series("GET", "/observed"), registry.series("GET", "/interned"));
    let mut recorder = registry.recorder();
    let requests = || {
        ["loaddensity_requests", "loaddensity_request_latency_ms_count", "loaddensity_response_bytes_count"]
            .map(|name| shown(registry, name).join(", "))
    };
    recorder.add(failed, observed, 1);
    recorder.add(failed, Series::OVERFLOW, 1);
    // One of which nothing was counted is shown at zero, as it is without instruments.
    assert_eq!(requests(), ["/interned 0, /interned 0", "/interned 0", "/interned 0"]);
    assert_eq!(shown(registry, "loaddensity_failed"), ["overflow 1", "/observed 1"]);
    let metrics = families::decode(&body_of(Families::new(registry))).expect("families");
    assert_eq!(metrics[0].metric.iter().filter(|metric| metric.label("name") == Some("/observed")).count(), 0);
    recorder.record(observed, Sample::ok(Duration::ZERO));
    recorder.add(failed, interned, 1);
    assert_eq!(requests(), ["/observed 1, /observed 0", "/observed 1", "/observed 1"]);
}

#[test]
fn a_page_without_declared_instruments_is_the_same_whatever_there_is_room_for() {
    let (with, without) = (Box::<Engine>::default(), Box::<Storage<8, 2, 2>>::default());
    let pages = [with.registry(), without.registry()].map(|registry| {
        let (mut recorder, series) = (registry.recorder(), registry.series("GET", "/x"));
        recorder.record(series, Sample::ok(Duration::from_millis(7)));
        registry.series("GET", "/idle");
        registry.gauge("users").expect("room").set(5.0);
        [page_of(registry), whole(Page::open_metrics(registry)), body_of(Families::new(registry))]
    });
    assert_eq!(pages[0], pages[1]);
}

#[test]
fn accounts_of_observations_are_shown_once_an_instrument_is_declared() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let accounts = registry.pump().expect("the only pump").accounts();
    accounts.open(Exporter::Prometheus);
    accounts.observations().open(Exporter::Prometheus);
    let statsd = accounts.observations().open(Exporter::Statsd);
    for page in [page_of(registry), whole(Page::open_metrics(registry)), body_of(Families::new(registry))] {
        assert!(!String::from_utf8_lossy(&page).contains("exporter_observations"), "none is declared");
    }
    let failed = registry.counter("failed", Unit::One, "").expect("room");
    let depth = registry.run_histogram("depth", Unit::One, "").expect("room");
    let (mut recorder, series) = (registry.recorder(), registry.series("GET", "/a"));
    (0..3).for_each(|by| recorder.add(failed, series, by));
    recorder.add(failed, Series::OVERFLOW, 1);
    (0..2).for_each(|value| recorder.observe_in_run(depth, value));
    statsd.add_sent(4);
    statsd.add_dropped(DropReason::Rejected, 1);

    let mut page = Page::new(registry);
    let mut bytes = Vec::new();
    let mut buffer = [0; MAX_LINE];
    while let Some(length) = page.fill(&mut buffer).ok().filter(|length| *length != 0) {
        bytes.extend_from_slice(&buffer[..length]);
    }
    let totals = PageTotals { requests: 0, observations: 6 };
    assert_eq!(page.totals(), totals);
    let text = prometheus::parse(&bytes).expect("a page");
    let value = |name: &str, labels: &[(&str, &str)]| {
        text.sample(&format!("loaddensity_exporter_observations_{name}"), labels).map(|sample| sample.value)
    };
    let kept = |exporter: &str| {
        let of = |name| value(name, &[("exporter", exporter)]);
        let rejected = value("dropped_total", &[("exporter", exporter), ("cause", "rejected")]);
        [of("recorded_total"), of("sent_total"), rejected, of("held")].map(|value| value.map(|value| value as u64))
    };
    assert_eq!(kept("prometheus"), [6, 0, 0, 6].map(Some));
    assert_eq!(kept("statsd"), [6, 4, 1, 1].map(Some));
    assert_eq!(kept("influxdb"), [None; 4], "it has no account");
    openmetrics::parse(&whole(Page::open_metrics(registry))).expect("an OpenMetrics page");
    let body = families::decode(&body_of(Families::new(registry))).expect("families");
    assert_eq!(body.iter().filter(|family| family.name().contains("exporter_observations")).count(), 4);

    accounts.delivered(Exporter::Prometheus, totals);
    let account = registry.observation_account(Exporter::Prometheus);
    assert_eq!((account.recorded, account.sent, account.held), (6, 6, 0));
    // What another exporter has sent since is not older than what a page shows.
    let mut page = Page::new(registry);
    let mut bytes = Vec::new();
    while let Some(length) = page.fill(&mut buffer[..700]).ok().filter(|length| *length != 0) {
        bytes.extend_from_slice(&buffer[..length]);
        (0..9).for_each(|_| recorder.add(failed, series, 1));
        statsd.add_sent(9);
    }
    let text = prometheus::parse(&bytes).expect("a page");
    let statsd = |name: &str| {
        let name = format!("loaddensity_exporter_observations_{name}");
        text.sample(&name, &[("exporter", "statsd")]).map(|sample| sample.value)
    };
    assert_eq!(statsd("recorded_total"), statsd("sent_total").map(|sent| sent + 1.0), "one was rejected");
}

/// The page in buffers of this many bytes, and after looking ahead so far.
fn in_pieces(mut page: Page<'_>, length: usize, ahead: usize) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0xff; length]);
    loop {
        while !page.look_ahead(ahead) {}
        match page.fill(&mut buffer).expect("room for a line") {
            0 => return bytes,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

#[test]
fn a_page_is_the_same_in_pieces_of_any_size() {
    let storage = Box::<Engine>::default();
    observe_everything(&storage);
    let registry = storage.registry();
    let created = ScrapeOptions::default().created(Timestamp::from_unix_nanos(1));
    let text = page_of(registry);
    let open = whole(Page::open_metrics(registry).with_options(created.clone()));
    let longest = |page: &[u8]| page.split(|byte| *byte == b'\n').map(|line| line.len() + 1).max().expect("lines");
    // The lines of a header are written together.
    let least = 2 * longest(&text).max(longest(&open)) + 64;
    for length in (least..least + 40).chain([1_000, 4_096, MAX_LINE, 1 << 20]) {
        for ahead in [0, 1, 64] {
            assert!(in_pieces(Page::new(registry), length, ahead) == text, "{length} {ahead}");
            let page = Page::open_metrics(registry).with_options(created.clone());
            assert!(in_pieces(page, length, ahead) == open, "{length} {ahead}");
        }
    }
    // What does not fit is told and not lost.
    let (mut page, mut bytes, mut room) = (Page::new(registry), Vec::new(), 1);
    loop {
        let mut buffer = vec![0; room];
        match page.fill(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) => assert_eq!(error.needed, MAX_LINE),
        }
        room = if room > least { 1 } else { room + 29 };
    }
    assert!(bytes == text);
}

/// The longest names, labels and descriptions, all of which are escaped.
#[test]
fn the_longest_lines_and_metrics_fit_into_what_is_promised() {
    let storage = Box::<Engine>::default();
    let registry = storage.registry();
    let (long, quotes) = ("n".repeat(48), "\"".repeat(128));
    let counter = registry.counter(&long, Unit::Bytes, &quotes).expect("room");
    let histogram = registry.histogram(&long.replace('n', "m"), Unit::Bytes, &quotes).expect("room");
    let (method, name, value) = ("\"".repeat(32), "\"".repeat(255), "\"".repeat((LABEL_BYTES - LABELS - 6) / 2));
    let labels = ["i", "j", "k", "l", "m", "n", "o", "p"].map(|key| (key, if key < "o" { "\"" } else { &*value }));
    let series = registry.series_with_labels(&method, &name, labels).expect("labels that just fit");
    let mut recorder = registry.recorder();
    recorder.add(counter, series, u64::MAX);
    // Every second exponential bucket is its own span.
    for power in 0..34 {
        for eighth in [0.1, 0.35, 0.6, 0.85_f64] {
            recorder.observe(histogram, series, ((f64::from(power) + eighth).exp2()) as u64);
        }
    }
    let quotes = "\"".repeat(253);
    let constant = ConstantLabels::new(["a", "b", "c", "d"].map(|name| (name, &*quotes))).expect("they just fit");
    let options = ScrapeOptions::default().constant_labels(&constant).created(Timestamp::from_unix_nanos(u64::MAX));
    for page in [Page::new(registry), Page::open_metrics(registry)] {
        let (mut page, mut buffer, mut bytes) = (page.with_options(options.clone()), [0; MAX_LINE], Vec::new());
        loop {
            match page.fill(&mut buffer).expect("it holds any line") {
                0 => break,
                length => bytes.extend_from_slice(&buffer[..length]),
            }
        }
        let name = format!("loaddensity_{}_bytes_bucket{{", long.replace('n', "m"));
        assert!(bytes.windows(name.len()).any(|window| window == name.as_bytes()));
    }
    // In room for the longest metric.
    let body = body_of(Families::new(registry).with_options(options));
    let families = families::decode(&body).expect("families");
    assert!(families.iter().flat_map(|family| &family.metric).all(|metric| metric.label("d") == Some(&*quotes)));
}

#[test]
fn series_that_show_nothing_are_passed_over_in_turns() {
    const SERIES: usize = 1_000;
    // Too large for a stack.
    static STORAGE: Storage<1_002, 1, 2, Classic, 0, 1> = Storage::new();
    let registry = STORAGE.registry();
    let timer = registry.timer("first_byte", "").expect("room");
    let series: Vec<_> = (0..SERIES).map(|number| registry.series("GET", &format!("/{number}"))).collect();
    let last = series[SERIES - 1];
    registry.recorder().observe(timer, last, Duration::ZERO);

    let (mut page, mut buffer, mut bytes) = (Page::new(registry), vec![0; 1 << 22], Vec::new());
    let mut looks = 0;
    loop {
        while !page.look_ahead(10) {
            looks += 1;
        }
        match page.fill(&mut buffer).expect("room") {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
        // It hands out the families of requests, which fit, before it looks for what comes after a long gap.
        if looks == 0 {
            let handed_out = str::from_utf8(&bytes).expect("UTF-8");
            assert!(handed_out.ends_with("# TYPE loaddensity_first_byte_ms histogram\n"), "{}", bytes.len());
        }
    }
    assert!((80..=100).contains(&looks), "{looks}");
    assert!(bytes == page_of(registry));
    assert_eq!(shown(registry, "loaddensity_first_byte_ms_count"), [format!("/{} 1", SERIES - 1)]);

    let (mut families, mut body, mut metrics, mut looks) = (Families::new(registry), Vec::new(), Vec::new(), 0);
    while !families.is_complete() {
        while !families.look_ahead(10) {
            looks += 1;
        }
        match families.next_metric(&mut buffer).expect("room") {
            Some(metric) => metrics.extend_from_slice(metric),
            None => {
                body.extend_from_slice(families.finish_family(metrics.len(), &mut buffer).expect("room"));
                body.append(&mut metrics);
            }
        }
    }
    assert!((80..=100).contains(&looks), "{looks}");
    assert!(body == body_of(Families::new(registry)));
}

/// The handles, declared by whoever comes first.
fn declare(registry: Registry<'_>) -> (Counter, Histogram<Duration>, Histogram<u64>) {
    (
        registry.counter("failed", Unit::One, "").expect("room"),
        registry.timer("first_byte", "").expect("room"),
        registry.run_histogram("depth", Unit::One, "").expect("room"),
    )
}

#[test]
fn pages_are_right_while_others_declare_and_observe() {
    static STORAGE: Engine = Storage::new();
    let registry = STORAGE.registry();
    let series = [registry.series("GET", "/a"), registry.series("GET", "/b")];
    let running = AtomicBool::new(true);
    thread::scope(|scope| {
        let recorders: Vec<_> = (0..3).map(|_| registry.recorder()).collect();
        let threads: Vec<_> = recorders
            .into_iter()
            .map(|mut recorder| {
                scope.spawn(move || {
                    let (failed, first_byte, depth) = declare(registry);
                    for number in 0..100_000_u64 {
                        let series = series[(number % 2) as usize];
                        recorder.add(failed, series, 1);
                        recorder.observe(first_byte, series, Duration::from_nanos(number * number));
                        recorder.observe_in_run(depth, number);
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            let mut before = 0.0;
            while running.load(Ordering::Acquire) {
                // The parsers refuse a histogram whose parts do not agree.
                let text = page_of(registry);
                let text = prometheus::parse(&text).unwrap_or_else(|error| panic!("{error}"));
                let open = whole(Page::open_metrics(registry));
                openmetrics::parse(&open).unwrap_or_else(|error| panic!("{error}"));
                families::decode(&body_of(Families::new(registry))).unwrap_or_else(|error| panic!("{error}"));
                let count = text.sample("loaddensity_depth_count", &[]).map_or(0.0, |sample| sample.value);
                assert!(count >= before, "{count} after {before}");
                before = count;
            }
        });
        let ended: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
        running.store(false, Ordering::Release);
        ended.into_iter().for_each(|end| end.expect("it ends"));
        reader.join().expect("it ends");
    });
    assert_eq!(shown(registry, "loaddensity_failed"), ["/a 150000", "/b 150000"]);
    assert_eq!(shown(registry, "loaddensity_first_byte_ms_count"), ["/a 150000", "/b 150000"]);
    assert_eq!(shown(registry, "loaddensity_depth_count"), [" 300000"]);
}
