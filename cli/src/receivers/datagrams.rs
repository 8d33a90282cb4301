//! Receiving UDP without losing what can be kept.

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

/// A thread that collects datagrams.
#[derive(Debug)]
pub struct DatagramCollector {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<CollectedDatagrams>>,
}

/// Datagrams in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct CollectedDatagrams {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many the kernel dropped because the socket's buffer was full; `None` where it does not say (other systems
    /// than Linux).
    pub kernel_drops: Option<u64>,
}

impl DatagramCollector {
    /// Listens on a free port of the IPv4 loopback interface.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn start() -> io::Result<Self> {
        let socket = listen()?;
        let address = socket.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let body = move || collect(&socket, address, &stopped);
        let thread = thread::Builder::new().name(format!("udp-{}", address.port())).spawn(body)?;
        Ok(Self { address, stop, thread })
    }

    /// Where to send.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that was sent before this call. On the loopback interface a datagram is in the receiver's buffer, or
    /// dropped, when the sender's call returns.
    ///
    /// # Errors
    /// What the operating system answered while receiving.
    pub fn finish(self) -> io::Result<CollectedDatagrams> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| io::Error::other("the receiver panicked"))?
    }
}

/// A socket on a free port of the IPv4 loopback interface, for [`receive`].
///
/// # Errors
/// What the operating system answers.
pub fn listen() -> io::Result<UdpSocket> {
    listen_at(0)
}

/// The same on `port`.
///
/// # Errors
/// What the operating system answers.
pub fn listen_at(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(LOOK))?;
    Ok(socket)
}

/// Hands over each datagram that was sent to a socket of [`listen`] before `stop` was set.
///
/// # Errors
/// What the operating system answers.
pub fn receive(socket: &UdpSocket, stop: &AtomicBool, mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        // Looked at before receiving: what was sent before the flag was set is then still read.
        let stopped = stop.load(Ordering::Acquire);
        match socket.recv(&mut buffer) {
            Ok(length) => each(&buffer[..length]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if stopped {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// How many datagrams to a socket the kernel dropped because its buffer was full; `None` where it does not say (other
/// systems than Linux). The socket must still be open.
#[must_use]
pub fn kernel_drops(address: SocketAddr) -> Option<u64> {
    drops_of(&fs::read_to_string("/proc/net/udp").ok()?, address)
}

fn collect(socket: &UdpSocket, address: SocketAddr, stop: &AtomicBool) -> io::Result<CollectedDatagrams> {
    let mut datagrams = CollectedDatagrams::default();
    receive(socket, stop, |datagram| {
        datagrams.bytes.extend_from_slice(datagram);
        datagrams.ends.push(datagrams.bytes.len());
    })?;
    datagrams.kernel_drops = kernel_drops(address);
    Ok(datagrams)
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

impl CollectedDatagrams {
    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether nothing came.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all datagrams, headers of IP and UDP not counted.
    #[must_use]
    pub const fn total_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The payloads in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_was_sent_arrives_or_is_counted_by_the_kernel() {
        let collector = DatagramCollector::start().unwrap();
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        sender.connect(collector.address()).unwrap();
        // Far more than any socket's buffer, as fast as it goes.
        const SENT: usize = 20_000;
        for number in 0..SENT {
            sender.send(&[u8::try_from(number % 251).unwrap(); 100][..1 + number % 100]).unwrap();
        }
        let datagrams = collector.finish().unwrap();
        let dropped = datagrams.kernel_drops.map_or(0, |drops| usize::try_from(drops).unwrap());
        if datagrams.kernel_drops.is_some() {
            assert_eq!(datagrams.len() + dropped, SENT);
        }
        assert!(!datagrams.is_empty());
        let sizes: usize = datagrams.iter().map(<[u8]>::len).sum();
        assert_eq!(sizes, datagrams.total_bytes());
        assert!(datagrams.iter().all(|bytes| bytes.iter().all(|byte| *byte == bytes[0])));
    }

    #[test]
    fn the_kernels_count_is_found_by_address_and_port() {
        let number = |octets: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(octets));
        let line = |octets, port: u16, drops| {
            format!(
                "  72: {}:{port:04X} 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 23 2 0 {drops}",
                number(octets)
            )
        };
        let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
        let table =
            [head.into(), line([127, 0, 0, 2], 8125, 9), line([127, 0, 0, 1], 8125, 7), line([127, 0, 0, 1], 81, 3)]
                .join("\n");
        assert_eq!(drops_of(&table, ([127, 0, 0, 1], 8125).into()), Some(7));
        assert_eq!(drops_of(&table, ([127, 0, 0, 1], 81).into()), Some(3));
        assert_eq!(drops_of(&table, ([127, 0, 0, 1], 82).into()), None);
    }
}
