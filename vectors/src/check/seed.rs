//! Seeds of fuzzing: those in `vectors/seeds/`, and golden cases, as what [`program`](super::program) reads.

use std::fs;
use std::path::Path;

use loaddensity_metrics_core::{ErrorKind, Sample};

use super::choice::Choice;
use super::instruments::place_of;
use super::program::{DECLARE, OF_RUN, OWN};
use crate::contract::Spelling;
use crate::golden::Case;

/// Runs every seed of a target through `check`. If one fails, the output names it.
///
/// # Panics
/// If a check does, or where there are too few seeds.
pub fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{} seeds in {}", files.len(), folder.display());
    for file in files {
        let seed = fs::read(&file).expect("a readable seed");
        // The harness shows this only if the check panics.
        println!("{}", file.display());
        check(&seed);
    }
}

/// The program of a case: the same requests, but for their times, and the same observations, but for the names of their
/// instruments.
#[must_use]
pub fn of_case(case: &Case) -> Vec<u8> {
    let series = case.series();
    let lengths = Choice::write([4_095, 300, 100, 2_000], &case.options, !case.instruments.is_empty());
    let mut program: Vec<u8> = lengths.into_iter().flat_map(u16::to_le_bytes).collect();
    for spelling in &series {
        program.extend(intern(spelling));
    }
    for ((spelling, sample), trace) in case.requests.iter().zip(&case.traces) {
        let at = series.iter().position(|known| known.is_same(spelling));
        program.extend(record(at.unwrap_or_default(), sample, trace.is_some()));
    }
    for instrument in &case.instruments {
        program.push(OWN | DECLARE | place_of(instrument) as u8);
    }
    for observation in &case.observations {
        let known = |spelling: &Spelling| series.iter().position(|known| known.is_same(spelling));
        let at = observation.spelling.as_ref().and_then(known);
        let instruction = OWN | place_of(&case.instruments[observation.instrument]) as u8;
        program.extend([if at.is_none() { instruction | OF_RUN } else { instruction }, at.unwrap_or_default() as u8]);
        program.extend(number(observation.value));
    }
    program
}

/// The instruction that interns a series, on the recorder with the shard.
fn intern(spelling: &Spelling) -> Vec<u8> {
    let text = |text: &str| [&(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
    let with_labels = !spelling.labels.is_empty();
    let mut bytes = vec![0, if with_labels { 2 } else { 1 }];
    bytes.extend(text(&spelling.method));
    bytes.extend(text(&spelling.name));
    if with_labels {
        bytes.push(spelling.labels.len() as u8);
        bytes.extend(spelling.labels.iter().flat_map(|(key, value)| [text(key), text(value)].concat()));
    }
    bytes
}

/// A number that stands in no table.
fn number(number: u64) -> Vec<u8> {
    [&[255][..], &number.to_le_bytes()].concat()
}

/// The instruction that records a sample, with a trace or without, a millisecond later than the one before.
fn record(series: usize, sample: &Sample, is_traced: bool) -> Vec<u8> {
    let mut bytes = vec![if is_traced { 7 } else { 4 }, 0, series as u8];
    bytes.extend(1_000_u16.to_le_bytes());
    bytes.extend(number(u64::try_from(sample.latency.as_nanos()).unwrap_or(u64::MAX)));
    bytes.extend(number(sample.response_bytes));
    bytes.extend(sample.status.to_le_bytes());
    let kind = ErrorKind::ALL.iter().position(|kind| Some(*kind) == sample.error).map_or(0, |at| at + 1);
    bytes.push(sample.outcome as u8 | (kind as u8) << 1);
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loaddensity_metrics_core::{Classic, ErrorKind, Outcome, Storage};

    use super::super::program::Program;
    use super::*;
    use crate::model::ModelSeries;
    use crate::model::own::Measured;

    #[test]
    fn a_program_records_what_its_case_describes() {
        for case in Case::all() {
            let storage = Box::new(Storage::<32, 1, 16, Classic>::new());
            let program = of_case(&case);
            let model = Program::read(&program).0.run(storage.registry(), || {});
            assert_eq!(model.requests(), case.requests.len() as u64, "{}", case.name);
            for spelling in case.series() {
                let expected = case.requests.iter().filter(|(other, _)| other.is_same(spelling));
                let expected: Vec<_> = expected.map(|(_, sample)| facts(sample)).collect();
                let known = model.shown().find(|known| known.spelling.is_same(spelling)).expect("the series is there");
                assert_eq!(known.samples.iter().map(facts).collect::<Vec<_>>(), expected, "{}", case.name);
            }
        }
    }

    #[test]
    fn a_program_observes_what_its_case_describes() {
        let mut observations = 0;
        for case in Case::all() {
            let storage = Box::new(Storage::<32, 1, 16, Classic, 4, 6>::new());
            let program = of_case(&case);
            let Some((chosen, _)) = Program::read_choice(&program) else { continue };
            assert_eq!(chosen.choice().has_instruments(), !case.instruments.is_empty(), "{}", case.name);
            let model = chosen.run(storage.registry(), || {});
            assert_eq!(model.observations(), case.observations.len() as u64, "{}", case.name);
            for (place, instrument) in case.instruments.iter().enumerate() {
                let own = model.own().iter().find(|own| place_of(&own.declared) == place_of(instrument));
                let own = own.unwrap_or_else(|| panic!("{}: {instrument:?} was not declared", case.name));
                for observation in case.observations.iter().filter(|observation| observation.instrument == place) {
                    let is_of = |known: Option<&ModelSeries>| {
                        let spelling = observation.spelling.as_ref();
                        known.zip(spelling).is_none_or(|(known, spelling)| known.spelling.is_same(spelling))
                    };
                    let value = observation.value.min(largest(instrument.measured));
                    let points = model.own_points(own, false);
                    let is_there = points.iter().any(|point| is_of(point.of) && point.values.contains(&value));
                    assert!(is_there, "{}: {observation:?} is not in {points:?}", case.name);
                    observations += 1;
                }
            }
        }
        assert!(observations > 100, "only {observations} observations");
    }

    fn largest(measured: Measured) -> u64 {
        if measured == Measured::Times { 86_400_000_000_000 } else { 1 << 50 }
    }

    fn facts(sample: &Sample) -> (Duration, u64, u16, Outcome, Option<ErrorKind>) {
        (sample.latency, sample.response_bytes, sample.status, sample.outcome, sample.error)
    }
}
