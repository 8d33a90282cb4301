//! The Datadog Agent's end of a Unix socket, which comes and goes.

use std::fs;
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

use crate::items::{ItemCounts, SharedCounts, in_packet};

/// What a Unix socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SocketKind {
    Datagram,
    Stream,
}

/// An Agent that counts what it reads.
pub(crate) struct UnixAgent {
    path: PathBuf,
    shared: Arc<AgentReads>,
    reading: JoinHandle<()>,
    /// Ends the reading of the socket itself.
    refuse: Box<dyn FnOnce() + Send>,
}

#[derive(Default)]
struct AgentReads {
    counts: SharedCounts,
    is_over: AtomicBool,
    streams: Mutex<Vec<UnixStream>>,
}

impl UnixAgent {
    /// An Agent at a path that is free.
    pub(crate) fn bind(kind: SocketKind, path: &Path) -> io::Result<Self> {
        let shared = Arc::new(AgentReads::default());
        let own = shared.clone();
        let (reading, refuse): (_, Box<dyn FnOnce() + Send>) = match kind {
            SocketKind::Datagram => {
                let socket = UnixDatagram::bind(path)?;
                let end = socket.try_clone()?;
                let refuse = move || drop(end.shutdown(Shutdown::Read));
                (thread::spawn(move || own.read_datagrams(&socket)), Box::new(refuse))
            }
            SocketKind::Stream => {
                let listener = UnixListener::bind(path)?;
                listener.set_nonblocking(true)?;
                let end = listener.try_clone()?;
                let refuse = move || drop(SockRef::from(&end).shutdown(Shutdown::Read));
                (thread::spawn(move || own.read_streams(&listener)), Box::new(refuse))
            }
        };
        Ok(Self { path: path.to_owned(), shared, reading, refuse })
    }

    /// Until now.
    pub(crate) fn counts(&self) -> ItemCounts {
        self.shared.counts.get()
    }

    /// Removes the file, takes nothing more, and reads what the kernel has taken until then: so nothing is lost in its
    /// queues, and what is counted is exactly what was sent. What that was in all.
    pub(crate) fn close(self) -> ItemCounts {
        let _ = fs::remove_file(&self.path);
        (self.refuse)();
        self.shared.is_over.store(true, Ordering::SeqCst);
        let _ = self.reading.join();
        self.shared.counts.get()
    }
}

impl AgentReads {
    /// An empty datagram, which no exporter sends, is the end.
    fn read_datagrams(&self, socket: &UnixDatagram) {
        let mut datagram = vec![0; 65_536];
        while let Ok(length @ 1..) = socket.recv(&mut datagram) {
            self.counts.add(in_packet(&datagram[..length]));
        }
    }

    fn read_streams(self: &Arc<Self>, listener: &UnixListener) {
        let mut readers = Vec::new();
        loop {
            // Read before the attempt: what has connected until the end is still accepted.
            let is_over = self.is_over.load(Ordering::SeqCst);
            match listener.accept() {
                Ok((stream, _)) => readers.extend(self.read_on(stream)),
                Err(_) if is_over => break,
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
        for stream in self.streams.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Read);
        }
        for reader in readers {
            let _ = reader.join();
        }
    }

    /// Reads one connection on a thread of its own, packet by packet. One that is cut off does not count.
    fn read_on(self: &Arc<Self>, mut stream: UnixStream) -> io::Result<JoinHandle<()>> {
        stream.set_nonblocking(false)?;
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream.try_clone()?);
        let shared = self.clone();
        Ok(thread::spawn(move || {
            let (mut length, mut packet) = ([0; 4], Vec::new());
            while stream.read_exact(&mut length).is_ok() {
                packet.resize(u32::from_le_bytes(length) as usize, 0);
                if stream.read_exact(&mut packet).is_err() {
                    break;
                }
                shared.counts.add(in_packet(&packet));
            }
        }))
    }
}
