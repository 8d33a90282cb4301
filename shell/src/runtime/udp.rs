//! How a UDP socket is opened, whichever runtime watches it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

/// What [`Runtime::udp_connect`](super::Runtime::udp_connect) is asked for. A runtime calls [`open`](Self::open) and adopts
/// the socket, so that an option that is added here works in every runtime:
///
/// ```
/// use std::{io, net::UdpSocket};
///
/// use async_io::Async;
/// use loaddensity_metrics_shell::runtime::UdpOptions;
///
/// async fn udp_connect(options: UdpOptions) -> io::Result<Async<UdpSocket>> {
///     Async::new_nonblocking(options.open()?) // tokio: UdpSocket::from_std(options.open()?)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UdpOptions {
    /// Whom the socket is connected to.
    pub peer: SocketAddr,
}

impl UdpOptions {
    /// A socket that is connected to `peer`, with whatever else the operating system gives it.
    #[must_use]
    pub const fn to(peer: SocketAddr) -> Self {
        Self { peer }
    }

    /// Opens the socket: on any address of the peer's family and a free port, connected, and so that no call waits
    /// (`O_NONBLOCK`). Waits for nothing and sends nothing.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn open(&self) -> io::Result<UdpSocket> {
        let Self { peer } = *self;
        let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.bind(&any_local(peer).into())?;
        socket.connect(&peer.into())?;
        Ok(socket.into())
    }
}

/// Any address of the family of `peer`, a free port.
fn any_local(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over IPv6 the conformance suite shows it, and says where a machine has none.
    #[test]
    fn a_socket_is_opened_for_its_peer_and_never_waits() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let peer = receiver.local_addr().expect("bound");
        let socket = UdpOptions::to(peer).open().expect("a socket");
        assert_eq!(socket.peer_addr().expect("connected"), peer);
        assert_ne!(socket.local_addr().expect("bound").port(), 0);
        assert_eq!(socket.recv(&mut [0; 1]).expect_err("nothing came").kind(), io::ErrorKind::WouldBlock);
        assert_eq!(socket.send(b"x").expect("sent"), 1);
        assert_eq!(receiver.recv(&mut [0; 2]).expect("received"), 1);
    }
}
