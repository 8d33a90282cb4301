//! Unix sockets, towards those of the standard library.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::net::{UnixDatagram as StdUnixDatagram, UnixListener};
use std::path::Path;
use std::thread;
use std::time::Duration;

use futures_lite::AsyncWriteExt as _;
use futures_lite::future::poll_once;
use loaddensity_metrics_shell::runtime::{Runtime, UnixDatagram};

use super::{Capability, Folder, lacks, run};

/// One `poll_send` that is ready, one datagram, bytes unchanged; an empty one as well.
pub fn unix_datagrams_arrive_whole<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let folder = Folder::new();
    let receiver = receiver(&folder.socket());
    run(|runtime: R| async move {
        let socket = runtime.unix_datagram_connect(&folder.socket()).await.expect("a connected socket");
        let mut arrived = vec![0; 65_536];
        for length in [1, 0, 2, 512, 1_432, 8_192] {
            let sent: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            assert_eq!(send(&socket, &sent).await.expect("a datagram sent"), length);
            let count = receiver.recv(&mut arrived).expect("a datagram received");
            assert_eq!(&arrived[..count], &sent);
        }
    });
}

/// A datagram for which the receiver has no room is taken when it has, and one that is given up before is not taken.
pub fn a_unix_datagram_waits_while_the_queue_is_full<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let folder = Folder::new();
    let receiver = receiver(&folder.socket());
    let foreign = fill(&folder.socket());
    assert!(foreign > 0);
    run(|runtime: R| async move {
        let socket = runtime.unix_datagram_connect(&folder.socket()).await.expect("a connected socket");
        assert!(poll_once(send(&socket, b"given up")).await.is_none(), "there is room");
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

/// A mebibyte arrives in order, and the end is seen when the stream is dropped.
pub fn a_unix_stream_carries_every_byte<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
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

/// Neither without a file nor with one that nobody has open.
pub fn a_unix_socket_that_is_not_there_is_an_error<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let (folder, left) = (Folder::new(), Folder::new());
    drop(receiver(&left.socket()));
    run(|runtime: R| async move {
        for (folder, expected) in [(folder, ErrorKind::NotFound), (left, ErrorKind::ConnectionRefused)] {
            let path = folder.socket();
            let datagram = runtime.unix_datagram_connect(&path).await.err().expect("nobody is there");
            assert_eq!(datagram.kind(), expected);
            let stream = runtime.unix_stream_connect(&path).await.err().expect("nobody is there");
            let kinds = [expected, ErrorKind::ConnectionRefused];
            // A file of the other kind is one that nobody has open as well.
            assert!(kinds.contains(&stream.kind()) || is_of_another_kind(&stream), "{stream}");
        }
    });
}

/// Which is how the kind of a socket is found out.
pub fn a_unix_socket_of_another_kind_is_an_error<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
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

/// A sender learns of it when it sends.
pub fn a_peer_that_goes_away_is_an_error<R: Runtime>() {
    if lacks::<R>(&[Capability::Unix]) {
        return;
    }
    let (datagrams, streams) = (Folder::new(), Folder::new());
    let receiver = receiver(&datagrams.socket());
    let listener = UnixListener::bind(streams.socket()).expect("a free path");
    run(|runtime: R| async move {
        let socket = runtime.unix_datagram_connect(&datagrams.socket()).await.expect("a connected socket");
        drop(receiver);
        assert!(send(&socket, b"anybody?").await.is_err());
        let mut stream = runtime.unix_stream_connect(&streams.socket()).await.expect("a connection");
        drop(listener.accept().expect("a connection"));
        assert!(stream.write_all(b"anybody?").await.is_err());
    });
}

async fn send(socket: &UnixDatagram, datagram: &[u8]) -> io::Result<usize> {
    poll_fn(|context| socket.poll_send(context, datagram)).await
}

fn receiver(path: &Path) -> StdUnixDatagram {
    let receiver = StdUnixDatagram::bind(path).expect("a free path");
    receiver.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket option");
    receiver
}

/// Sends until the socket at `path` takes no more from anybody; returns how many it took.
fn fill(path: &Path) -> usize {
    let mut count = 0;
    loop {
        // Each has a send buffer of its own, which may be full first.
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
