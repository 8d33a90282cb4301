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
mod connection;
pub mod datagrams;
mod fault;
mod following;
mod health;
mod id;
mod input;
mod now;
pub mod pace;
pub mod periodic;
pub mod posts;
mod size;
pub(crate) mod steady_clock;
mod stopping;
pub mod verdict;

pub use crate::random::Random;
pub use addresses::{Addresses, MOST_ADDRESSES, Next};
pub use backoff::Backoff;
pub use connection::{Broken, Connection, Step};
pub use fault::{FAULTS, Fault, FaultRow, Handed, fault};
pub use following::Following;
use health::Course;
pub use health::Health;
pub use id::{Id, Ids};
pub use now::{Now, Tick};
pub use size::{Size, TooLarge};
pub use stopping::Stopping;
