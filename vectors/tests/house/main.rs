//! The house shows its plan: arrows between files point down, no type name means two things, and words that went stay
//! away.

mod arrows;
mod modules;
mod names;
mod words;
