//! The load engine: recorders that come and go, and record in bursts.

use std::time::Duration;

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::{Outcome, Recorder, Sample, Series};

use crate::instruments::{InstrumentHandle, ModelledInstrument};
use crate::shared::Shared;

/// More names than there is room for, so that some share the overflow series.
const NAMES: [&str; 7] = ["/", "/cart", "/cart/42", "/orders", "/search", "/users", "/very/long/name/of/an/endpoint"];

/// The engine.
pub(crate) struct Engine<'a> {
    recorders: Vec<Recorder<'a>>,
    /// When it records next.
    due: Tick,
    /// Requests that it will record.
    left: u64,
    /// The longest time between two bursts, and the largest of those.
    pause: Duration,
    burst: usize,
    /// Its own instruments: those that it will declare, and those that it has declared.
    undeclared: Vec<ModelledInstrument>,
    declared: Vec<InstrumentHandle>,
}

impl<'a> Engine<'a> {
    pub(crate) fn new(requests: u64, shared: &mut Shared<'a>) -> Result<Self, String> {
        let pause = shared.choices.one_of(&[20, 2, 200, 1_000].map(Duration::from_millis));
        let burst = 1 + shared.choices.one_of(&[20, 3, 100, 500]);
        let (recorders, due, declared) = (vec![shared.registry.recorder()], Tick::default(), Vec::new());
        let has_room = shared.has_instruments();
        let undeclared = if has_room { ModelledInstrument::ALL.to_vec() } else { Vec::new() };
        let mut engine = Self { recorders, due, left: requests, pause, burst, undeclared, declared };
        let at_once = if has_room { shared.choices.below(ModelledInstrument::ALL.len() + 1) } else { 0 };
        for _ in 0..at_once {
            engine.declare(shared)?;
        }
        Ok(engine)
    }

    /// When it records next; never once it has recorded everything.
    pub(crate) fn due(&self) -> Tick {
        if self.left == 0 { Tick::NEVER } else { self.due }
    }

    /// Records a burst, or hires or fires a recorder.
    pub(crate) fn run(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        match shared.choices.below(20) {
            1 if self.recorders.len() < 4 => self.recorders.push(shared.registry.recorder()),
            2 if self.recorders.len() > 1 => {
                let at = shared.choices.below(self.recorders.len());
                self.recorders.remove(at);
            }
            3 if !self.undeclared.is_empty() => self.declare(shared)?,
            _ => self.record(shared),
        }
        let pause = shared.choices.time(self.pause);
        self.due = shared.clock.after(pause + Duration::from_nanos(1));
        Ok(())
    }

    /// Declares one more of its instruments.
    fn declare(&mut self, shared: &mut Shared<'a>) -> Result<(), String> {
        let instrument = self.undeclared.swap_remove(shared.choices.below(self.undeclared.len()));
        shared.note(|| format!("engine: declares {instrument:?}"));
        self.declared.push(instrument.declare(shared.registry).map_err(|error| error.to_string())?);
        Ok(())
    }

    fn record(&mut self, shared: &mut Shared<'a>) {
        let at = shared.choices.below(self.recorders.len());
        let recorder = &mut self.recorders[at];
        let requests = (1 + shared.choices.below(self.burst) as u64).min(self.left);
        let series: Series = recorder.series("GET", NAMES[shared.choices.below(NAMES.len())]);
        let latency = Duration::from_micros(1 << shared.choices.below(24));
        let outcome = if shared.choices.below(8) == 1 { Outcome::Failure } else { Outcome::Success };
        let sample = Sample::new(outcome, latency).status(200).response_bytes(1 << shared.choices.below(20));
        (0..requests).for_each(|_| recorder.record(series, sample));
        self.left -= requests;
        shared.recorded.requests += requests;
        for instrument in &self.declared {
            let calls = shared.choices.one_of(&[0, 1, 3, 20]);
            (0..calls).for_each(|_| instrument.call(recorder, series));
            shared.recorded.observations += calls;
        }
    }
}
