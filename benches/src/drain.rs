//! A UDP receiver that keeps nothing: it counts datagrams, and the kernel counts those for which it had no room.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use loaddensity_metrics_cli::receivers::datagrams;

/// A receiver on a free port of the IPv4 loopback interface.
#[derive(Debug)]
pub struct Drain {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<u64>>>,
}

/// What became of the datagrams that were sent to a [`Drain`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainCounts {
    /// Read by the receiver.
    pub read: u64,
    /// Dropped by the kernel, because the socket's buffer was full.
    pub lost: u64,
}

impl Drain {
    /// Name of the threads.
    pub const THREAD: &str = "udp-drain";

    /// Listens; with `reads`, a thread empties the socket. Without, what the socket's buffer does not hold is lost.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn start(reads: bool) -> io::Result<Self> {
        let socket = Arc::new(datagrams::listen()?);
        let address = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut drain = Self { socket: socket.clone(), address, stop: stop.clone(), thread: None };
        if reads {
            let body = move || {
                let mut read = 0;
                datagrams::receive(&socket, &stop, |_| read += 1).map(|()| read)
            };
            drain.thread = Some(thread::Builder::new().name(Self::THREAD.into()).spawn(body)?);
        }
        Ok(drain)
    }

    /// Where to send.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What became of all that was sent before this call.
    ///
    /// # Errors
    /// What the operating system answered while receiving, or where `/proc/net/udp` lacks the socket.
    pub fn finish(mut self) -> io::Result<DrainCounts> {
        self.stop.store(true, Ordering::Release);
        let read = match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| io::Error::other("the receiver panicked"))??,
            None => 0,
        };
        let lost = datagrams::kernel_drops(self.address);
        let lost = lost.ok_or_else(|| io::Error::other("/proc/net/udp lacks the socket"))?;
        drop(self.socket);
        Ok(DrainCounts { read, lost })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn every_datagram_is_read_or_counted_as_lost() {
        const SENT: u64 = 20_000;
        for reads in [true, false] {
            let drain = Drain::start(reads).unwrap();
            let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            sender.connect(drain.address()).unwrap();
            for _ in 0..SENT {
                sender.send(&[7; 1_400]).unwrap();
            }
            let drained = drain.finish().unwrap();
            if reads {
                assert_eq!(drained.read + drained.lost, SENT, "{drained:?}");
            } else {
                assert!(drained.read == 0 && drained.lost > 0 && drained.lost < SENT, "{drained:?}");
            }
        }
    }
}
