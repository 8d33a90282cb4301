//! Unix sockets, as the exporters see them: without a type of the runtime's, so that a runtime need not have any.

use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

/// A Unix datagram socket that is connected to one peer.
pub type UnixDatagram = Box<dyn DatagramSocket>;

/// A connection to a Unix stream socket, of which only the way out is used.
pub type UnixStream = Box<dyn AsyncWrite + Send + Unpin>;

/// A datagram socket that is connected to one peer and handed on without its type.
pub trait DatagramSocket: Send + Sync {
    /// Hands one datagram to the kernel; pending while the peer's queue or the send buffer is full. One task at a time
    /// polls it.
    ///
    /// # Errors
    /// What the operating system answers. The datagram was not taken then.
    fn poll_send(&self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<usize>>;
}

/// What a runtime without such sockets answers.
pub(super) fn unsupported(path: &Path) -> io::Error {
    let text = format!("{}: this runtime, or this system, has no Unix sockets", path.display());
    io::Error::new(io::ErrorKind::Unsupported, text)
}
