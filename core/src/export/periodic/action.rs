//! What a driver is told to do.

use core::net::SocketAddr;
use core::ops::Range;

use crate::export::{Id, Tick};
use crate::registry::ledger::Cause;

/// What a driver of an [`ExportMachine`](super::ExportMachine) does next.
///
/// It is exhaustive on purpose: a driver must do each of them, so that a new one has to break its build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportAction {
    /// Ask the name for its addresses.
    Resolve {
        /// Of the answer.
        id: Id,
    },
    /// Connect to this address.
    Connect {
        /// Of the answer.
        id: Id,
        /// The address.
        address: SocketAddr,
    },
    /// Send these bytes of the buffer over the connection, and keep them until the next `Send`. Until the answer the
    /// buffer that is lent is empty.
    Send {
        /// Of the answer.
        id: Id,
        /// Where in the buffer they are.
        range: Range<usize>,
    },
    /// Send the bytes of an earlier `Send` again, the last one.
    Again {
        /// Of the answer.
        id: Id,
        /// Of that `Send`.
        of: Id,
    },
    /// Give up what was started, and its connection: answered by [`BodyInput::Failed`](crate::export::BodyInput::Failed) before the next poll.
    Cancel {
        /// Of what is given up.
        id: Id,
    },
    /// Lend a buffer of so many bytes from now on, if possible. What is lent is used; a point that does not fit into it is
    /// left out.
    GrowBuffer(usize),
    /// Nothing, until then or until something has happened.
    Wait {
        /// When to poll again.
        until: Tick,
    },
    /// It is over: all is settled but what is still held.
    Done {
        /// Why that is dropped: the reason of the last attempt, or the deadline.
        cause: Cause,
    },
}
