//! The Datadog Agent's end of a Unix socket, which reads from every connection.

use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::agent::read_frame;

/// Keeps every packet until it is told to finish.
pub(super) struct PacketCollector {
    path: PathBuf,
    end: fn(&Path),
    is_finishing: Arc<AtomicBool>,
    /// What each connection sent. All datagrams count as one connection.
    thread: JoinHandle<Vec<Vec<String>>>,
}

impl PacketCollector {
    pub(super) fn of_datagrams(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).expect("a path that is free");
        let mark = |path: &Path| {
            let sender = UnixDatagram::unbound().expect("a socket");
            // An empty datagram marks the end: no exporter sends one.
            sender.send_to(b"", path).expect("a datagram sent");
        };
        Self::start(path, mark, move |_| vec![read_datagrams(&socket)])
    }

    pub(super) fn of_streams(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a path that is free");
        let mark = |path: &Path| {
            let mark = UnixStream::connect(path).expect("a connection");
            mark.shutdown(Shutdown::Both).expect("a connection that ends");
        };
        Self::start(path, mark, move |is_finishing| read_connections(&listener, is_finishing))
    }

    fn start(path: &Path, end: fn(&Path), read: impl FnOnce(&AtomicBool) -> Vec<Vec<String>> + Send + 'static) -> Self {
        let is_finishing = Arc::new(AtomicBool::new(false));
        let finishing = is_finishing.clone();
        Self { path: path.to_owned(), end, is_finishing, thread: thread::spawn(move || read(&finishing)) }
    }

    /// The packets of each connection that sent any. Every exporter must have stopped before, because this waits for
    /// the end of each connection.
    pub(super) fn finish(self) -> Vec<Vec<String>> {
        self.is_finishing.store(true, Ordering::SeqCst);
        (self.end)(&self.path);
        let mut connections = self.thread.join().expect("the Agent's thread");
        connections.retain(|packets| !packets.is_empty());
        connections
    }
}

fn read_datagrams(socket: &UnixDatagram) -> Vec<String> {
    let (mut packets, mut packet) = (Vec::new(), vec![0; 65_536]);
    loop {
        match socket.recv(&mut packet).expect("a datagram") {
            0 => return packets,
            length => packets.push(text(packet[..length].to_vec())),
        }
    }
}

/// Reads each connection on a thread of its own, until all connections that came before the end are closed.
fn read_connections(listener: &UnixListener, is_finishing: &AtomicBool) -> Vec<Vec<String>> {
    let mut readers = Vec::new();
    while let Ok((mut stream, _)) = listener.accept() {
        // At the end, the connections that still wait are accepted too; then accepting would block, which ends the
        // loop.
        listener.set_nonblocking(is_finishing.load(Ordering::SeqCst)).expect("a socket option");
        stream.set_nonblocking(false).expect("a socket option");
        readers.push(thread::spawn(move || {
            let mut packets = Vec::new();
            while let Ok(packet) = read_frame(&mut stream) {
                packets.push(text(packet));
            }
            packets
        }));
    }
    readers.into_iter().map(|reader| reader.join().expect("a connection's thread")).collect()
}

fn text(packet: Vec<u8>) -> String {
    String::from_utf8(packet).expect("UTF-8")
}
