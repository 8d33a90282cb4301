//! The house shows its plan: arrows between files point down, and no type name means two things.

mod arrows;
mod modules;
mod names;
