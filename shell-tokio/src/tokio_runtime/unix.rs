//! Unix sockets on tokio.

use std::io;
use std::path::Path;
use std::task::{Context, Poll};

use loaddensity_metrics_shell::runtime;
use tokio::io::Interest;
use tokio::net::{UnixDatagram, UnixStream};
use tokio_util::compat::TokioAsyncWriteCompatExt as _;

use super::at_once;

/// A connected Unix datagram socket.
struct TokioUnixDatagram(UnixDatagram);

pub(super) fn datagram(path: &Path) -> io::Result<runtime::UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(Box::new(TokioUnixDatagram(socket)))
}

pub(super) async fn stream(path: &Path) -> io::Result<runtime::UnixStream> {
    Ok(Box::new(UnixStream::connect(path).await?.compat_write()))
}

impl runtime::DatagramSocket for TokioUnixDatagram {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        at_once(|| runtime::send(&self.0, datagram), |send| self.0.try_io(Interest::WRITABLE, send))
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send_ready(context)
    }
}
