//! One simulation from its beginning to its end: what happens next, and whether the law holds after it.

use std::ops::Range;
use std::time::Duration;

use loaddensity_metrics_core::export::{Tick, pace};
use loaddensity_metrics_core::{Exporter, HeapStorage, Registry};

use crate::choices::Choices;
use crate::clock::VirtualClock;
use crate::engine::Engine;
use crate::instruments::ModelledInstrument;
use crate::running::ModelledExporter;
use crate::shared::{RecordedTotals, Shared};
use crate::weather::Weather;

/// More things than happen in any simulation.
const MOST_STEPS: u64 = 5_000_000;
/// Of ten engines those with these numbers have instruments of their own.
const OBSERVING: Range<usize> = 1..4;
/// The time in which a backend that is well gets all that was held.
const RECOVERY: Duration = Duration::from_secs(400);

/// What one simulation did.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulationSummary {
    /// Requests that were recorded.
    pub requests: u64,
    /// Observations of the engine's own instruments that were recorded.
    pub observations: u64,
    /// Starts of exporters.
    pub starts: u64,
    /// Things that happened, one after the other.
    pub steps: u64,
    /// How long it took, in its own time.
    pub virtual_time: Duration,
}

/// The law was broken, or something else that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// When, in the simulation's own time.
    pub at: Duration,
    /// What was wrong.
    pub what: String,
    /// What had happened, where that was asked for.
    pub trace: Vec<String>,
}

/// Runs one simulation. With `is_traced` a violation tells all that happened.
///
/// # Errors
/// The first [`Violation`].
pub fn simulate(choices: Choices, is_traced: bool) -> Result<SimulationSummary, Violation> {
    let mut choices = choices;
    let ring = choices.one_of(&[256, 8, 64]);
    let (series, shards) = (3 + choices.below(4), 1 + choices.below(3));
    let mut apart = choices.apart();
    let of_a_kind = if OBSERVING.contains(&apart.below(10)) { ModelledInstrument::OF_A_KIND } else { 0 };
    let observations = if of_a_kind == 0 { 0 } else { apart.one_of(&[0, 64, 8, 512]) };
    let storage = HeapStorage::builder(series, shards, ring).counters(of_a_kind).histograms(of_a_kind);
    let storage = storage.observations(observations);
    let storage = storage.build().map_err(|error| Violation {
        at: Duration::ZERO,
        what: error.to_string(),
        trace: Vec::new(),
    })?;
    World::run(storage.registry(), choices, is_traced)
}

struct World<'a> {
    shared: Shared<'a>,
    engine: Engine<'a>,
    exporters: Vec<ModelledExporter<'a>>,
    /// When the pump looks at the rings; never while they are empty.
    pump_due: Tick,
    /// When somebody starts or stops an exporter, or the weather changes.
    change_due: Tick,
    summary: SimulationSummary,
}

impl<'a> World<'a> {
    fn run(registry: Registry<'a>, choices: Choices, is_traced: bool) -> Result<SimulationSummary, Violation> {
        let Some(pump) = registry.pump() else {
            return Err(Violation { at: Duration::ZERO, what: "somebody has the pump".into(), trace: Vec::new() });
        };
        let mut shared = Shared {
            registry,
            pump,
            queues: Vec::new(),
            observation_queues: Vec::new(),
            clock: VirtualClock::default(),
            weather: Weather::FAIR,
            choices,
            recorded: RecordedTotals::default(),
            trace: is_traced.then(Vec::new),
        };
        let least = shared.choices.requests();
        let requests = least + shared.choices.below(least);
        let engine = Engine::new(requests as u64, &mut shared).map_err(|what| Violation {
            at: Duration::ZERO,
            what,
            trace: Vec::new(),
        })?;
        let (pump_due, change_due) = (Tick::NEVER, Tick::default());
        let summary = SimulationSummary::default();
        let mut world = Self { shared, engine, exporters: Vec::new(), pump_due, change_due, summary };
        match world.run_to_the_end() {
            Ok(()) => Ok(world.summary()),
            Err(what) => {
                let at = world.shared.tick().since(Tick::default());
                Err(Violation { at, what, trace: world.shared.trace.take().unwrap_or_default() })
            }
        }
    }

    fn summary(&self) -> SimulationSummary {
        let virtual_time = self.shared.tick().since(Tick::default());
        let RecordedTotals { requests, observations } = self.shared.recorded;
        SimulationSummary { requests, observations, virtual_time, ..self.summary }
    }

    fn run_to_the_end(&mut self) -> Result<(), String> {
        for exporter in Exporter::ALL {
            if self.shared.choices.below(5) != 1 {
                self.start(exporter)?;
            }
        }
        while self.engine.due() != Tick::NEVER {
            self.step(Tick::NEVER)?;
        }
        self.change_due = Tick::NEVER;
        if self.shared.choices.happens(400) {
            self.heal()?;
        }
        self.stop_all()?;
        match self.shared.registry.usage().unknown_observations {
            0 => Ok(()),
            unknown => Err(format!("{unknown} observations were counted nowhere")),
        }
    }

    /// The backends are well from now on: nothing is held for ever.
    fn heal(&mut self) -> Result<(), String> {
        self.shared.weather = Weather::FAIR;
        self.shared.note(|| "all is well from now on".into());
        let end = self.shared.clock.after(RECOVERY);
        while self.step(end)? {}
        let mut held = self.exporters.iter().filter(|running| !running.is_stopping());
        match held.find_map(|running| running.held(&self.shared)) {
            None => Ok(()),
            Some(account) => Err(format!("held for {RECOVERY:?} although all is well: {account:?}")),
        }
    }

    fn stop_all(&mut self) -> Result<(), String> {
        for at in 0..self.exporters.len() {
            self.stop(at)?;
        }
        // A page that was seen whole is over at once.
        self.exporters.retain(|running| !running.is_done());
        while !self.exporters.is_empty() {
            if !self.step(Tick::NEVER)? {
                return Err("a stop waits for something that never comes".into());
            }
        }
        Ok(())
    }

    /// The next thing that happens before `end`; whether there is one.
    fn step(&mut self, end: Tick) -> Result<bool, String> {
        self.summary.steps += 1;
        if self.summary.steps > MOST_STEPS {
            return Err("it never ends".into());
        }
        let exporters = self.exporters.iter().map(|running| running.due(&self.shared)).min().unwrap_or(Tick::NEVER);
        let next = exporters.min(self.engine.due()).min(self.pump_due).min(self.change_due);
        if next == Tick::NEVER || next > end {
            return Ok(false);
        }
        self.shared.clock.advance(next);
        let now = self.shared.tick();
        if self.change_due <= now {
            self.change()?;
        }
        if self.engine.due() <= now {
            self.engine.run(&mut self.shared)?;
            if self.pump_due == Tick::NEVER {
                self.pump_due = self.shared.clock.after(pace::pause_after(0));
            }
        }
        if self.pump_due <= now {
            let taken = self.shared.drain();
            self.pump_due = if taken == 0 { Tick::NEVER } else { self.shared.clock.after(pace::pause_after(taken)) };
        }
        for at in 0..self.exporters.len() {
            if self.exporters[at].due(&self.shared) <= now {
                self.exporters[at].run(&mut self.shared)?;
            }
        }
        self.check()?;
        self.exporters.retain(|running| !running.is_done());
        Ok(true)
    }

    fn check(&self) -> Result<(), String> {
        self.exporters.iter().try_for_each(|running| running.check(&self.shared))
    }

    /// Something changes from outside.
    fn change(&mut self) -> Result<(), String> {
        let pause = self.shared.choices.time(Duration::from_secs(8));
        self.change_due = self.shared.clock.after(pause + Duration::from_millis(1));
        match self.shared.choices.below(8) {
            0..=2 => {
                self.shared.weather = Weather::any(&mut self.shared.choices);
                let weather = self.shared.weather;
                self.shared.note(|| format!("{weather:?}"));
            }
            3 => self.shared.weather = Weather::FAIR,
            4 => {
                let by = self.shared.choices.time(Duration::from_secs(7_200));
                let zero = Duration::ZERO;
                let (ahead, behind) = if self.shared.choices.happens(500) { (by, zero) } else { (zero, by) };
                self.shared.clock.step(ahead, behind);
            }
            5 | 6 => {
                let exporter = Exporter::ALL[self.shared.choices.below(Exporter::ALL.len())];
                if self.exporters.iter().all(|running| running.exporter != exporter) {
                    self.start(exporter)?;
                }
            }
            _ if self.exporters.is_empty() => {}
            _ => {
                let at = self.shared.choices.below(self.exporters.len());
                self.stop(at)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, exporter: Exporter) -> Result<(), String> {
        self.summary.starts += 1;
        let running = ModelledExporter::start(exporter, &mut self.shared)?;
        self.exporters.push(running);
        Ok(())
    }

    fn stop(&mut self, at: usize) -> Result<(), String> {
        let longest = self.shared.choices.one_of(&[2_000, 1, 10_000].map(Duration::from_millis));
        let within = self.shared.choices.time(longest);
        self.exporters[at].stop(within, &mut self.shared);
        self.exporters[at].check(&self.shared)
    }
}
