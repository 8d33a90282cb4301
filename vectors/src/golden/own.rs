//! Instruments of the engine's own in a golden case: how they are declared, and what is observed.

use loaddensity_metrics_core::Unit;
use serde_json::Value;

use crate::contract::Spelling;
use crate::model::own::{Measured, OwnDeclared};

/// One call of `add` or `observe`.
#[derive(Clone, Debug)]
pub struct CaseObservation {
    /// The place of its instrument in the case.
    pub instrument: usize,
    /// The series; none where it is recorded for the run.
    pub spelling: Option<Spelling>,
    /// The value; times are in nanoseconds.
    pub value: u64,
}

pub(super) fn instruments(case: &Value) -> Vec<OwnDeclared> {
    list(case, "instruments").iter().map(instrument).collect()
}

pub(super) fn observations(case: &Value, instruments: &[OwnDeclared]) -> Vec<CaseObservation> {
    let observation = |value: &Value| CaseObservation {
        instrument: instruments
            .iter()
            .position(|instrument| instrument.name == value["instrument"])
            .unwrap_or_else(|| panic!("no such instrument: {value}")),
        spelling: value.get("name").map(|_| super::spelling(value)),
        value: value["value"].as_u64().unwrap_or_else(|| panic!("no value: {value}")),
    };
    list(case, "observations").iter().map(observation).collect()
}

fn list<'c>(case: &'c Value, key: &str) -> &'c [Value] {
    case.get(key).map_or(&[], |list| list.as_array().unwrap_or_else(|| panic!("{key} is no list")))
}

fn instrument(value: &Value) -> OwnDeclared {
    let text = |key: &str| value.get(key).map_or("", |text| text.as_str().expect("a text"));
    let one_of = |key: &str, known: &[&str]| {
        let at = known.iter().position(|one| *one == text(key));
        at.unwrap_or_else(|| panic!("{key} of {value} is none of {known:?}"))
    };
    let kinds = [Measured::Counts, Measured::Times, Measured::Numbers];
    OwnDeclared {
        name: text("name").to_owned(),
        description: text("description").to_owned(),
        measured: kinds[one_of("kind", &["counter", "timer", "histogram"])],
        unit: [Unit::One, Unit::Bytes][one_of("unit", &["", "bytes"])],
        is_of_run: one_of("of", &["", "run"]) == 1,
    }
}
