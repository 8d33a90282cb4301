//! An engine on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use loaddensity_metrics_end_to_end::load::TestEngine;
use loaddensity_metrics_shell::{Registry, Sample};

use crate::items::ItemCounts;
use crate::own_instruments::DeclaredInstruments;

/// Requests at a steady pace, with observations, until it is stopped.
pub(crate) struct SteadyLoad {
    control: Arc<TrafficControl>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct TrafficControl {
    is_over: AtomicBool,
    /// Requests.
    recorded: AtomicU64,
    /// The longest time that a millisecond's requests took, in nanoseconds.
    slowest: AtomicU64,
}

impl SteadyLoad {
    /// So many requests a millisecond.
    pub(crate) fn start(registry: Registry<'static>, a_millisecond: u64) -> Self {
        let own = DeclaredInstruments::declare(registry);
        let mut engine = TestEngine::new(registry);
        Self::recording(move || {
            let before = engine.sums.requests;
            engine.record(a_millisecond);
            for number in before..before + a_millisecond {
                let series = engine.series_of(number);
                own.observe(&mut engine.recorder, series);
            }
            engine.sums.requests
        })
    }

    /// The same of one series, without times: the exporters give them.
    pub(crate) fn start_without_times(registry: Registry<'static>, a_millisecond: u64) -> Self {
        let own = DeclaredInstruments::declare(registry);
        let (mut recorder, mut recorded) = (registry.recorder(), 0);
        let series = recorder.series("GET", "/x");
        Self::recording(move || {
            for _ in 0..a_millisecond {
                recorder.record(series, Sample::ok(Duration::from_millis(2)));
                own.observe(&mut recorder, series);
            }
            recorded += a_millisecond;
            recorded
        })
    }

    /// Records each millisecond; `record` says how many requests there were until now.
    fn recording(mut record: impl FnMut() -> u64 + Send + 'static) -> Self {
        let control = Arc::new(TrafficControl::default());
        let own = control.clone();
        let thread = thread::spawn(move || {
            while !own.is_over.load(Ordering::SeqCst) {
                let begun = Instant::now();
                let recorded = record();
                own.slowest.fetch_max(begun.elapsed().as_nanos() as u64, Ordering::SeqCst);
                own.recorded.store(recorded, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { control, thread }
    }

    /// Until now.
    pub(crate) fn recorded(&self) -> ItemCounts {
        self.control.recorded()
    }

    /// Stops it. What it has recorded, and the longest time that those of a millisecond took.
    pub(crate) fn stop(self) -> Result<(ItemCounts, Duration), String> {
        self.control.is_over.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| "the engine's thread panicked".to_owned())?;
        let slowest = Duration::from_nanos(self.control.slowest.load(Ordering::SeqCst));
        Ok((self.control.recorded(), slowest))
    }
}

impl TrafficControl {
    fn recorded(&self) -> ItemCounts {
        ItemCounts::of_engine(self.recorded.load(Ordering::SeqCst))
    }
}
