//! Unix sockets, with the other end of the standard library.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::net::{UnixDatagram as StdUnixDatagram, UnixListener};
use std::path::Path;
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncWriteExt as _, future};
use loaddensity_metrics_shell::runtime::{Runtime, UnixDatagram};

use super::{Folder, run};

/// One attempt sends one datagram with unchanged bytes, also an empty one. A new socket takes a datagram at once.
pub fn unix_datagrams_arrive_whole<R: Runtime>() {
    let folder = Folder::new();
    let receiver = receiver(&folder.socket());
    run(|runtime: R| async move {
        let mut arrived = vec![0; 65_536];
        for length in [1, 0, 2, 512, 1_432, 8_192] {
            let socket = runtime.unix_datagram_connect(&folder.socket()).await.expect("a connected socket");
            let sent: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            for _ in 0..2 {
                assert_eq!(socket.try_send(&sent).expect("a datagram sent"), length);
                let count = receiver.recv(&mut arrived).expect("a datagram received");
                assert_eq!(&arrived[..count], &sent);
            }
        }
    });
}

/// If the receiver has no room, a datagram is not taken. Once there is room, it is taken.
pub fn a_unix_datagram_waits_while_the_queue_is_full<R: Runtime>() {
    let folder = Folder::new();
    let receiver = receiver(&folder.socket());
    let foreign = fill(&folder.socket());
    assert!(foreign > 0);
    run(|runtime: R| async move {
        let socket = runtime.unix_datagram_connect(&folder.socket()).await.expect("a connected socket");
        let full = socket.try_send(b"given up").expect_err("there is room");
        assert_eq!(full.kind(), ErrorKind::WouldBlock, "{full}");
        let reader = thread::spawn(move || {
            let mut arrived = [0; 64];
            for _ in 0..foreign {
                let count = receiver.recv(&mut arrived).expect("a datagram received");
                assert_eq!(&arrived[..count], b"foreign");
            }
            let count = receiver.recv(&mut arrived).expect("a datagram received");
            assert_eq!(&arrived[..count], b"waits");
        });
        send(&socket, b"waits").await.expect("a datagram sent");
        reader.join().expect("every datagram in its place");
    });
}

/// While there is no room, a task that waits for room is woken rarely or not at all: at most once in a tenth of a
/// millisecond.
pub fn waiting_for_room_takes_no_processor<R: Runtime>() {
    const WAIT: Duration = Duration::from_millis(100);
    let folder = Folder::new();
    let _receiver = receiver(&folder.socket());
    fill(&folder.socket());
    run(|runtime: R| async move {
        let socket = runtime.unix_datagram_connect(&folder.socket()).await.expect("a connected socket");
        let mut woken = 0;
        let waiting = async {
            loop {
                let full = socket.try_send(b"no room").expect_err("nobody reads");
                assert_eq!(full.kind(), ErrorKind::WouldBlock, "{full}");
                poll_fn(|context| socket.poll_writable(context)).await.expect("it can be waited for");
                woken += 1;
            }
        };
        future::or(waiting, runtime.sleep(WAIT)).await;
        assert!(woken <= 1_000, "woken {woken} times in {WAIT:?} although there was no room");
    });
}

/// A datagram that is larger than any send buffer is an error; waiting would not help. The socket still works.
pub fn a_unix_datagram_too_large_is_an_error<R: Runtime>() {
    let folder = Folder::new();
    let receiver = receiver(&folder.socket());
    run(|runtime: R| async move {
        let socket = runtime.unix_datagram_connect(&folder.socket()).await.expect("a connected socket");
        let error = socket.try_send(&vec![b'x'; 64 << 20]).expect_err("64 MiB in one datagram");
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{error}");
        socket.try_send(b"small").expect("a datagram sent");
        let mut arrived = [0; 16];
        assert_eq!(receiver.recv(&mut arrived).expect("a datagram received"), 5);
        assert_eq!(&arrived[..5], b"small");
    });
}

/// A mebibyte arrives in order, and the end is seen when the stream is dropped.
pub fn a_unix_stream_carries_every_byte<R: Runtime>() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).expect("a free path");
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut arrived = Vec::new();
        stream.read_to_end(&mut arrived).expect("all that was sent");
        arrived
    });
    run(|runtime: R| async move {
        let mut stream = runtime.unix_stream_connect(&folder.socket()).await.expect("a connection");
        let sent: Vec<u8> = (0..1 << 20).map(|n| (n % 251) as u8).collect();
        stream.write_all(&sent).await.expect("bytes sent");
        stream.flush().await.expect("bytes sent");
        drop(stream);
        assert!(reader.join().expect("the reader") == sent, "other bytes than were sent");
    });
}

/// Connecting is an error if there is no file, and if there is one that nobody has open.
pub fn a_unix_socket_that_is_not_there_is_an_error<R: Runtime>() {
    let (folder, left) = (Folder::new(), Folder::new());
    drop(receiver(&left.socket()));
    run(|runtime: R| async move {
        for (folder, expected) in [(folder, ErrorKind::NotFound), (left, ErrorKind::ConnectionRefused)] {
            let path = folder.socket();
            let datagram = runtime.unix_datagram_connect(&path).await.err().expect("nobody is there");
            assert_eq!(datagram.kind(), expected);
            let stream = runtime.unix_stream_connect(&path).await.err().expect("nobody is there");
            let kinds = [expected, ErrorKind::ConnectionRefused];
            // The file may have been made by a socket of the other kind.
            assert!(kinds.contains(&stream.kind()) || is_of_another_kind(&stream), "{stream}");
        }
    });
}

/// This error is how the exporters find out the kind of a socket.
pub fn a_unix_socket_of_another_kind_is_an_error<R: Runtime>() {
    let (datagrams, streams) = (Folder::new(), Folder::new());
    let _receiver = receiver(&datagrams.socket());
    let _listener = UnixListener::bind(streams.socket()).expect("a free path");
    run(|runtime: R| async move {
        let datagram = runtime.unix_datagram_connect(&streams.socket()).await.err().expect("it is a stream");
        assert!(is_of_another_kind(&datagram), "{datagram}");
        let stream = runtime.unix_stream_connect(&datagrams.socket()).await.err().expect("it takes datagrams");
        assert!(is_of_another_kind(&stream), "{stream}");
    });
}

/// A sender learns that its peer is gone when it sends.
pub fn a_peer_that_goes_away_is_an_error<R: Runtime>() {
    let (datagrams, streams) = (Folder::new(), Folder::new());
    let receiver = receiver(&datagrams.socket());
    let listener = UnixListener::bind(streams.socket()).expect("a free path");
    run(|runtime: R| async move {
        let socket = runtime.unix_datagram_connect(&datagrams.socket()).await.expect("a connected socket");
        drop(receiver);
        let gone = socket.try_send(b"anybody?").expect_err("nobody is there");
        assert_ne!(gone.kind(), ErrorKind::WouldBlock, "{gone}");
        let mut stream = runtime.unix_stream_connect(&streams.socket()).await.expect("a connection");
        drop(listener.accept().expect("a connection"));
        assert!(stream.write_all(b"anybody?").await.is_err());
    });
}

async fn send(socket: &UnixDatagram, datagram: &[u8]) -> io::Result<usize> {
    loop {
        match socket.try_send(datagram) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll_fn(|context| socket.poll_writable(context)).await?;
            }
            sent => return sent,
        }
    }
}

fn receiver(path: &Path) -> StdUnixDatagram {
    let receiver = StdUnixDatagram::bind(path).expect("a free path");
    receiver.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket option");
    receiver
}

/// Sends until the socket at `path` takes no more datagrams from anybody. Returns how many it took.
fn fill(path: &Path) -> usize {
    let mut count = 0;
    loop {
        // Each sender has a send buffer of its own, which may be full before the receiver's queue.
        let sender = StdUnixDatagram::unbound().expect("a socket");
        sender.connect(path).expect("a connected socket");
        sender.set_nonblocking(true).expect("a socket option");
        let before = count;
        while sender.send(b"foreign").is_ok() {
            count += 1;
        }
        if count == before {
            return count;
        }
    }
}

fn is_of_another_kind(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPROTOTYPE)
}
