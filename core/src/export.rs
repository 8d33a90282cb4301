//! How exporters decide: what is sent and when, what an answer means for what was sent, what is tried again, what is
//! dropped and why, when a stop is done.
//!
//! Each kind of exporter is a machine without sockets, timers and clocks, which a driver serves:
//!
//! 1. `handle(now, input)` notes one piece of news.
//! 2. `poll(now, sources, buffer)` settles it and says what to do. It is asked again until it says that it waits.
//! 3. What is started (asking a name, connecting, sending a body) has exactly one answer, which carries its [`Id`].
//!    What is cancelled is answered too, before the next `poll`.
//! 4. Timeouts are the machine's: a driver that waits comes back at the moment that it was told.
//!
//! What answers, failures and stops mean is said in the parts that the machines have in common.

mod addresses;
mod backoff;
mod body_input;
mod body_size;
mod connection;
pub mod datagrams;
mod fault;
mod health;
mod id;
pub mod items;
mod now;
pub mod pace;
pub mod periodic;
pub mod posts;
mod resolved_name;
pub(crate) mod steady_clock;
mod stopping;
pub mod verdict;

pub use crate::random::Random;
pub use addresses::{AddressStep, Addresses, MOST_ADDRESSES};
pub use backoff::{Backoff, LONGEST_EXPORT_PAUSE, LONGEST_POST_PAUSE};
pub use body_input::BodyInput;
pub use body_size::{BodySize, TooLarge};
pub use connection::{BrokenCall, CallOutcome, Connection, ConnectionStep};
pub use fault::{FAULTS, Fault, FaultRow, SendKind, fault};
pub use health::{Attempts, Health};
pub use id::{Id, Ids};
pub use now::{Now, Tick};
pub use resolved_name::ResolvedName;
pub use stopping::Stopping;
