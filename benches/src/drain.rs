//! A UDP receiver that keeps nothing: it counts datagrams, and the kernel counts those for which it had no room.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

/// What is asked of the kernel; it gives as much as `net.core.rmem_max` allows.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How long the receiver waits before it looks whether it shall end.
const LOOK: Duration = Duration::from_millis(20);

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
pub struct Drained {
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
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        SockRef::from(&*socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.set_read_timeout(Some(LOOK))?;
        let address = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut drain = Self { socket: socket.clone(), address, stop: stop.clone(), thread: None };
        if reads {
            let body = move || read_all(&socket, &stop);
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
    /// What the operating system answered while receiving, or where there is no `/proc`.
    pub fn finish(mut self) -> io::Result<Drained> {
        self.stop.store(true, Ordering::Release);
        let read = match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| io::Error::other("the receiver panicked"))??,
            None => 0,
        };
        let table = fs::read_to_string("/proc/net/udp")?;
        let lost = drops_of(&table, self.address).ok_or_else(|| io::Error::other("/proc/net/udp lacks the socket"))?;
        drop(self.socket);
        Ok(Drained { read, lost })
    }
}

fn read_all(socket: &UdpSocket, stop: &AtomicBool) -> io::Result<u64> {
    let mut buffer = vec![0; 65_536];
    let mut read = 0;
    loop {
        // Looked at before receiving: what was sent before the flag was set is then still read.
        let stopped = stop.load(Ordering::Acquire);
        match socket.recv(&mut buffer) {
            Ok(_) => read += 1,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if stopped {
                    return Ok(read);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The last column of the socket's line in `/proc/net/udp` (Linux, proc_net(5)): `local_address` is the second, the
/// address as a number in the machine's byte order and the port, both in hexadecimal.
fn drops_of(table: &str, address: SocketAddr) -> Option<u64> {
    let SocketAddr::V4(address) = address else {
        return None;
    };
    let number = u32::from_ne_bytes(address.ip().octets());
    let local = format!("{number:08X}:{:04X}", address.port());
    let line = table.lines().find(|line| line.split_whitespace().nth(1) == Some(&local))?;
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
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
