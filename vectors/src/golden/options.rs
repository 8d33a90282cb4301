//! What a golden case asks for besides the contract.

use std::collections::BTreeMap;
use std::time::Duration;

use loaddensity_metrics_core::dogstatsd::{Cardinality, ConstantTags, Origin};
use loaddensity_metrics_core::influxdb::{Precision, StatusCode};
use loaddensity_metrics_core::otlp::{self, HistogramAggregation, Resource};
use loaddensity_metrics_core::{Bounds, ConstantLabels, SampleRate, StatusLabel, Timestamp};
use serde_json::{Map, Value};

/// The member `options` of `case.json`. Without it, all is as the contract has it.
#[derive(Clone, Debug)]
pub struct CaseOptions {
    /// Whether nothing is asked for, and there are no instruments of the engine's own.
    pub is_contract: bool,
    /// What the label `status` tells.
    pub status_label: Option<StatusLabel>,
    /// Whether the label `error_type` is on.
    pub error_label: bool,
    /// Bounds other than the contract's.
    pub bounds: Option<Bounds>,
    /// Constant labels and tags, and attributes of the resource, sorted by key.
    pub constant: BTreeMap<String, String>,
    /// Gauges that the engine has set.
    pub gauges: BTreeMap<String, f64>,
    /// Since when the registry has counted, where a page says that.
    pub created: Option<Timestamp>,
    /// Where lines have the status code.
    pub status_code: StatusCode,
    /// Precision of points that are not one request's.
    pub precision: Precision,
    /// What messages have in them.
    pub dogstatsd: Dogstatsd,
    /// What an export shows.
    pub otlp: otlp::ExportOptions,
    /// Whether an export is of an interval.
    pub is_delta: bool,
}

/// What messages of DogStatsD have in them.
#[derive(Clone, Debug)]
pub struct Dogstatsd {
    /// Whether values are distributions.
    pub distributions: bool,
    /// Which part of the requests a message says that it stands for.
    pub sample_rate: SampleRate,
    /// Whether counts have a time.
    pub timestamps: bool,
    /// Container id.
    pub container: Option<String>,
    /// External data.
    pub external: Option<String>,
    /// Cardinality.
    pub cardinality: Option<Cardinality>,
}

impl CaseOptions {
    /// The constant labels.
    ///
    /// # Panics
    /// If one cannot be shown, here and in the next two.
    #[must_use]
    pub fn constant_labels(&self) -> ConstantLabels {
        ConstantLabels::new(self.pairs()).expect("good labels")
    }

    /// The same as tags of DogStatsD.
    #[must_use]
    pub fn constant_tags(&self) -> ConstantTags {
        ConstantTags::new(self.pairs()).expect("good tags")
    }

    /// The same as attributes of the resource of a service.
    #[must_use]
    pub fn resource(&self, service_name: &str) -> Resource {
        let mut resource = Resource::new(service_name);
        self.pairs().for_each(|(key, value)| resource.put(key, value).expect("a good attribute"));
        resource
    }

    pub(super) fn read(options: Option<Value>) -> Self {
        let is_contract = options.is_none();
        let mut members = Members::of(options);
        let mut influxdb = Members::of(members.take("influxdb"));
        let mut otlp = Members::of(members.take("otlp"));
        let options = Self {
            is_contract,
            status_label: members.one_of("status_label", [("class", StatusLabel::Class), ("code", StatusLabel::Code)]),
            error_label: members.is_true("error_label"),
            bounds: members.take("bounds").map(bounds),
            constant: members.each("constant", |value| value.as_str().map(str::to_owned)),
            gauges: members.each("gauges", Value::as_f64),
            created: members.take("created").and_then(|at| at.as_u64()).map(Timestamp::from_unix_nanos),
            status_code: influxdb.one_of("status_code", STATUS_CODES).unwrap_or_default(),
            precision: influxdb.one_of("precision", Precision::ALL.map(|one| (one.v2(), one))).unwrap_or_default(),
            dogstatsd: Dogstatsd::read(members.take("dogstatsd")),
            otlp: otlp::ExportOptions {
                histograms: otlp
                    .one_of("histograms", [("exponential", HistogramAggregation::Exponential)])
                    .unwrap_or_default(),
                min_max: otlp.is_true("min_max"),
                exemplars: otlp.is_true("exemplars"),
                http_client_duration: otlp.is_true("http_client_duration"),
            },
            is_delta: otlp.one_of("temporality", [("delta", ())]).is_some(),
        };
        [members, influxdb, otlp].into_iter().for_each(Members::end);
        options
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.constant.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

const STATUS_CODES: [(&str, StatusCode); 2] = [("tag", StatusCode::Tag), ("both", StatusCode::Both)];

impl Dogstatsd {
    /// Where messages come from.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        Origin {
            container: self.container.as_deref(),
            external: self.external.as_deref(),
            cardinality: self.cardinality,
        }
    }

    fn read(options: Option<Value>) -> Self {
        let mut members = Members::of(options);
        let rate = members.take("sample_rate").map(|rate| rate.as_f64().and_then(SampleRate::new));
        let read = Self {
            distributions: members.is_true("distributions"),
            sample_rate: rate.map_or(SampleRate::ALL, |rate| rate.expect("a rate from 0 to 1")),
            timestamps: members.is_true("timestamps"),
            container: members.text("container"),
            external: members.text("external"),
            cardinality: members.one_of("cardinality", Cardinality::ALL.map(|one| (one.as_str(), one))),
        };
        members.end();
        read
    }
}

fn bounds(value: Value) -> Bounds {
    let mut members = Members::of(Some(value));
    let mut list = |key: &str| -> Vec<u64> {
        serde_json::from_value(members.take(key).unwrap_or_default()).expect("a list of whole numbers")
    };
    let latencies: Vec<_> = list("latency_ns").into_iter().map(Duration::from_nanos).collect();
    let sizes = list("response_bytes");
    members.end();
    Bounds::new(&latencies, &sizes).expect("good bounds")
}

/// The members of an object, each taken once, so that one which nobody knows is noticed.
struct Members(Map<String, Value>);

impl Members {
    fn of(object: Option<Value>) -> Self {
        match object {
            None => Self(Map::new()),
            Some(Value::Object(members)) => Self(members),
            Some(other) => panic!("{other} is no object"),
        }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.0.remove(key)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key).map(|value| value.as_str().unwrap_or_else(|| panic!("{key} is no text")).to_owned())
    }

    fn is_true(&mut self, key: &str) -> bool {
        self.take(key).is_some_and(|value| value.as_bool().unwrap_or_else(|| panic!("{key} is neither true nor false")))
    }

    fn one_of<T: Copy, const N: usize>(&mut self, key: &str, names: [(&str, T); N]) -> Option<T> {
        let text = self.text(key)?;
        let known = names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        Some(known.unwrap_or_else(|| panic!("{key} has no {text:?}")))
    }

    /// Each member of the object that is a member.
    fn each<T>(&mut self, key: &str, read: impl Fn(&Value) -> Option<T>) -> BTreeMap<String, T> {
        let read = |(name, value): (String, Value)| {
            let value = read(&value).unwrap_or_else(|| panic!("{name} in {key} is {value}"));
            (name, value)
        };
        Self::of(self.take(key)).0.into_iter().map(read).collect()
    }

    fn end(self) {
        assert!(self.0.is_empty(), "unknown options {:?}", self.0.keys());
    }
}
