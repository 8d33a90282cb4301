//! Unix sockets on tokio.

use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use loaddensity_metrics_shell::runtime;
use tokio::net::{UnixDatagram, UnixStream};
use tokio_util::compat::TokioAsyncWriteCompatExt as _;

/// A connected Unix datagram socket.
struct Datagram(UnixDatagram);

pub(super) fn datagram(path: &Path) -> io::Result<runtime::UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(Box::new(Datagram(socket)))
}

pub(super) async fn stream(path: &Path) -> io::Result<runtime::UnixStream> {
    Ok(Box::new(UnixStream::connect(path).await?.compat_write()))
}

impl runtime::DatagramSocket for Datagram {
    fn poll_send(&self, context: &mut Context<'_>, datagram: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, datagram)
    }
}
