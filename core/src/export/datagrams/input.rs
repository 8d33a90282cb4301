//! What the machine of datagrams is told.

use core::net::SocketAddr;

use crate::export::{Fault, Id, Tick};

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum DatagramInput<'a> {
    /// The name has these addresses; none where it has none, or nobody could be asked.
    Resolved {
        /// The number of the action.
        id: Id,
        /// Its addresses, in any order.
        addresses: &'a [SocketAddr],
    },
    /// A socket was made.
    Connected {
        /// The number of the action.
        id: Id,
    },
    /// The kernel has taken datagrams.
    Sent {
        /// The number of the action.
        id: Id,
        /// How many, from the front, 1 or more.
        datagrams: usize,
        /// Whether it took as many in one call as there were; `false`: it takes one at a time.
        offload: bool,
    },
    /// A socket was not made, or none of the datagrams was taken, or a look was not possible.
    Failed {
        /// The number of the action.
        id: Id,
        /// Why.
        fault: Fault,
    },
    /// A socket was looked at.
    Looked {
        /// The number of the action.
        id: Id,
        /// Whether it had an error, which belongs to an earlier call.
        refused: bool,
    },
    /// A socket that was full takes more.
    Writable {
        /// Its number.
        socket: usize,
    },
    /// A stop is asked for: nothing new comes any more. Of several deadlines the nearest counts.
    Stop {
        /// When it must be done.
        deadline: Tick,
    },
}
