//! Unix sockets of the standard library, tried again after a pause where they are full.

use std::future::Future as _;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;
use loaddensity_metrics_shell::runtime;
use socket2::{Domain, SockAddr, Socket, Type};

use super::RETRY;
use super::timer::{self, Sleep};

/// A connected Unix datagram socket.
struct StdUnixDatagram {
    socket: UnixDatagram,
    pause: Mutex<WouldBlockPause>,
}

pub(super) fn datagram(path: &Path) -> io::Result<runtime::UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(Box::new(StdUnixDatagram { socket, pause: Mutex::default() }))
}

impl runtime::DatagramSocket for StdUnixDatagram {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.socket.send(datagram)
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner).poll(context).map(Ok)
    }
}

/// A connection to a Unix stream socket.
struct StdStream {
    socket: UnixStream,
    pause: WouldBlockPause,
}

/// Like the other shells', an error where the listener has no place for one more: the standard library's `connect` waits.
pub(super) fn stream(path: &Path) -> io::Result<runtime::UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(Box::new(StdStream { socket: OwnedFd::from(socket).into(), pause: WouldBlockPause::default() }))
}

impl AsyncWrite for StdStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.socket.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.pause.poll(context)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket.shutdown(Shutdown::Write))
    }
}

/// The time between two attempts.
#[derive(Default)]
struct WouldBlockPause(Option<Sleep>);

impl WouldBlockPause {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| timer::sleep(RETRY));
        ready!(Pin::new(sleep).poll(context));
        self.0 = None;
        Poll::Ready(())
    }
}
