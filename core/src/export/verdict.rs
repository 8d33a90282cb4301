//! What an answer means for what was sent: one table of data per protocol, and one function that looks an answer up in
//! it. The documents show the same tables.
//!
//! | protocol | table | looked up by |
//! |---|---|---|
//! | InfluxDB over HTTP | [`INFLUXDB`] | [`influxdb`] |
//! | OTLP over HTTP | [`OTLP_HTTP`] | [`otlp_http`] |
//! | OTLP over gRPC | [`GRPC`] | [`grpc`] |
//!
//! The first row that an answer fits is the one that counts. What follows from a verdict (when something is sent again,
//! how large the next body is, what is counted) is not said here.

use core::time::Duration;

mod grpc;
mod grpc_status;
mod hint;
mod http_date;
mod influxdb;
mod language;
mod otlp_http;
mod retry_after;
mod table;

pub use grpc::{GRPC, GrpcAnswer, grpc};
pub use grpc_status::GrpcStatus;
pub use hint::Hint;
pub use influxdb::{INFLUXDB, InfluxdbAnswer, influxdb};
pub use language::{Language, language};
pub use otlp_http::{OTLP_HTTP, OtlpHttpAnswer, otlp_http};
pub use retry_after::{retry_after, retry_after_at};
pub use table::{Codes, Needs, VerdictRow};

/// What an answer says of the body that it answers.
///
/// It is exhaustive on purpose: a machine must settle each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The backend has all of it.
    Stored,
    /// The backend has it, except some of its items.
    Partial {
        /// How many items it does not have and never will: lines of InfluxDB, data points of OTLP. 1 or more, as the answer
        /// says.
        dropped: u64,
    },
    /// An answer came that neither accepts nor refuses: the backend may have it.
    Unclear,
    /// The backend will never take it: sending it again is useless or harmful.
    Refused,
    /// Too large as a whole; smaller parts may be taken.
    TooLarge,
    /// The backend, or a proxy before it, cannot take it now.
    Away {
        /// The pause that it asks for; zero where it asks for none.
        at_least: Duration,
        /// Whether it may have what was sent all the same.
        may_have_arrived: bool,
    },
    /// The backend failed over it: either the backend is ill, or something in the body makes it fail.
    Ill,
}

impl Said {
    /// Away, without what may have arrived and without a pause that is asked for.
    const AWAY: Self = Self::Away { at_least: Duration::ZERO, may_have_arrived: false };
    /// Away, and it may have arrived.
    const AWAY_WITH_IT: Self = Self::Away { at_least: Duration::ZERO, may_have_arrived: true };
    /// In part; how many items are missing the answer says.
    const IN_PART: Self = Self::Partial { dropped: 0 };
}

/// What an answer means, and what a person should look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it means for the body that it answers.
    pub said: Said,
    /// What is probably wrong, if something is.
    pub hint: Option<Hint>,
}
