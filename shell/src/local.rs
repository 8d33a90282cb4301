//! A handle for engines whose tasks migrate between threads: each OS thread gets a recorder of its own on first use.

use std::cell::RefCell;
use std::fmt;

use loaddensity_metrics_core::{
    Counter, Gauge, GaugeError, Histogram, Label, LabelError, Observable, Recorder, Registry, Sample, Series,
    TraceContext,
};

thread_local! {
    /// This thread's recorder on the first registry that it has recorded on: the only one, in nearly every process.
    static FIRST: RefCell<Option<Recorder<'static>>> = const { RefCell::new(None) };
    /// Those on other registries.
    static OTHERS: RefCell<Vec<Recorder<'static>>> = const { RefCell::new(Vec::new()) };
}

/// Records through the recorder of whatever thread it is called on: `Copy`, `Send` and `Sync`.
///
/// The recorder is claimed on a thread's first use and given back when the thread ends. A call costs a thread-local
/// look-up more than [`Recorder::record`], and somewhat more on every further registry.
#[derive(Clone, Copy)]
pub struct LocalRecorder {
    registry: Registry<'static>,
}

impl LocalRecorder {
    /// One that records on `registry`. Whoever has exporters gets theirs from them
    /// ([`Exporters::local_recorder`](crate::Exporters::local_recorder)).
    #[must_use]
    pub const fn new(registry: Registry<'static>) -> Self {
        Self { registry }
    }

    /// The registry that this records on.
    #[must_use]
    pub const fn registry(&self) -> Registry<'static> {
        self.registry
    }

    /// The series of `method` and `name`, interned now if it is new.
    #[must_use]
    pub fn series(&self, method: &str, name: &str) -> Series {
        self.registry.series(method, name)
    }

    /// The series of `method`, `name` and further labels.
    ///
    /// # Errors
    /// Labels that not every format could show; see [`LabelError`].
    pub fn series_with_labels<'l, L: Into<Label<'l>>>(
        &self,
        method: &str,
        name: &str,
        labels: impl IntoIterator<Item = L>,
    ) -> Result<Series, LabelError> {
        self.registry.series_with_labels(method, name, labels)
    }

    /// The gauge of this name, which any thread may set; see [`Registry::gauge`].
    ///
    /// # Errors
    /// A name that cannot be shown, or no room for another gauge; see [`GaugeError`].
    pub fn gauge(&self, name: &str) -> Result<Gauge<'static>, GaugeError> {
        self.registry.gauge(name)
    }

    /// Records one completed request.
    #[inline]
    pub fn record(&self, series: Series, sample: Sample) {
        let is_recorded = FIRST.try_with(|first| match first.try_borrow_mut().as_deref_mut() {
            Ok(Some(recorder)) if recorder.registry() == self.registry => {
                recorder.record(series, sample);
                true
            }
            _ => false,
        });
        if is_recorded != Ok(true) {
            self.record_elsewhere(series, sample);
        }
    }

    /// Raises a counter of the engine's own for a series; see [`Recorder::add`].
    #[inline]
    pub fn add(&self, counter: Counter, series: Series, by: u64) {
        self.record_first(|recorder| recorder.add(counter, series, by));
    }

    /// Raises a counter of the run; see [`Recorder::add_to_run`].
    #[inline]
    pub fn add_to_run(&self, counter: Counter, by: u64) {
        self.record_first(|recorder| recorder.add_to_run(counter, by));
    }

    /// Records a value in a histogram of the engine's own for a series; see [`Recorder::observe`].
    #[inline]
    pub fn observe<V: Observable>(&self, histogram: Histogram<V>, series: Series, value: V) {
        self.record_first(|recorder| recorder.observe(histogram, series, value));
    }

    /// Records a value in a histogram of the run; see [`Recorder::observe_in_run`].
    #[inline]
    pub fn observe_in_run<V: Observable>(&self, histogram: Histogram<V>, value: V) {
        self.record_first(|recorder| recorder.observe_in_run(histogram, value));
    }

    /// Records one completed request, and keeps its trace as [`Recorder::record_traced`] does.
    pub fn record_traced(&self, series: Series, sample: Sample, trace: TraceContext) {
        self.with(|recorder| recorder.record_traced(series, sample, trace));
    }

    /// Records one completed request of a series that is spelled out.
    pub fn record_request(&self, method: &str, name: &str, sample: Sample) {
        self.with(|recorder| recorder.record_request(method, name, sample));
    }

    /// On a thread's first use, on another registry than its first one, and while the thread ends.
    #[cold]
    fn record_elsewhere(&self, series: Series, sample: Sample) {
        self.with(|recorder| recorder.record(series, sample));
    }

    /// Records through the thread's first recorder if that is of this registry, else as [`with`](Self::with) does.
    #[inline]
    fn record_first(&self, record: impl Fn(&mut Recorder<'static>)) {
        let is_recorded = FIRST.try_with(|first| match first.try_borrow_mut().as_deref_mut() {
            Ok(Some(recorder)) if recorder.registry() == self.registry => {
                record(recorder);
                true
            }
            _ => false,
        });
        if is_recorded != Ok(true) {
            self.with(record);
        }
    }

    fn with(&self, record: impl Fn(&mut Recorder<'static>)) {
        let done = FIRST.try_with(|first| {
            let mut first = first.borrow_mut();
            let recorder = first.get_or_insert_with(|| self.registry.recorder());
            if recorder.registry() == self.registry {
                record(recorder);
                return Ok(());
            }
            OTHERS.try_with(|others| record(of_registry(&mut others.borrow_mut(), self.registry)))
        });
        if done.and_then(|done| done).is_err() {
            // The thread is ending and has given its recorders back: one is claimed for this request alone.
            record(&mut self.registry.recorder());
        }
    }
}

impl fmt::Debug for LocalRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRecorder").finish_non_exhaustive()
    }
}

fn of_registry<'a>(
    recorders: &'a mut Vec<Recorder<'static>>,
    registry: Registry<'static>,
) -> &'a mut Recorder<'static> {
    let at = match recorders.iter().position(|recorder| recorder.registry() == registry) {
        Some(at) => at,
        None => {
            recorders.push(registry.recorder());
            recorders.len() - 1
        }
    };
    &mut recorders[at]
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use loaddensity_metrics_core::{Exponential, Storage, Unit};

    use super::*;

    static ONE: Storage<8, 2, 16> = Storage::new();
    static OTHER: Storage<8, 2, 16> = Storage::new();

    #[test]
    fn own_instruments_count_on_every_thread_on_the_registry_that_they_are_of() {
        static INSTRUMENTS: Storage<8, 2, 16, Exponential, 1, 1> = Storage::new();
        let (local, other) = (LocalRecorder::new(INSTRUMENTS.registry()), LocalRecorder::new(OTHER.registry()));
        let (registry, series) = (local.registry(), local.series("GET", "/"));
        let checks = registry.counter("checks", Unit::One, "").expect("room for one");
        let first_byte = registry.timer("first_byte", "").expect("room for one");
        for _ in 0..20 {
            let thread = thread::spawn(move || {
                // The thread's first recorder is of another registry, where these handles are nobody's.
                other.add_to_run(checks, 1);
                other.observe_in_run(first_byte, Duration::ZERO);
                local.add(checks, series, 2);
                local.add_to_run(checks, 3);
                local.observe(first_byte, series, Duration::from_millis(1));
                local.observe_in_run(first_byte, Duration::ZERO);
            });
            thread.join().expect("the thread records and ends");
        }
        assert_eq!((registry.series_counter_total(checks, series).sum, registry.counter_total(checks).sum), (40, 100));
        assert_eq!(registry.histogram_total(first_byte).number, 40);
        assert_eq!((registry.usage().unknown_observations, OTHER.registry().usage().unknown_observations), (0, 40));
    }

    #[test]
    fn every_thread_records_on_the_right_registry_and_gives_its_shard_back() {
        let (one, other) = (LocalRecorder::new(ONE.registry()), LocalRecorder::new(OTHER.registry()));
        let series = one.series("GET", "/");
        for _ in 0..50 {
            let thread = thread::spawn(move || {
                one.record(series, Sample::ok(Duration::ZERO));
                other.record_request("GET", "/other", Sample::ok(Duration::ZERO));
                one.record(series, Sample::ok(Duration::ZERO));
            });
            thread.join().expect("the thread records and ends");
        }
        assert_eq!((ONE.registry().requests(), OTHER.registry().requests()), (100, 50));
        assert_eq!((ONE.registry().usage().recorders, ONE.registry().usage().spill_recorders), (0, 0));
    }
}
