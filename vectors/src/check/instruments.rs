//! The instruments of the engine's own that programs may declare.

use crate::model::own::{Measured, OwnDeclared};
use loaddensity_metrics_core::Unit;

/// What a program may declare: one of each kind, unit and reach.
pub(super) const INSTRUMENTS: usize = 10;

/// How the instrument at this place is declared. All have the same description.
pub(super) fn declared(place: usize, description: &str) -> OwnDeclared {
    let (name, measured, unit) = SHAPES[place % SHAPES.len()];
    let is_of_run = place >= SHAPES.len();
    let name = if is_of_run { format!("{name}_in_run") } else { name.to_owned() };
    OwnDeclared { name, description: description.to_owned(), measured, unit, is_of_run }
}

/// The place of an instrument of this kind, unit and reach.
pub(super) fn place_of(wanted: &OwnDeclared) -> usize {
    let is_same = |place: &usize| {
        let own = declared(*place, "");
        let is_unit = own.measured == Measured::Times || own.unit == wanted.unit;
        (own.measured, own.is_of_run) == (wanted.measured, wanted.is_of_run) && is_unit
    };
    (0..INSTRUMENTS).find(is_same).unwrap_or_else(|| panic!("programs have no {wanted:?}"))
}

const SHAPES: [(&str, Measured, Unit); INSTRUMENTS / 2] = [
    ("checks_failed", Measured::Counts, Unit::One),
    ("sent", Measured::Counts, Unit::Bytes),
    ("first_byte", Measured::Times, Unit::One),
    ("depth", Measured::Numbers, Unit::One),
    ("payload", Measured::Numbers, Unit::Bytes),
];
