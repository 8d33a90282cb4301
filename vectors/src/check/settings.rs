//! Whatever users say in Action-JSON and in environment variables is read without a panic, and what they are told of it is
//! short, on one line, and shows no secret.

mod actions;
mod environment;
mod secrets;
mod told;

pub use actions::actions;
pub use environment::environment;
