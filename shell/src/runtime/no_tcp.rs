//! What a runtime without TCP has in its place.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::TcpListener;

/// A TCP connection and a listener that cannot be: [`Runtime::Tcp`](super::Runtime::Tcp) and
/// [`Runtime::Listener`](super::Runtime::Listener) of a runtime without TCP.
/// There will be no variant: `match` of one needs no arm.
#[derive(Debug)]
pub enum NoTcp {}

impl AsyncRead for NoTcp {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }
}

impl AsyncWrite for NoTcp {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl TcpListener for NoTcp {
    type Stream = Self;

    async fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        match *self {}
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match *self {}
    }
}

/// What a runtime without TCP answers.
pub(super) fn unsupported() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this runtime has no TCP; run the exporters on another shell")
}
