//! Golden cases: requests described in `vectors/golden/<case>/case.json`, with the options under which they are shown,
//! and beside them what reference encoders (`ci/golden`) make of those requests in each format.
//!
//! Each case is a fuzz seed as well: [`check::seed`](crate::check::seed) says the same as a program.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use loaddensity_metrics_core::{ErrorKind, Outcome, Registry, Sample, Timestamp, TraceContext};
use serde_json::Value;

use crate::contract::Spelling;
use crate::model::own::OwnDeclared;

mod options;
mod own;
pub mod read;

pub use options::{CaseOptions, Dogstatsd};
pub use own::CaseObservation;

/// Series of the storage in which a case is replayed, that of the overflow among them: what the reference encoders count
/// with.
pub const CAPACITY: usize = 16;

/// One folder.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    /// The requests, in their order.
    pub requests: Vec<(Spelling, Sample)>,
    /// The trace of each request; all zero where it has none.
    pub traces: Vec<TraceContext>,
    /// Instruments of the engine's own, in the order in which they are declared.
    pub instruments: Vec<OwnDeclared>,
    /// What is observed with them, after the requests.
    pub observations: Vec<CaseObservation>,
    /// What is not as the contract has it.
    pub options: CaseOptions,
    folder: PathBuf,
}

impl Case {
    /// All cases, sorted by name.
    ///
    /// # Panics
    /// If there is none, or one cannot be read.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
        let folders = fs::read_dir(&root).unwrap_or_else(|error| panic!("{}: {error}", root.display()));
        let mut cases: Vec<_> = folders.map(|entry| Self::read(entry.expect("a readable folder").path())).collect();
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(!cases.is_empty(), "no case in {}", root.display());
        cases
    }

    /// What the reference encoder of a format wrote: the bytes of `file`.
    ///
    /// # Panics
    /// If it is missing: `ci/golden.sh` makes it.
    #[must_use]
    pub fn expected(&self, file: &str) -> Vec<u8> {
        let path = self.folder.join(file);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; ci/golden.sh makes it", path.display()))
    }

    /// Sets on a new registry what the options ask for, and declares the instruments: bounds, labels `status` and `error_type`,
    /// gauges.
    ///
    /// # Panics
    /// If the registry is in use, or refuses something.
    pub fn prepare(&self, registry: Registry<'_>) {
        if let Some(bounds) = &self.options.bounds {
            registry.set_bounds(bounds).expect("a registry without requests");
        }
        if let Some(label) = self.options.status_label {
            registry.set_status_label(label).expect("a registry without recorders");
        }
        if self.options.error_label {
            registry.set_error_label().expect("a registry without recorders");
        }
        for (name, value) in &self.options.gauges {
            registry.gauge(name).expect("a good name").set(*value);
        }
        self.instruments.iter().for_each(|instrument| instrument.declare(registry));
    }

    /// Records the requests, with their traces, and the observations.
    ///
    /// # Panics
    /// If the registry refuses a label.
    pub fn record(&self, registry: Registry<'_>) {
        let mut recorder = registry.recorder();
        for ((spelling, sample), trace) in self.requests.iter().zip(&self.traces) {
            let series = recorder.series_with_labels(&spelling.method, &spelling.name, spelling.as_labels());
            recorder.record_traced(series.expect("good labels"), *sample, *trace);
        }
        for CaseObservation { instrument, spelling, value } in &self.observations {
            let series = spelling.as_ref().map(|spelling| {
                let labels = spelling.as_labels();
                registry.series_with_labels(&spelling.method, &spelling.name, labels).expect("good labels")
            });
            self.instruments[*instrument].record(&mut recorder, series, *value);
        }
    }

    /// The series in the order in which they first appear.
    #[must_use]
    pub fn series(&self) -> Vec<&Spelling> {
        let mut series: Vec<&Spelling> = Vec::new();
        let observed = self.observations.iter().filter_map(|observation| observation.spelling.as_ref());
        for spelling in self.requests.iter().map(|(spelling, _)| spelling).chain(observed) {
            if !series.iter().any(|known| known.is_same(spelling)) {
                series.push(spelling);
            }
        }
        series
    }

    fn read(folder: PathBuf) -> Self {
        let path = folder.join("case.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let case: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let list = case["requests"].as_array().expect("a list of requests");
        let (requests, traces) = list.iter().map(|value| (request(value), trace(value))).unzip();
        let instruments = own::instruments(&case);
        let observations = own::observations(&case, &instruments);
        let mut options = CaseOptions::read(case.get("options").cloned());
        options.is_contract &= instruments.is_empty();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        Self { name, requests, traces, instruments, observations, options, folder }
    }
}

fn request(value: &Value) -> (Spelling, Sample) {
    let text = |key: &str| value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}")).to_owned();
    let number = |key: &str| value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value}"));
    let outcome = Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text("outcome"));
    let sample = Sample::new(outcome.expect("success or failure"), Duration::from_nanos(number("latency_ns")))
        .status(u16::try_from(number("status")).expect("a status"))
        .response_bytes(number("response_bytes"))
        .completed_at(Timestamp::from_unix_nanos(number("completed_at")));
    (spelling(value), with_error(sample, value))
}

fn spelling(value: &Value) -> Spelling {
    let text = |key: &str| value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"));
    let labels: BTreeMap<String, String> =
        serde_json::from_value(value.get("labels").cloned().unwrap_or_else(|| Value::Object(Default::default())))
            .expect("labels are texts");
    Spelling { labels: labels.into_iter().collect(), ..Spelling::new(text("method"), text("name")) }
}

fn with_error(sample: Sample, value: &Value) -> Sample {
    let Some(said) = value.get("error") else { return sample };
    let kind = ErrorKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == said.as_str());
    sample.error(kind.unwrap_or_else(|| panic!("no kind {said}")))
}

fn trace(value: &Value) -> TraceContext {
    let id = |key: &str| u128::from_str_radix(value[key].as_str().unwrap_or("0"), 16).expect("an id in hexadecimal");
    TraceContext { trace_id: id("trace_id").to_be_bytes(), span_id: (id("span_id") as u64).to_be_bytes() }
}
