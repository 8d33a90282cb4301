//! The binary, from outside.

mod cost;
mod documents;
#[cfg(feature = "demo")]
mod end_to_end;
mod engine;
mod exit_codes;
mod identity;
mod json;
mod process;
mod tasks;
#[cfg(target_os = "linux")]
mod terminal;
