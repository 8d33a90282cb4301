//! A TCP port at which nobody listens.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};

/// A local address that refuses TCP connections for as long as this lives.
///
/// A port that was bound and given back may be given to somebody else. This one stays taken, as the client's end of a
/// connection, to which nobody can connect.
#[derive(Debug)]
pub struct ClosedPort {
    client: TcpStream,
    /// The other end.
    _server: TcpListener,
}

impl ClosedPort {
    /// Takes a port of 127.0.0.1.
    ///
    /// # Errors
    /// What the operating system answers where it has no port left.
    pub fn new() -> io::Result<Self> {
        let server = TcpListener::bind("127.0.0.1:0")?;
        Ok(Self { client: TcpStream::connect(server.local_addr()?)?, _server: server })
    }

    /// The address.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.client.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_refused() {
        let closed = ClosedPort::new().expect("a port");
        let answer = TcpStream::connect(closed.address().expect("bound"));
        assert_eq!(answer.expect_err("nobody listens").kind(), io::ErrorKind::ConnectionRefused);
    }
}
