//! What a machine that sends bodies, [`PostMachine`](super::posts::PostMachine) or [`ExportMachine`](super::periodic::ExportMachine), is told.

use core::net::SocketAddr;

use super::{Id, Tick};
use crate::export::verdict::Said;

/// One piece of news. Each `id` is that of the action that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyInput<'a> {
    /// The answer to `Action::Resolve`.
    Resolved {
        /// Of the action.
        id: Id,
        /// The addresses, none where the name has none or nobody could be asked.
        addresses: &'a [SocketAddr],
    },
    /// The answer to `Action::Connect`: the connection is there, with all that goes before a body.
    Connected {
        /// Of the action.
        id: Id,
    },
    /// The backend has answered a body.
    Answer {
        /// Of the action.
        id: Id,
        /// What it said.
        said: Said,
    },
    /// What was started has failed or was cancelled. Its connection is gone.
    Failed {
        /// Of the action.
        id: Id,
        /// Whether some of the body may have gone out.
        began: bool,
        /// Whether the connection had served an earlier body.
        kept: bool,
    },
    /// All that is held is to be sent by the deadline, or dropped. Of several deadlines the nearest counts.
    Stop {
        /// When `Action::Done` is said at the latest.
        deadline: Tick,
    },
}
