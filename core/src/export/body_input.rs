//! What a machine that sends bodies is told: [`PostMachine`](super::posts::PostMachine) and
//! [`ExportMachine`](super::periodic::ExportMachine).

use core::net::SocketAddr;

use super::{Id, Tick};
use crate::export::verdict::Said;

/// Something that has happened. Each `id` is that of the action that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyInput<'a> {
    /// The answer to `Resolve`.
    Resolved {
        /// The number of the action.
        id: Id,
        /// The addresses; none where the name has none, or nobody could be asked.
        addresses: &'a [SocketAddr],
    },
    /// The answer to `Connect`: the connection is there, with all that goes before a body.
    Connected {
        /// The number of the action.
        id: Id,
    },
    /// The backend has answered a body.
    Answer {
        /// The number of the action.
        id: Id,
        /// What it said.
        said: Said,
    },
    /// What was started has failed or was cancelled. Its connection is gone.
    Failed {
        /// The number of the action.
        id: Id,
        /// Whether some of the body may have gone out.
        began: bool,
        /// Whether the connection had served an earlier body.
        kept: bool,
    },
    /// All that is held is to be sent by the deadline, or dropped. Of several deadlines the nearest counts.
    Stop {
        /// The latest moment for `Done`.
        deadline: Tick,
    },
}
