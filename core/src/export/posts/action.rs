//! What a driver is told to do.

use core::net::SocketAddr;
use core::ops::Range;

#[cfg(doc)]
use crate::export::BodyInput;
use crate::export::{Id, Tick};
use crate::registry::drop_reason::DropReason;

/// What a driver of a [`PostMachine`](super::PostMachine) does next.
///
/// It is exhaustive on purpose: a driver must do each of them, so that a new one has to break its build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostAction {
    /// Ask for the addresses of the name.
    Resolve {
        /// The number that the answer carries.
        id: Id,
    },
    /// Connect, and drop an earlier connection.
    Connect {
        /// The number that the answer carries.
        id: Id,
        /// The address.
        address: SocketAddr,
    },
    /// Post the bytes in this range of the buffer over the connection. Until the answer has come, `poll` gets an empty
    /// buffer.
    Send {
        /// The number that the answer carries.
        id: Id,
        /// Where the body is.
        range: Range<usize>,
    },
    /// Give up what was started, and its connection. The answer is [`BodyInput::Failed`], before the next poll.
    Cancel {
        /// The number of what is given up.
        id: Id,
    },
    /// Poll again at `until`, or when something has happened, or as soon as so many items wait.
    Wait {
        /// The moment; [`Tick::NEVER`] where there is none.
        until: Tick,
        /// The number of items; `usize::MAX` where it does not matter.
        events: usize,
    },
    /// It is over: no item waits any more.
    Done {
        /// Why whatever comes later is dropped.
        cause: DropReason,
    },
}
