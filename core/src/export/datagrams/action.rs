//! What a driver is told to do.

use core::net::SocketAddr;
use core::ops::Range;

use crate::export::{Id, Tick};
use crate::registry::drop_reason::DropReason;

/// What a driver of a [`DatagramMachine`](super::DatagramMachine) does next.
///
/// It is exhaustive on purpose: a driver must do each of them, so that a new one has to break its build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatagramAction {
    /// Start to ask the name.
    Resolve {
        /// The number that the answer carries.
        id: Id,
    },
    /// Start to make a socket.
    Connect {
        /// The number that the answer carries.
        id: Id,
        /// Its number, below the number of sockets.
        socket: usize,
        /// What it is connected to; `None`: the Unix socket, whose path the driver knows.
        address: Option<SocketAddr>,
    },
    /// Hand datagrams to a socket.
    Send {
        /// The number that the answer carries.
        id: Id,
        /// The socket's number.
        socket: usize,
        /// Where they are in the buffer, one after another.
        range: Range<usize>,
        /// Bytes of each but the last, which may be shorter.
        segment: usize,
        /// How many they are, at most [`SEGMENTS`](crate::SEGMENTS).
        count: usize,
    },
    /// Look whether a socket has an error to tell of.
    Look {
        /// The number that the answer carries.
        id: Id,
        /// The socket's number.
        socket: usize,
    },
    /// Drop a socket.
    Close {
        /// Its number.
        socket: usize,
    },
    /// Wait.
    Wait(Wait),
    /// It is over: everything that was lent is settled.
    Done {
        /// Why whatever comes later is dropped.
        cause: DropReason,
    },
}

/// What to wait for: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// A moment. If it has passed, let other tasks have their turn, then poll again.
    pub until: Tick,
    /// So many requests in the sink; [`usize::MAX`] where their number does not matter.
    pub events: usize,
    /// Sockets that become writable, a bit for each, that of socket 0 the lowest.
    pub writable: u16,
}
