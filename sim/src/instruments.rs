//! The instruments of a simulated engine's own: what it declares, and for how many calls stands what is shown of them.

use std::time::Duration;

use loaddensity_metrics_core::{Counter, Histogram, InstrumentError, Recorder, Registry, Series, Unit};

/// One of them. Each of its calls counts the same, so that every sum says of how many calls it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelledInstrument {
    /// A counter per series.
    ChecksFailed,
    /// A counter of the run.
    Iterations,
    /// A timer per series.
    FirstByte,
    /// A histogram of numbers, of the run.
    Sent,
}

/// One that is declared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InstrumentHandle {
    Counter(Counter, u64),
    Timer(Histogram<Duration>, Duration),
    Numbers(Histogram<u64>, u64),
}

impl ModelledInstrument {
    pub(crate) const ALL: [Self; 4] = [Self::ChecksFailed, Self::FirstByte, Self::Iterations, Self::Sent];
    /// How many of them are of either kind.
    pub(crate) const OF_A_KIND: usize = 2;

    pub(crate) fn declare(self, registry: Registry<'_>) -> Result<InstrumentHandle, InstrumentError> {
        let (name, each) = (self.name(), self.each());
        Ok(match self {
            Self::ChecksFailed => InstrumentHandle::Counter(registry.counter(name, Unit::One, "")?, each),
            Self::Iterations => InstrumentHandle::Counter(registry.run_counter(name, Unit::One, "")?, each),
            Self::FirstByte => InstrumentHandle::Timer(registry.timer(name, "")?, Duration::from_millis(each)),
            Self::Sent => InstrumentHandle::Numbers(registry.run_histogram(name, Unit::Bytes, "")?, each),
        })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ChecksFailed => "checks_failed",
            Self::Iterations => "iterations",
            Self::FirstByte => "first_byte",
            Self::Sent => "sent",
        }
    }

    /// What a call counts, in the unit that is shown.
    const fn each(self) -> u64 {
        match self {
            Self::ChecksFailed => 3,
            Self::Iterations => 2,
            Self::FirstByte => 7,
            Self::Sent => 100,
        }
    }

    const fn is_counter(self) -> bool {
        matches!(self, Self::ChecksFailed | Self::Iterations)
    }
}

impl InstrumentHandle {
    /// Calls it once, for a series where it is one per series.
    pub(crate) fn call(self, recorder: &mut Recorder<'_>, series: Series) {
        match self {
            Self::Counter(counter, by) => recorder.add(counter, series, by),
            Self::Timer(timer, value) => recorder.observe(timer, series, value),
            Self::Numbers(histogram, value) => recorder.observe(histogram, series, value),
        }
    }
}

/// What is shown together: of each instrument the number of calls, and their sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ShownCalls([CallSums; ModelledInstrument::ALL.len()]);

#[derive(Clone, Copy, Debug, Default)]
struct CallSums {
    number: f64,
    sum: f64,
}

impl ShownCalls {
    /// Adds a value with the name that a format makes of an instrument's. Whether it is one of theirs.
    pub(crate) fn add(&mut self, name: &str, value: f64) -> bool {
        let found = ModelledInstrument::ALL.iter().zip(&mut self.0).find_map(|(instrument, sums)| {
            let rest = name.strip_prefix(instrument.name())?;
            let rest = ["_ms", "_bytes"].iter().find_map(|unit| rest.strip_prefix(unit)).unwrap_or(rest);
            Some((instrument, sums, rest.trim_start_matches(['.', '_'])))
        });
        let Some((instrument, sums, of_which)) = found else { return false };
        match of_which {
            // One value, where each is sent by itself.
            "" if !instrument.is_counter() => {
                sums.number += 1.0;
                sums.sum += value;
            }
            "" | "total" | "sum" => sums.sum += value,
            "count" => sums.number += value,
            _ => {}
        }
        true
    }

    /// Calls of each instrument, where its number and its sum are of the same ones.
    pub(crate) fn of_each(&self) -> Result<[u64; ModelledInstrument::ALL.len()], String> {
        let mut calls = [0; ModelledInstrument::ALL.len()];
        for ((calls, instrument), sums) in calls.iter_mut().zip(ModelledInstrument::ALL).zip(&self.0) {
            let of_sum = sums.sum / instrument.each() as f64;
            let number = if instrument.is_counter() { of_sum } else { sums.number };
            if number.fract() != 0.0 || number != of_sum {
                return Err(format!("{instrument:?} shows what no calls make: {sums:?}"));
            }
            *calls = number as u64;
        }
        Ok(calls)
    }

    /// Calls of all of them.
    pub(crate) fn all(&self) -> Result<u64, String> {
        Ok(self.of_each()?.iter().sum())
    }

    /// The same where a histogram's number and its sum are not shown together.
    pub(crate) fn all_apart(&self) -> Result<u64, String> {
        let mut apart = *self;
        for (sums, instrument) in apart.0.iter_mut().zip(ModelledInstrument::ALL) {
            if !instrument.is_counter() {
                let of_sum = sums.sum / instrument.each() as f64;
                if of_sum.fract() != 0.0 {
                    return Err(format!("{instrument:?} shows what no calls make: {sums:?}"));
                }
                sums.sum = sums.number * instrument.each() as f64;
            }
        }
        apart.all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_numbers_say_of_how_many_calls_they_are_and_must_be_of_the_same_ones() {
        let shown = |values: &[(&str, f64)]| {
            let mut shown = ShownCalls::default();
            assert!(values.iter().all(|(name, value)| shown.add(name, *value)), "{values:?}");
            shown
        };
        let of_histogram =
            shown(&[("first_byte_ms_count", 2.0), ("first_byte_ms_sum", 14.0), ("first_byte_ms_min", 7.0)]);
        assert_eq!(of_histogram.all(), Ok(2));
        assert_eq!(shown(&[("checks_failed_total", 6.0), ("iterations", 2.0)]).all(), Ok(3));
        assert!(shown(&[("checks_failed", 4.0)]).all().is_err());
        assert!(shown(&[("sent.count", 1.0), ("sent.sum", 200.0)]).all().is_err());
        assert_eq!(shown(&[("sent_bytes", 100.0), ("first_byte", 7.0), ("first_byte", 7.0)]).all(), Ok(3));
        assert_eq!(shown(&[("sent.count", 1.0)]).all_apart(), Ok(1));
        assert!(shown(&[("sent.sum", 150.0)]).all_apart().is_err());
        assert!(!ShownCalls::default().add("requests", 1.0));
    }
}
