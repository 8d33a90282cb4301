//! What the machine of datagrams is told.

use core::net::SocketAddr;

use crate::export::{Fault, Id, Tick};

/// One piece of news.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum DatagramInput<'a> {
    /// The name has these addresses; none where it has none, or nobody could be asked.
    Resolved {
        /// The question.
        id: Id,
        /// Its addresses, in any order.
        addresses: &'a [SocketAddr],
    },
    /// A socket was made.
    Connected {
        /// The attempt.
        id: Id,
    },
    /// The kernel has taken datagrams.
    Sent {
        /// The call.
        id: Id,
        /// How many, from the front, 1 or more.
        datagrams: usize,
        /// Whether it took as many in one call as there were; `false`: it takes one at a time.
        offload: bool,
    },
    /// A socket was not made; or datagrams were not taken, none of them; or a look cannot tell.
    Failed {
        /// The attempt or the call.
        id: Id,
        /// Why.
        fault: Fault,
    },
    /// A socket was looked at.
    Looked {
        /// The look.
        id: Id,
        /// Whether it had an error, which is of an earlier call.
        refused: bool,
    },
    /// A socket that was full takes more.
    Writable {
        /// Its number.
        socket: usize,
    },
    /// A stop is asked for: nothing comes any more. Of several the nearest deadline counts.
    Stop {
        /// When it must be done.
        deadline: Tick,
    },
}
