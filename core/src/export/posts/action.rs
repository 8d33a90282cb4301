//! What a driver is told to do.

use core::net::SocketAddr;
use core::ops::Range;

use crate::export::{Id, Tick};
use crate::registry::ledger::Cause;

/// What a driver of a [`PostMachine`](super::PostMachine) does next.
///
/// It is exhaustive on purpose: a driver must do each of them, so that a new one has to break its build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostAction {
    /// Ask what addresses the name has.
    Resolve {
        /// Of the answer.
        id: Id,
    },
    /// Connect; an earlier connection is of no use any more.
    Connect {
        /// Of the answer.
        id: Id,
        /// The address.
        address: SocketAddr,
    },
    /// Post the bytes in this range of the buffer over the connection. Until the answer is handed in `poll` gets an empty
    /// buffer.
    Send {
        /// Of the answer.
        id: Id,
        /// Where the body is.
        range: Range<usize>,
    },
    /// Give up what was started, and the connection; the answer is [`BodyInput::Failed`](crate::export::BodyInput::Failed), before the next poll.
    Cancel {
        /// Of what is given up.
        id: Id,
    },
    /// Come back at `until`, or when there is news, or as soon as so many items wait.
    Wait {
        /// The moment, [`Tick::NEVER`] where none is waited for.
        until: Tick,
        /// Items that wait, `usize::MAX` where their number is not waited for.
        events: usize,
    },
    /// It is over: nothing of what was lent waits any more.
    Done {
        /// Why whatever comes after this, or was never lent, is dropped.
        cause: Cause,
    },
}
