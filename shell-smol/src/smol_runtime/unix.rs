//! Unix sockets on smol.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::task::{Context, Poll};

use async_io::Async;
use async_net::unix::UnixStream;
use loaddensity_metrics_shell::runtime;

/// A connected Unix datagram socket.
struct SmolUnixDatagram(Async<UnixDatagram>);

pub(super) fn datagram(path: &Path) -> io::Result<runtime::UnixDatagram> {
    let socket = Async::<UnixDatagram>::unbound()?;
    socket.get_ref().connect(path)?;
    Ok(Box::new(SmolUnixDatagram(socket)))
}

pub(super) async fn stream(path: &Path) -> io::Result<runtime::UnixStream> {
    Ok(Box::new(UnixStream::connect(path).await?))
}

impl runtime::DatagramSocket for SmolUnixDatagram {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.get_ref().send(datagram)
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_writable(context)
    }
}
