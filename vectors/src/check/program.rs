//! The little programs that the checks run.
//!
//! Four buffer lengths of two bytes each come first, used in turn; their highest bits are a [`Choice`] of options. Then
//! come instructions, a byte each (modulo 8), with operands. Numbers of two bytes have the low one first. Where bytes run out,
//! zeros follow. Of two recorders one has the only shard and the other shares the spill shard.
//!
//! | instruction | operands |
//! |---|---|
//! | 0 to 2: intern a series | a byte: modulo 3, of nasty names (0), of arbitrary text (1) or of text with labels (2); its highest bit is the recorder. Then two numbers of two bytes that pick names, or two texts; then, with labels, their number (modulo 6) and two texts each |
//! | 3: give all recorders back and claim new ones | none |
//! | 4 to 7: record a sample, 7 with a trace where traces are chosen | a byte: the recorder (modulo 2); a byte: the series, among those interned so far; two bytes: how far time goes on; a number: the latency; a number: the size; two bytes: the status; a byte: the outcome (modulo 2), and half of it the kind of a failure |
//!
//! A text is its length in two bytes (modulo a limit) and its bytes. A number is a byte, which picks one of the values at bounds, or
//! 255 and eight bytes.
//!
//! Where instruments of the engine's own are chosen, a byte with its highest bit set is an instruction of them: its four lowest
//! bits are the instrument (modulo 10), which is declared if it is new. With `DECLARE` that is all. Else a series and a
//! value follow, to be recorded on the other recorder with `OTHER_RECORDER`, and for no series with `OF_RUN`.

use super::choice::Choice;
use super::instruments;
use crate::contract::Spelling;
use crate::model::Model;
use crate::model::own::Measured;
use crate::names::{self, NastyName};
use crate::samples;
use loaddensity_metrics_core::{Outcome, Recorder, Registry, Sample, Series, Timestamp, TraceContext};
use std::sync::LazyLock;
use std::time::Duration;

/// Instructions after which a program ends, so that a long input does not make a slow check.
const MOST_INSTRUCTIONS: usize = 400;

/// Bits of an instruction about instruments of the engine's own.
pub(super) const OWN: u8 = 0x80;
pub(super) const DECLARE: u8 = 0x40;
pub(super) const OF_RUN: u8 = 0x20;
const OTHER_RECORDER: u8 = 0x10;

/// A program to be run once.
pub struct Program<'d> {
    input: ProgramBytes<'d>,
    clock: u64,
    choice: Choice,
    /// Whether it has instructions about instruments of the engine's own. As the contract has it, they are passed over.
    has_instruments: bool,
}

/// The buffer lengths that a program asks for, in turn and without end.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    lengths: [usize; 4],
    turn: usize,
    least: usize,
}

impl Lengths {
    /// The next length.
    pub fn take(&mut self) -> usize {
        self.turn += 1;
        self.lengths[self.turn % self.lengths.len()].max(self.least)
    }

    /// All lengths from now on are at least this.
    pub fn at_least(&mut self, least: usize) {
        self.least = least;
    }
}

impl<'d> Program<'d> {
    /// Takes any bytes for a program, and runs it as the contract has it, whatever it chooses.
    #[must_use]
    pub fn read(data: &'d [u8]) -> (Self, Lengths) {
        let (program, lengths) = Self::read_all(data);
        (Self { choice: Choice::default(), ..program }, lengths)
    }

    /// The same program under the options that it chooses; `None` where those are the contract's.
    #[must_use]
    pub fn read_choice(data: &'d [u8]) -> Option<(Self, Lengths)> {
        Some(Self::read_all(data)).filter(|(program, _)| !program.choice.is_contract())
    }

    /// The options under which it runs.
    #[must_use]
    pub fn choice(&self) -> Choice {
        self.choice.clone()
    }

    fn read_all(data: &'d [u8]) -> (Self, Lengths) {
        let mut input = ProgramBytes(data);
        let lengths = [(); 4].map(|()| input.short());
        let choice = Choice::read(lengths, input.0);
        let (lengths, has_instruments) = (lengths.map(|length| usize::from(length) % 4_096), choice.has_instruments());
        let program = Self { input, clock: 1_700_000_000_000_000_000, choice, has_instruments };
        (program, Lengths { lengths, turn: 0, least: 0 })
    }

    /// Runs it on a new registry with one shard, calling `after` after every instruction; returns what was recorded.
    pub fn run(mut self, registry: Registry<'_>, mut after: impl FnMut()) -> Model {
        let mut model = Model::new();
        self.choice.prepare(registry, &mut model);
        let mut recorders = claim(registry);
        for _ in 0..MOST_INSTRUCTIONS {
            if self.input.0.is_empty() {
                break;
            }
            let instruction = self.input.byte();
            if self.has_instruments && instruction & OWN != 0 {
                self.observe(&mut model, &mut recorders, instruction);
                after();
                continue;
            }
            match instruction % 8 {
                0..=2 => self.intern(&mut model, &mut recorders),
                3 => {
                    drop(recorders);
                    recorders = claim(registry);
                }
                instruction => self.record(&mut model, &mut recorders, instruction == 7),
            }
            after();
        }
        model
    }

    fn intern(&mut self, model: &mut Model, recorders: &mut [Recorder<'_>; 2]) {
        let which = self.input.byte();
        let mut spelling = match which % 3 {
            0 => self.nasty(),
            _ => Spelling::new(&self.input.text(40), &self.input.text(300)),
        };
        if which % 3 == 2 {
            let count = self.input.byte() % 6;
            spelling.labels = (0..count).map(|_| (self.input.text(12), self.input.text(40))).collect();
        }
        // Labels may be refused; then there is no series to keep in mind.
        let _ = model.intern(&mut recorders[usize::from(which >> 7)], &spelling);
    }

    fn nasty(&mut self) -> Spelling {
        static TABLE: LazyLock<Vec<NastyName>> = LazyLock::new(names::all);
        let table = &*TABLE;
        let mut pick = || table[usize::from(self.input.short()) % table.len()].name.clone();
        Spelling::new(&pick(), &pick())
    }

    fn record(&mut self, model: &mut Model, recorders: &mut [Recorder<'_>; 2], is_traced: bool) {
        let handles = model.handles();
        let (which, series) = (self.input.byte(), usize::from(self.input.byte()));
        let series = handles.get(series % handles.len().max(1)).copied().unwrap_or(Series::OVERFLOW);
        let sample = self.sample();
        let recorder = &mut recorders[usize::from(which % 2)];
        if is_traced && self.choice.has_traces() {
            model.record_traced(recorder, series, sample, trace(model.requests()));
        } else {
            model.record(recorder, series, sample);
        }
    }

    fn observe(&mut self, model: &mut Model, recorders: &mut [Recorder<'_>; 2], instruction: u8) {
        let place = usize::from(instruction % 16) % instruments::INSTRUMENTS;
        let declared = instruments::declared(place, &self.choice.description());
        let recorder = &mut recorders[usize::from(instruction & OTHER_RECORDER != 0)];
        let is_chosen = self.choice.has_instruments();
        if is_chosen {
            model.declare(recorder.registry(), &declared);
        }
        if instruction & DECLARE != 0 {
            return;
        }
        let (handles, series) = (model.handles(), usize::from(self.input.byte()));
        let series = handles.get(series % handles.len().max(1)).copied().unwrap_or(Series::OVERFLOW);
        let value = match declared.measured {
            Measured::Times => self.input.number(&samples::latencies()),
            Measured::Counts | Measured::Numbers => self.input.number(&samples::sizes()),
        };
        if is_chosen {
            model.observe(recorder, &declared, (instruction & OF_RUN == 0).then_some(series), value);
        }
    }

    fn sample(&mut self) -> Sample {
        // Time stands still, or runs by any step below a second, forwards or a little backwards.
        let step = u64::from(self.input.short());
        self.clock = self.clock + step * 1_000 - step % 7 * 2_000;
        let latency = Duration::from_nanos(self.input.number(&samples::latencies()));
        let response_bytes = self.input.number(&samples::sizes());
        let status = self.input.short();
        let last = usize::from(self.input.byte());
        let outcome = Outcome::ALL[last % 2];
        let completed_at = Timestamp::from_unix_nanos(self.clock);
        let sample =
            Sample::new(outcome, latency).status(status).response_bytes(response_bytes).completed_at(completed_at);
        samples::with_error(sample, last as u64 / 2)
    }
}

/// Another trace for each number; of every third the span is not known.
fn trace(number: u64) -> TraceContext {
    let span = if number.is_multiple_of(3) { 0 } else { number };
    TraceContext { trace_id: (u128::from(number) << 64 | 1).to_be_bytes(), span_id: span.to_be_bytes() }
}

/// The first gets the shard, the second finds none left.
fn claim(registry: Registry<'_>) -> [Recorder<'_>; 2] {
    let recorders = [registry.recorder(), registry.recorder()];
    assert!(!recorders[0].is_sharing() && recorders[1].is_sharing(), "{recorders:?}");
    recorders
}

/// The bytes that a program has left. Where they run out, zeros follow.
pub(super) struct ProgramBytes<'d>(pub(super) &'d [u8]);

impl ProgramBytes<'_> {
    /// The next byte.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// The next two, as a number.
    pub(super) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// One of `table`, or any number.
    pub(super) fn number(&mut self, table: &[u64]) -> u64 {
        match usize::from(self.byte()) {
            255 => u64::from_le_bytes([(); 8].map(|()| self.byte())),
            index => table[index % table.len()],
        }
    }

    /// Text of less than `limit` bytes before bytes that are no UTF-8 are replaced.
    pub(super) fn text(&mut self, limit: usize) -> String {
        let length = usize::from(self.short()) % limit;
        let (text, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        String::from_utf8_lossy(text).into_owned()
    }
}
