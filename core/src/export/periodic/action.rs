//! What a driver is told to do.

use core::net::SocketAddr;
use core::ops::Range;

#[cfg(doc)]
use crate::export::BodyInput;
use crate::export::{Id, Tick};
use crate::registry::drop_reason::DropReason;

/// What a driver of an [`ExportMachine`](super::ExportMachine) does next.
///
/// It is exhaustive on purpose: a driver must do each of them, so that a new one has to break its build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportAction {
    /// Ask the name for its addresses.
    Resolve {
        /// The number that the answer carries.
        id: Id,
    },
    /// Connect to this address.
    Connect {
        /// The number that the answer carries.
        id: Id,
        /// The address.
        address: SocketAddr,
    },
    /// Send these bytes of the buffer over the connection, and keep them until the next `Send`. Until the answer the
    /// buffer that is lent is empty.
    Send {
        /// The number that the answer carries.
        id: Id,
        /// Where in the buffer they are.
        range: Range<usize>,
    },
    /// Send the bytes of the last `Send` again.
    Again {
        /// The number that the answer carries.
        id: Id,
        /// The number of that `Send`.
        of: Id,
    },
    /// Give up what was started, and its connection. The answer is [`BodyInput::Failed`], before the next poll.
    Cancel {
        /// The number of what is given up.
        id: Id,
    },
    /// Lend a buffer of so many bytes from now on, if possible. If it stays smaller, it is used as it is, and a point that does
    /// not fit into it is left out.
    GrowBuffer(usize),
    /// Do nothing until this moment, or until something has happened.
    Wait {
        /// When to poll again.
        until: Tick,
    },
    /// It is over: everything is settled but what is still held.
    Done {
        /// Why that is dropped: the reason of the last attempt, or the deadline.
        cause: DropReason,
    },
}
