//! Unix sockets, as the exporters see them: without a type of the runtime's, so that a runtime need not have any.

use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

/// A Unix datagram socket that is connected to one peer.
pub type UnixDatagram = Box<dyn DatagramSocket>;

/// A connection to a Unix stream socket, which is only written to.
pub type UnixStream = Box<dyn AsyncWrite + Send + Unpin>;

/// A datagram socket that is connected to one peer and handed on without its type.
pub trait DatagramSocket: Send + Sync {
    /// Hands one datagram, which may be empty, to the kernel, in one attempt that never waits. Returns its length: it is
    /// taken whole or not at all. A socket that was just made takes one at once.
    ///
    /// # Errors
    /// What the operating system answers; the datagram was not taken then. `WouldBlock` where the peer's queue or the
    /// send buffer is full, and for no other reason.
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize>;

    /// Pending, after a `WouldBlock`, until another attempt may succeed. It may come early, so the attempt may fail
    /// again; it must not come early without end. One task at a time polls it.
    ///
    /// # Errors
    /// Where the runtime cannot watch the socket any longer. What is wrong with the socket itself, the next attempt
    /// tells.
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// What a runtime without such sockets answers.
pub(super) fn unsupported(path: &Path) -> io::Error {
    let text = format!("{}: this runtime, or this system, has no Unix sockets", path.display());
    io::Error::new(io::ErrorKind::Unsupported, text)
}
