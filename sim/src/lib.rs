//! The machines under simulation: engine, rings, pump, queues and exporters against modelled backends, on one thread and in
//! virtual time. One seed is one course of events, so that whatever goes wrong can be seen again.
//!
//! The law is checked after each thing that happens, against what the modelled backend really has:
//!
//! | exporter | what its backend has | what must hold |
//! |---|---|---|
//! | InfluxDB over HTTP, per request and per interval | a set of points, by series and time | sent ≤ stored ≤ sent + unconfirmed + held |
//! | OTLP, cumulative and delta | the last total of each series, or its intervals | the same; totals never fall, intervals never overlap |
//! | InfluxDB over UDP, DogStatsD | what the modelled kernel took and delivered | the same; where a receiver is far, what it lost in silence counts as sent |
//! | the page | what was read to its end | sent ≤ the largest total |
//!
//! All of it is checked twice where the engine has instruments of its own: of requests, and of observations, by accounts of their
//! own. Each value that is shown of an own instrument must be that of whole calls, a histogram's sum that of its number, a point
//! of InfluxDB never has another value later, no message of OTLP is of both, and an answer to one of observations changes nothing
//! in the account of requests, or the other way round.
//!
//! Besides: a backend that takes nothing is asked no more often than the design allows (`attempts.rs`), and not at all in a pause
//! that it asked for; an account is balanced, and says as many recorded requests as were recorded; a stop is over by its deadline;
//! nothing is held afterwards; a page that is over before its limit has lost nothing; nothing is held for ever once a backend is
//! well; no machine is polled without end, waits for a moment that is over, or asks for more memory than was configured; what is
//! sent can be read by somebody else's parsers.

mod attempts;
mod call;
mod choices;
mod clock;
mod datagrams;
mod engine;
mod exports;
mod influxdb;
mod instruments;
mod kernel;
mod otlp;
mod page;
mod posts;
mod reply;
mod running;
mod shared;
mod weather;
mod world;

pub use choices::Choices;
pub use world::{SimulationSummary, Violation, simulate};
