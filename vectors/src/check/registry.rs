//! The registry under recorders that come and go: bytes are a schedule, and a naive model counts beside it.
//!
//! The first byte chooses the kind of histograms, and whether failures are counted by kind. Then come instructions, a byte each (modulo 8) with its operands: claim a
//! recorder (0), give one back (1), intern a series of few methods, names and labels (2, 3), record a sample by its handle (4,
//! 5) or by its method and name (6), or run what follows on two threads, a half each (7). There is one shard, so that all but
//! one recorder share the spill shard, and room for five series, so that others are folded into the overflow series.

use loaddensity_metrics_core::{
    Classic, ErrorKind, Exponential, Histograms, Outcome, Recorder, Registry, Sample, Series, Storage,
};
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use super::program::ProgramBytes;
use crate::contract::Spelling;
use crate::model::{KIND_TEXTS, Model, ModelSeries, kind_text, separate};
use crate::samples;

const SERIES: usize = 6;
/// Instructions after which a schedule ends, so that a long input does not make a slow check.
const MOST_INSTRUCTIONS: usize = 400;

/// Recorders on one registry, as a schedule has them.
///
/// # Panics
/// If the registry counts something else than the model.
pub fn registry(data: &[u8]) {
    let (choice, rest) = data.split_first().map_or((0, data), |(first, rest)| (*first, rest));
    match choice % 2 {
        0 => in_storage::<Classic>(rest, choice / 2 % 2 == 1),
        _ => in_storage::<Exponential>(rest, choice / 2 % 2 == 1),
    }
}

fn in_storage<H: Histograms>(data: &[u8], tells_kinds: bool) {
    let storage = Box::new(Storage::<SERIES, 1, 2, H>::new());
    let registry = storage.registry();
    if tells_kinds {
        registry.set_error_label().expect("nobody has counted yet");
    }
    let mut bytes = ProgramBytes(data);
    let mut alone = RecorderSchedule { is_alone: true, ..RecorderSchedule::new(registry) };
    alone.run(&mut bytes);
    let [live, spilled] = [false, true].map(|is_sharing| alone.recorders_with(is_sharing));
    let usage = registry.usage();
    assert_eq!((usage.recorders, usage.spill_recorders), (live, spilled));
    assert_eq!(usage.folded, alone.folded);
    let mut model = alone.model;
    is_counted(registry, &model);
    if !bytes.0.is_empty() {
        on_two_threads(registry, bytes.0).into_iter().for_each(|other| model.merge(other));
        is_counted(registry, &model);
    }
}

/// The registry has what the model has, series by series and in all.
fn is_counted(registry: Registry<'_>, model: &Model) {
    let known: BTreeSet<_> = model.handles().into_iter().chain([Series::OVERFLOW]).collect();
    assert_eq!(registry.each_series().collect::<BTreeSet<_>>(), known);
    assert_eq!(registry.usage().series, known.len() - 1);
    assert_eq!(registry.requests(), model.requests());
    assert_eq!(registry.totals().requests(), model.requests());
    model.by_handle().for_each(|(series, known)| is_counted_in(registry, series, known));
}

fn is_counted_in(registry: Registry<'_>, series: Series, known: &ModelSeries) {
    let totals = registry.series_totals(series);
    for (kind, text) in ErrorKind::ALL.into_iter().zip(KIND_TEXTS) {
        let expected = known.samples.iter().filter(|sample| kind_text(sample) == Some(text)).count() as u64;
        let expected = if registry.has_error_label() { expected } else { 0 };
        assert_eq!(totals.failures_of(kind), expected, "{text} of {known:?}");
    }
    for outcome in Outcome::ALL {
        let (of, at) = (known.of(Some(outcome)), outcome as usize);
        let (latencies, sizes) = (&totals.latencies[at], &totals.sizes[at]);
        assert_eq!(totals.by_outcome[at], of.count(), "{known:?}");
        assert_eq!((latencies.sum_ns, sizes.sum), (of.latency_sum(), of.size_sum()), "{known:?}");
        assert_eq!(latencies.buckets(), separate(&of.latencies_up_to()), "{known:?}");
        assert_eq!(sizes.buckets(), separate(&of.sizes_up_to()), "{known:?}");
    }
}

/// Runs a half of the bytes on each of two threads, while this one reads.
fn on_two_threads(registry: Registry<'_>, bytes: &[u8]) -> [Model; 2] {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    thread::scope(|scope| {
        let threads = [first, second].map(|half| {
            scope.spawn(move || {
                let mut schedule = RecorderSchedule::new(registry);
                schedule.run(&mut ProgramBytes(half));
                schedule.model
            })
        });
        let mut before = 0;
        while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
            let now = registry.requests();
            assert!(before <= now, "{before} requests became {now}");
            before = now;
            thread::yield_now();
        }
        threads.map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// What one thread does.
struct RecorderSchedule<'a> {
    registry: Registry<'a>,
    recorders: [Option<Recorder<'a>>; 3],
    model: Model,
    /// How often a series was asked for that there was no room for.
    folded: u64,
    /// Whether no other thread records.
    is_alone: bool,
}

impl<'a> RecorderSchedule<'a> {
    fn new(registry: Registry<'a>) -> Self {
        Self { registry, recorders: [const { None }; 3], model: Model::new(), folded: 0, is_alone: false }
    }

    /// Up to the end of the bytes, or to the instruction that asks for threads.
    fn run(&mut self, bytes: &mut ProgramBytes<'_>) {
        for _ in 0..MOST_INSTRUCTIONS {
            if bytes.0.is_empty() {
                break;
            }
            let (instruction, at) = (bytes.byte() % 8, usize::from(bytes.byte()) % self.recorders.len());
            match instruction {
                0 => self.claim(at),
                1 => self.recorders[at] = None,
                2 | 3 => self.intern(at, &spelling(bytes)),
                4 | 5 => self.record(at, bytes),
                6 => self.record_request(at, bytes),
                _ if self.is_alone => break,
                _ => {}
            }
        }
    }

    fn recorders_with(&self, is_sharing: bool) -> usize {
        self.recorders.iter().flatten().filter(|recorder| recorder.is_sharing() == is_sharing).count()
    }

    /// A new recorder in this place; one that was there is given back before.
    fn claim(&mut self, at: usize) {
        self.recorders[at] = None;
        let recorder = self.registry.recorder();
        assert!(!self.is_alone || recorder.is_sharing() == (self.recorders_with(false) == 1), "{recorder:?}");
        self.recorders[at] = Some(recorder);
    }

    fn intern(&mut self, at: usize, spelling: &Spelling) {
        let Some(recorder) = &mut self.recorders[at] else { return };
        // Labels may be refused; then there is no series to keep in mind.
        if let Ok(series) = self.model.intern(recorder, spelling) {
            self.was_asked_for(series, spelling, 1);
        }
    }

    fn record(&mut self, at: usize, bytes: &mut ProgramBytes<'_>) {
        let (handles, which, sample) = (self.model.handles(), usize::from(bytes.byte()), sample(bytes));
        let series = handles.get(which % handles.len().max(1)).copied().unwrap_or(Series::OVERFLOW);
        if let Some(recorder) = &mut self.recorders[at] {
            self.model.record(recorder, series, sample);
        }
    }

    fn record_request(&mut self, at: usize, bytes: &mut ProgramBytes<'_>) {
        let spelling = Spelling { labels: Vec::new(), ..spelling(bytes) };
        let sample = sample(bytes);
        let Some(recorder) = &mut self.recorders[at] else { return };
        let series = self.model.record_request(recorder, &spelling, sample);
        self.was_asked_for(series, &spelling, 2);
    }

    /// Only what there is no room for is folded, and that is counted as often as it was asked for. Beside another thread, one
    /// may be folded because the last place was just being taken.
    fn was_asked_for(&mut self, series: Series, spelling: &Spelling, times: u64) {
        if series != Series::OVERFLOW || spelling.is_same(&Spelling::new("overflow", "overflow")) {
            return;
        }
        self.folded += times;
        assert!(!self.is_alone || self.registry.usage().series == SERIES - 1, "{spelling:?} was folded too early");
    }
}

/// One of few series, some of which are the same in other words.
fn spelling(bytes: &mut ProgramBytes<'_>) -> Spelling {
    const LABELS: [&[(&str, &str)]; 6] = [
        &[],
        &[("region", "eu")],
        &[("region", "eu"), ("zone", "")],
        &[("zone", "1"), ("region", "eu")],
        &[("region", "eu"), ("zone", "1")],
        &[("9", "refused")],
    ];
    let (method, name) = (usize::from(bytes.byte()), usize::from(bytes.byte()));
    let long = "é".repeat(200);
    let labels = LABELS[name / 5 % LABELS.len()].iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Spelling {
        labels: labels.collect(),
        ..Spelling::new(["GET", "", "REQ", "overflow"][method % 4], ["a", "", "unknown", "overflow", &long][name % 5])
    }
}

fn sample(bytes: &mut ProgramBytes<'_>) -> Sample {
    let first = bytes.byte();
    let latency = Duration::from_nanos(bytes.number(&samples::latencies()));
    let sample = Sample::new(Outcome::ALL[usize::from(first % 2)], latency);
    samples::with_error(sample.response_bytes(bytes.number(&samples::sizes())), u64::from(first / 2))
}
