//! The naive model of a registry: every sample kept in a list, every number counted anew when it is asked for.

use crate::contract::{LATENCY_BOUNDS_MS, SIZE_BOUNDS, SeriesKey, Spelling};
use loaddensity_metrics_core::{
    ErrorKind, LabelError, Outcome, Recorder, Registry, Sample, Series, StatusLabel, TraceContext,
};
use std::collections::BTreeMap;
use std::time::Duration;

pub mod own;

use own::OwnValues;

/// What was recorded, by series.
#[derive(Clone, Debug, Default)]
pub struct Model {
    series: BTreeMap<Series, ModelSeries>,
    handles: BTreeMap<SeriesKey, Series>,
    gauges: BTreeMap<String, f64>,
    own: Vec<OwnValues>,
    /// Whether the label `error_type` is on.
    tells_kinds: bool,
}

/// One series and everything recorded for it.
#[derive(Clone, Debug)]
pub struct ModelSeries {
    /// How the engine spelled it first; the overflow series: `overflow`, twice.
    pub spelling: Spelling,
    /// Its samples in the order in which they were recorded.
    pub samples: Vec<Sample>,
    /// Those of them that have a trace, with it.
    pub traced: Vec<(Sample, TraceContext)>,
}

impl Model {
    /// A model of a registry that is still empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Interns a series through `recorder` and keeps it in mind.
    ///
    /// # Errors
    /// What the core says about the labels.
    ///
    /// # Panics
    /// If the core gives one handle to two series, or two handles to one.
    pub fn intern(&mut self, recorder: &mut Recorder<'_>, spelling: &Spelling) -> Result<Series, LabelError> {
        self.tells_kinds |= recorder.registry().has_error_label();
        let series = if spelling.labels.is_empty() {
            recorder.series(&spelling.method, &spelling.name)
        } else {
            recorder.series_with_labels(&spelling.method, &spelling.name, spelling.as_labels())?
        };
        self.note(series, spelling);
        Ok(series)
    }

    /// Keeps in mind that the core gave this handle to this spelling.
    ///
    /// # Panics
    /// If it gave the same to another series, or another to this one.
    pub fn note(&mut self, series: Series, spelling: &Spelling) {
        if series == Series::OVERFLOW {
            self.overflow();
            return;
        }
        let known = self.series.entry(series);
        let known = known.or_insert_with(|| ModelSeries::new(spelling.clone()));
        assert!(known.spelling.is_same(spelling), "{spelling:?} got the handle of {:?}", known.spelling);
        let handle = *self.handles.entry(spelling.identity()).or_insert(series);
        assert_eq!(handle, series, "{spelling:?} has two handles");
    }

    /// Records a sample through `recorder` and keeps it in mind, where the label `status` is on under the series that has
    /// it.
    pub fn record(&mut self, recorder: &mut Recorder<'_>, series: Series, sample: Sample) {
        recorder.record(series, sample);
        self.count(recorder, series, sample);
    }

    /// Records a sample under its method and name, which are interned by it, and keeps both in mind.
    ///
    /// # Panics
    /// As [`note`](Self::note).
    pub fn record_request(&mut self, recorder: &mut Recorder<'_>, spelling: &Spelling, sample: Sample) -> Series {
        recorder.record_request(&spelling.method, &spelling.name, sample);
        let series = recorder.series(&spelling.method, &spelling.name);
        self.note(series, spelling);
        self.count(recorder, series, sample);
        series
    }

    /// The same for a sample with a trace.
    pub fn record_traced(&mut self, recorder: &mut Recorder<'_>, series: Series, sample: Sample, trace: TraceContext) {
        recorder.record_traced(series, sample, trace);
        let known = self.count(recorder, series, sample);
        known.traced.extend(trace.is_some().then_some((sample, trace)));
    }

    /// Sets a gauge and keeps it in mind.
    ///
    /// # Panics
    /// If the core has no such gauge.
    pub fn set_gauge(&mut self, registry: Registry<'_>, name: &str, value: f64) {
        registry.gauge(name).expect("a good name and room").set(value);
        self.gauges.insert(name.to_owned(), value);
    }

    /// Names and numbers of the gauges that were set.
    #[must_use]
    pub fn gauges(&self) -> &BTreeMap<String, f64> {
        &self.gauges
    }

    /// Whether failures are shown by kind, as the registry was asked to.
    #[must_use]
    pub fn tells_kinds(&self) -> bool {
        self.tells_kinds
    }

    /// Every series that was interned, and the overflow series if something was recorded for it: not those that have
    /// observations alone, of which nothing of requests is shown.
    pub fn shown(&self) -> impl Iterator<Item = &ModelSeries> {
        let is_shown = |(series, known): &(&Series, &ModelSeries)| {
            !known.samples.is_empty() || **series != Series::OVERFLOW && !self.has_observations(**series)
        };
        self.series.iter().filter(is_shown).map(|(_, known)| known)
    }

    /// Takes in what another model of the same registry has in mind.
    ///
    /// # Panics
    /// As [`note`](Self::note), if the two disagree about a handle.
    pub fn merge(&mut self, other: Self) {
        for (series, known) in other.series {
            self.note(series, &known.spelling);
            let mine = self.series.entry(series).or_insert_with(ModelSeries::overflow);
            mine.samples.extend(known.samples);
            mine.traced.extend(known.traced);
        }
        self.gauges.extend(other.gauges);
        self.take_in_own(other.own);
        self.tells_kinds |= other.tells_kinds;
    }

    /// Every series, with its handle.
    pub fn by_handle(&self) -> impl Iterator<Item = (Series, &ModelSeries)> {
        self.series.iter().map(|(series, known)| (*series, known))
    }

    /// All handles.
    #[must_use]
    pub fn handles(&self) -> Vec<Series> {
        self.series.keys().copied().collect()
    }

    /// Number of all samples.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.series.values().map(|known| known.samples.len() as u64).sum()
    }

    fn count(&mut self, recorder: &Recorder<'_>, series: Series, sample: Sample) -> &mut ModelSeries {
        self.tells_kinds |= recorder.registry().has_error_label();
        let series = self.by_status(recorder, series, sample.status);
        let series = if self.series.contains_key(&series) { series } else { Series::OVERFLOW };
        let known = self.series.entry(series).or_insert_with(ModelSeries::overflow);
        known.samples.push(sample);
        known
    }

    fn by_status(&mut self, recorder: &Recorder<'_>, series: Series, status: u16) -> Series {
        let registry = recorder.registry();
        let (Some(label), Some(known)) = (registry.status_label(), self.series.get(&series)) else { return series };
        // What has such a label, as a series told apart before, stays what it is.
        if series == Series::OVERFLOW || known.spelling.labels.iter().any(|(key, _)| key == "status") {
            return series;
        }
        let mut spelling = known.spelling.clone();
        spelling.labels.push(("status".to_owned(), status_text(label, status)));
        let child = registry.series_of_status(series, status);
        self.note(child, &spelling);
        child
    }

    fn overflow(&mut self) -> &mut ModelSeries {
        self.series.entry(Series::OVERFLOW).or_insert_with(ModelSeries::overflow)
    }
}

impl ModelSeries {
    fn new(spelling: Spelling) -> Self {
        Self { spelling, samples: Vec::new(), traced: Vec::new() }
    }

    fn overflow() -> Self {
        Self::new(Spelling::new("overflow", "overflow"))
    }

    /// The exemplar of each latency bucket that has one, by the bucket's position: of each outcome the request that was
    /// recorded last, and of both outcomes the one that was completed later.
    #[must_use]
    pub fn exemplars(&self, outcome: Option<Outcome>) -> BTreeMap<usize, (Sample, TraceContext)> {
        let mut shown: BTreeMap<usize, (Sample, TraceContext)> = BTreeMap::new();
        for one in Outcome::ALL.into_iter().filter(|one| outcome.is_none_or(|outcome| outcome == *one)) {
            let of_one = self.traced.iter().filter(|(sample, _)| sample.outcome == one);
            let last: BTreeMap<_, _> = of_one.map(|traced| (bucket_of(&traced.0), *traced)).collect();
            for (bucket, traced) in last {
                let is_later = |other: &(Sample, TraceContext)| other.0.completed_at <= traced.0.completed_at;
                if shown.get(&bucket).is_none_or(is_later) {
                    shown.insert(bucket, traced);
                }
            }
        }
        shown
    }

    /// How many samples there are of each outcome and, where kinds are told, of each kind of failure, in the order in which
    /// they are shown.
    #[must_use]
    pub fn counts(&self, tells_kinds: bool) -> Vec<(Outcome, Option<&'static str>, u64)> {
        let [success, failure] = Outcome::ALL;
        let of = |outcome| self.of(Some(outcome)).count();
        let mut counts = vec![(success, None, of(success))];
        if tells_kinds {
            let of = |kind| self.samples.iter().filter(|sample| kind_text(sample) == Some(kind)).count() as u64;
            counts.extend(KIND_TEXTS.map(|kind| (failure, Some(kind), of(kind))));
        } else {
            counts.push((failure, None, of(failure)));
        }
        counts
    }

    /// Samples of one outcome, or of both.
    #[must_use]
    pub fn of(&self, outcome: Option<Outcome>) -> SampleSubset<'_> {
        let wanted = |sample: &&Sample| outcome.is_none_or(|outcome| sample.outcome == outcome);
        SampleSubset(self.samples.iter().filter(wanted).collect())
    }
}

/// Some samples of one series.
#[derive(Clone, Debug)]
pub struct SampleSubset<'a>(Vec<&'a Sample>);

impl SampleSubset<'_> {
    /// Each of them.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter().copied()
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// How many have at most this latency bucket's bound, for each bucket; the last is all.
    #[must_use]
    pub fn latencies_up_to(&self) -> Vec<u64> {
        let at_most = |bound: u64| self.0.iter().filter(move |s| s.latency.as_nanos() <= u128::from(bound) * 1_000_000);
        let bounded = LATENCY_BOUNDS_MS.iter().map(|bound| at_most(*bound).count() as u64);
        bounded.chain([self.count()]).collect()
    }

    /// How many have at most this size bucket's bound, for each bucket; the last is all.
    #[must_use]
    pub fn sizes_up_to(&self) -> Vec<u64> {
        let at_most = |bound: u64| self.0.iter().filter(|s| s.response_bytes <= bound).count() as u64;
        SIZE_BOUNDS.iter().map(|bound| at_most(*bound)).chain([self.count()]).collect()
    }

    /// Sum of the latencies in nanoseconds; beyond 2^64 it begins anew, as counters do.
    #[must_use]
    pub fn latency_sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, sample| sum.wrapping_add(nanos(sample)))
    }

    /// Sum of the sizes in bytes; beyond 2^64 it begins anew.
    #[must_use]
    pub fn size_sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, sample| sum.wrapping_add(bytes(sample)))
    }
}

/// What the label `error_type` says of a sample: of a failure what the engine has said, else whether its status was the
/// reason.
#[must_use]
pub fn kind_text(sample: &Sample) -> Option<&'static str> {
    match (sample.outcome, sample.error) {
        (Outcome::Success, _) => None,
        (_, Some(ErrorKind::Connect)) => Some("connect"),
        (_, Some(ErrorKind::Timeout)) => Some("timeout"),
        (_, Some(ErrorKind::Reset)) => Some("reset"),
        (_, Some(ErrorKind::Tls)) => Some("tls"),
        (_, Some(ErrorKind::Protocol)) => Some("protocol"),
        (_, Some(ErrorKind::Status)) => Some("status"),
        (_, None) if sample.status >= 400 => Some("status"),
        _ => Some("other"),
    }
}

/// The values of that label.
pub const KIND_TEXTS: [&str; 7] = ["connect", "timeout", "reset", "tls", "protocol", "status", "other"];

/// The position of the latency bucket in which a sample counts.
fn bucket_of(sample: &Sample) -> usize {
    LATENCY_BOUNDS_MS.iter().filter(|bound| nanos(sample) > **bound * 1_000_000).count()
}

/// A sample's latency in nanoseconds, at most a day.
#[must_use]
pub fn nanos(sample: &Sample) -> u64 {
    sample.latency.min(Duration::from_secs(86_400)).as_nanos() as u64
}

/// A sample's size in bytes, at most 1 PiB.
#[must_use]
pub fn bytes(sample: &Sample) -> u64 {
    sample.response_bytes.min(1 << 50)
}

/// From cumulative buckets to separate ones.
#[must_use]
pub fn separate(cumulative: &[u64]) -> Vec<u64> {
    let before = [0].iter().chain(cumulative);
    cumulative.iter().zip(before).map(|(up_to, below)| up_to - below).collect()
}

/// What the label `status` says.
fn status_text(label: StatusLabel, status: u16) -> String {
    match (status / 100, label) {
        _ if status == 0 => "none".to_owned(),
        (1..=5, StatusLabel::Code) => status.to_string(),
        (class @ 1..=5, StatusLabel::Class) => format!("{class}xx"),
        _ => "other".to_owned(),
    }
}
