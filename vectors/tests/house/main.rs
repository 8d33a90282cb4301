//! The house shows its plan: arrows between files point down, public enums may grow, no type name means two things, and
//! words that went stay away.

mod arrows;
mod growth;
mod modules;
mod names;
mod words;
