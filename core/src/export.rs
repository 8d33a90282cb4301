//! The decisions of the exporters: what is sent and when, what an answer means for what was sent, what is sent again, what
//! is dropped and why, and when a stop is done.
//!
//! Each kind of exporter is a machine without sockets, timers and clocks. A driver serves it:
//!
//! 1. `handle(now, input)` tells the machine what has happened.
//! 2. `poll(now, source, buffer)` says what to do next. The driver does that one thing and polls again, until it is told to
//!    wait.
//! 3. Whatever is started (a name that is asked, a connection, a body) has exactly one answer, which carries its [`Id`].
//!    What is cancelled is answered too, before the next `poll`.
//! 4. Timeouts are the machine's: a driver that waits polls again at the moment that it was told.
//!
//! # Where to look
//!
//! | question | file |
//! |---|---|
//! | What is posted to InfluxDB over HTTP, and when? | [`posts`] |
//! | What is exported over OTLP, and when? | [`periodic`] |
//! | Which datagrams go to InfluxDB and DogStatsD, and when? | [`datagrams`] |
//! | What does the answer of a server mean? | [`verdict`]: a table for each protocol |
//! | What does the error of a socket mean? | `fault.rs`: [`FAULTS`] |
//! | What follows from an answer, and for which reason is something dropped? | `answers.rs` of each machine; the reasons: [`DropReason`](crate::DropReason) |
//! | What goes out next? | `sending.rs` of a machine, `periodic/next_body.rs` |
//! | How long is a pause? What is the back-off cap? | `backoff.rs` |
//! | How large may a body be? A datagram? | `body_size.rs`; `datagrams/datagram_size.rs` |
//! | How many datagrams leave at once? | `datagrams/burst.rs` |
//! | What does a stop change? | `stopping.rs` |
//! | When is a connection made, and given up? | `connection.rs` |
//! | Which address of a name is tried? | `addresses.rs`; for datagrams `resolved_name.rs` |
//! | What is a machine told? What does it say? | `body_input.rs`, `datagrams/input.rs`; `action.rs` of each machine |
//! | What can be set? | `limits.rs` of a machine, `datagrams/route.rs` |
//! | What is sent lies where? | `items.rs`; `source.rs` of a machine |
//! | How is an exporter doing? | `health.rs` |
//! | What time is it? | `now.rs`; times that never go back: `steady_clock.rs`; how often the rings are read: `pace.rs` |
//! | How much is read at a time? | `turn.rs` |
//! | Which answer belongs to what? | `id.rs` |

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
mod turn;
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
pub use turn::{BETWEEN_TURNS, in_a_turn, series_in_a_turn};
