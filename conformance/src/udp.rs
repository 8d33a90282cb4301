//! UDP, with a receiver of the standard library.

use std::io;
use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::{Runtime, UdpOptions, UdpSocket};

use super::{LOOPBACK, ipv6_loopback, run, until};

/// One attempt sends one datagram with unchanged bytes, also an empty one. A new socket takes a datagram at once.
pub fn datagrams_arrive_whole<R: Runtime>() {
    whole_datagrams::<R>(LOOPBACK);
}

/// The same over IPv6.
pub fn datagrams_arrive_whole_over_ipv6<R: Runtime>() {
    if let Some(loopback) = ipv6_loopback() {
        whole_datagrams::<R>(loopback);
    }
}

fn whole_datagrams<R: Runtime>(loopback: SocketAddr) {
    let (receiver, peer) = receiver(loopback);
    run(|runtime: R| async move {
        let mut arrived = vec![0; 65_536];
        // 9,000 bytes (a jumbo frame) is the most that every system takes by default.
        for length in [1, 0, 2, 512, 1_400, 1_472, 1_473, 9_000] {
            let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("a connected socket");
            let sent: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            for _ in 0..2 {
                assert_eq!(socket.try_send(&sent).expect("a datagram sent"), length);
                let count = receiver.recv(&mut arrived).expect("a datagram received");
                assert_eq!(&arrived[..count], &sent);
            }
        }
    });
}

/// 20,000 datagrams, sent in bursts that fit into the usual buffer of a receiver, all arrive, and in order.
pub fn many_datagrams_arrive_in_order<R: Runtime>() {
    const DATAGRAMS: u64 = 20_000;
    const BURST: u64 = 50;
    let (receiver, peer) = receiver(LOOPBACK);
    let received = Arc::new(AtomicU64::new(0));
    let counter = received.clone();
    let reader = thread::spawn(move || {
        let mut datagram = [0; 64];
        for expected in 0..DATAGRAMS {
            let count = receiver.recv(&mut datagram).expect("a datagram received");
            assert_eq!(datagram[..count], expected.to_be_bytes());
            counter.store(expected + 1, Ordering::SeqCst);
        }
    });
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("a connected socket");
        for number in 0..DATAGRAMS {
            patiently(&socket, |socket| socket.try_send(&number.to_be_bytes())).await.expect("a datagram sent");
            if (number + 1).is_multiple_of(BURST) {
                until(&runtime, || received.load(Ordering::SeqCst) == number + 1 || reader.is_finished()).await;
            }
        }
        reader.join().expect("every datagram in its place");
    });
}

/// If nobody listens, the kernel reports it on a later send. Once somebody listens, the same socket reaches them.
pub fn a_refused_datagram_is_reported_and_forgotten<R: Runtime>() {
    let (nobody, peer) = receiver(LOOPBACK);
    drop(nobody);
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("connecting sends nothing");
        let refused = loop {
            match socket.try_send(b"anybody?") {
                Ok(_) => runtime.sleep(Duration::from_millis(1)).await,
                Err(error) => break error.kind(),
            }
        };
        // On Windows the error has the second name.
        let names = [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
        assert!(names.contains(&refused), "{refused:?}");

        let somebody = StdUdpSocket::bind(peer).expect("the port is still free");
        somebody.set_nonblocking(true).expect("a socket option");
        let mut arrived = [0; 16];
        while somebody.recv(&mut arrived).is_err() {
            let _ = socket.try_send(b"hello");
            runtime.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(&arrived[..5], b"hello");
    });
}

/// A refusal can be asked for without sending anything. It is reported once: by `take_error`, or by the next attempt.
pub fn a_refusal_is_looked_at_without_sending<R: Runtime>() {
    let (nobody, peer) = receiver(LOOPBACK);
    drop(nobody);
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("connecting sends nothing");
        let mut refusals = Refusals { socket: &socket, taken: 0, reported: 0 };
        assert!(!refusals.look(), "nothing was sent");
        loop {
            refusals.attempt();
            runtime.sleep(Duration::from_millis(5)).await;
            if refusals.look() {
                break;
            }
        }
        // A refusal that `take_error` has reported is not reported again.
        (0..3).for_each(|_| _ = refusals.look());
        refusals.attempt();
        // A refusal that an attempt has reported is not reported by `take_error`.
        while !refusals.attempt() {
            runtime.sleep(Duration::from_millis(5)).await;
        }
        (0..3).for_each(|_| _ = refusals.look());

        let somebody = StdUdpSocket::bind(peer).expect("the port is still free");
        somebody.set_nonblocking(true).expect("a socket option");
        while somebody.recv(&mut [0; 16]).is_err() {
            refusals.attempt();
            runtime.sleep(Duration::from_millis(1)).await;
        }
    });
}

/// Counts refusals: one may be reported for each datagram that was taken, at any later time.
struct Refusals<'a, S> {
    socket: &'a S,
    taken: usize,
    reported: usize,
}

impl<S: UdpSocket> Refusals<'_, S> {
    /// Whether an attempt to send reports a refusal.
    fn attempt(&mut self) -> bool {
        let sent = self.socket.try_send(b"anybody?");
        self.taken += usize::from(sent.is_ok());
        self.note(sent.err())
    }

    /// Whether `take_error` reports a refusal.
    fn look(&mut self) -> bool {
        let error = self.socket.take_error().expect("a socket can be asked");
        self.note(error)
    }

    fn note(&mut self, error: Option<io::Error>) -> bool {
        let Some(error) = error else { return false };
        // On Windows the error has the second name.
        let names = [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
        assert!(names.contains(&error.kind()), "{error}");
        self.reported += 1;
        assert!(self.reported <= self.taken, "{} refusals of {} datagrams", self.reported, self.taken);
        true
    }
}

/// If a socket has room, waiting for room ends at once, before and after something was sent.
pub fn a_socket_with_room_is_writable<R: Runtime>() {
    let (receiver, peer) = receiver(LOOPBACK);
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("a connected socket");
        let mut arrived = [0; 16];
        for number in 0..10 {
            socket.writable().await.expect("it has room");
            socket.try_send(&[number]).expect("a datagram sent");
            assert_eq!(receiver.recv(&mut arrived).expect("a datagram received"), 1);
        }
        socket.writable().await.expect("it has room");
    });
}

/// One byte more than UDP over IPv4 can carry is an error at once. The socket still works.
pub fn a_datagram_too_large_is_an_error<R: Runtime>() {
    let (receiver, peer) = receiver(LOOPBACK);
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("a connected socket");
        let answer = socket.try_send(&[b'x'; 65_508]);
        let error = answer.expect_err("65,508 bytes in one datagram");
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        socket.try_send(b"small").expect("a datagram sent");
        let mut arrived = [0; 16];
        assert_eq!(receiver.recv(&mut arrived).expect("a datagram received"), 5);
        assert_eq!(&arrived[..5], b"small");
    });
}

/// Several datagrams are handed over in one call, or in as many calls as the socket needs. Each arrives once, in order
/// and unchanged.
pub fn segments_arrive_as_datagrams<R: Runtime>() {
    segments::<R>(LOOPBACK);
}

/// The same over IPv6.
pub fn segments_arrive_as_datagrams_over_ipv6<R: Runtime>() {
    if let Some(loopback) = ipv6_loopback() {
        segments::<R>(loopback);
    }
}

fn segments<R: Runtime>(loopback: SocketAddr) {
    let (receiver, peer) = receiver(loopback);
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("a connected socket");
        let mut arrived = vec![0; 65_536];
        // One datagram; two; several with a shorter last one; the most datagrams of a call; the most bytes of a call.
        for (segment, length) in
            [(9, 9), (9, 4), (500, 1_000), (84, 801), (84, 5_376), (1_432, 64_440), (8_192, 65_507)]
        {
            let sent: Vec<u8> = (0..length).map(|n| (n / segment * 7 + n % 251) as u8).collect();
            let mut rest = sent.as_slice();
            while !rest.is_empty() {
                let count = patiently(&socket, |socket| socket.try_send_segments(rest, segment)).await;
                let count = count.expect("datagrams sent");
                assert!((1..=rest.len().div_ceil(segment)).contains(&count), "{count} of {length} / {segment}");
                let (taken, left) = rest.split_at(rest.len().min(count * segment));
                for datagram in taken.chunks(segment) {
                    let count = receiver.recv(&mut arrived).expect("a datagram received");
                    assert_eq!(&arrived[..count], datagram);
                }
                rest = left;
            }
        }
    });
}

/// If nobody listens, the kernel reports it and takes none of several datagrams. They can be sent again.
pub fn refused_segments_are_reported_and_forgotten<R: Runtime>() {
    let (nobody, peer) = receiver(LOOPBACK);
    drop(nobody);
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("connecting sends nothing");
        let refused = loop {
            match socket.try_send_segments(b"any body any", 4) {
                Ok(_) => runtime.sleep(Duration::from_millis(1)).await,
                Err(error) => break error.kind(),
            }
        };
        let names = [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionReset];
        assert!(names.contains(&refused), "{refused:?}");

        let somebody = StdUdpSocket::bind(peer).expect("the port is still free");
        somebody.set_nonblocking(true).expect("a socket option");
        let mut arrived = [0; 16];
        while somebody.recv(&mut arrived).is_err() {
            let _ = socket.try_send_segments(b"some body", 4);
            runtime.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(&arrived[..4], b"some");
    });
}

/// Datagrams that are larger than UDP over IPv4 can carry are an error at once. The socket still works.
pub fn segments_too_large_are_an_error<R: Runtime>() {
    let (receiver, peer) = receiver(LOOPBACK);
    run(|runtime: R| async move {
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await.expect("a connected socket");
        let answer = socket.try_send_segments(&[b'x'; 2 * 65_508], 65_508);
        let error = answer.expect_err("65,508 bytes in one datagram");
        assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "{error}");
        let mut arrived = [0; 16];
        let mut rest = b"goeson".as_slice();
        while !rest.is_empty() {
            let count = patiently(&socket, |socket| socket.try_send_segments(rest, 2)).await;
            let count = count.expect("datagrams sent");
            for datagram in rest[..2 * count].chunks(2) {
                assert_eq!(receiver.recv(&mut arrived).expect("a datagram received"), 2);
                assert_eq!(&arrived[..2], datagram);
            }
            rest = &rest[2 * count..];
        }
    });
}

fn receiver(loopback: SocketAddr) -> (StdUdpSocket, SocketAddr) {
    let receiver = StdUdpSocket::bind(loopback).expect("a free port");
    receiver.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket option");
    let address = receiver.local_addr().expect("a bound address");
    (receiver, address)
}

/// Repeats `attempt` until it would not block.
async fn patiently<S: UdpSocket>(socket: &S, attempt: impl Fn(&S) -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            sent => return sent,
        }
    }
}
