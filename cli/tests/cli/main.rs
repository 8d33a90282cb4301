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
#[cfg(feature = "demo")]
mod receive;
mod tasks;
#[cfg(target_os = "linux")]
mod terminal;
