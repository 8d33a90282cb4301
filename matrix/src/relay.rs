//! A relay before a backend that does to connections what networks and sick servers do.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use loaddensity_metrics_conformance::LOOPBACK;

mod pair;

use pair::RelayedPair;

/// What becomes of connections, from the next byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What comes from one side goes to the other.
    Well,
    /// Nothing is read, nothing answered. What waits goes on once the manner is another.
    Silent,
    /// The backend gets everything, and its answers never come back.
    AnswersLost,
    /// Answers come back a byte a second.
    ByteASecond,
    /// Requests are read a byte a second.
    ReadsAByteASecond,
    /// The backend gets so many bytes of a connection; then it is reset.
    ResetAfter(usize),
    /// The direction back is closed at once. The backend gets everything.
    HalfClosed,
    /// The direction back is closed after the first bytes of an answer. The backend gets everything.
    HalfClosedAfterAnswer,
    /// This is said in the backend's place.
    Says(Speech),
}

/// What somebody else says than the backend, as soon as a request has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speech {
    pub(crate) first: &'static [u8],
    /// What is said again and again after it, until the connection is closed. Empty: nothing, and the connection stays open.
    pub(crate) endless: &'static [u8],
    /// Whether the backend gets everything all the same.
    pub(crate) stores: bool,
}

/// The relay. Dropping it closes its port and its connections.
pub(crate) struct Relay {
    address: SocketAddr,
    state: Arc<RelayState>,
    accepting: Option<JoinHandle<()>>,
}

struct RelayState {
    backend: SocketAddr,
    manner: Mutex<Manner>,
    is_over: AtomicBool,
    /// How often all connections were cut.
    cuts: AtomicUsize,
    accepted: AtomicUsize,
    open: AtomicUsize,
    faults: AtomicUsize,
    most_said: AtomicUsize,
}

impl fmt::Debug for Speech {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stores = if self.stores { "stores, and says" } else { "says" };
        write!(formatter, "{stores} \"{}\"", self.first.escape_ascii())?;
        if self.endless.is_empty() {
            Ok(())
        } else {
            write!(formatter, " and endless \"{}\"", self.endless.escape_ascii())
        }
    }
}

impl Relay {
    pub(crate) fn start(backend: SocketAddr) -> io::Result<Self> {
        Self::start_at(LOOPBACK, backend)
    }

    /// A relay at an address that one had before, or that nobody has.
    pub(crate) fn start_at(address: SocketAddr, backend: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let state = Arc::new(RelayState {
            backend,
            manner: Mutex::new(Manner::Well),
            is_over: AtomicBool::new(false),
            cuts: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            faults: AtomicUsize::new(0),
            most_said: AtomicUsize::new(0),
        });
        let shared = state.clone();
        let accepting = thread::spawn(move || shared.accept(&listener));
        Ok(Self { address, state, accepting: Some(accepting) })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.state.lock() = manner;
    }

    /// Connections until now.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// How often a connection was reset, half closed, read or answered slowly, left without an answer, or told something
    /// else than the backend says.
    pub(crate) fn faults(&self) -> usize {
        self.state.faults.load(Ordering::SeqCst)
    }

    /// The most bytes that were said without an end over one connection.
    pub(crate) fn most_said(&self) -> usize {
        self.state.most_said.load(Ordering::SeqCst)
    }

    /// Closes all connections. The port stays open.
    pub(crate) fn cut(&self) {
        self.state.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// Connections whose exporter or backend has not closed them.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl RelayState {
    fn manner(&self) -> Manner {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes connections until the relay is over. Ends after all of them.
    fn accept(&self, listener: &TcpListener) {
        thread::scope(|threads| {
            for stream in listener.incoming() {
                if self.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(client) = stream else { continue };
                self.accepted.fetch_add(1, Ordering::SeqCst);
                self.open.fetch_add(1, Ordering::SeqCst);
                threads.spawn(move || {
                    // A connection ends with an error as often as without.
                    let _ = RelayedPair::serve(self, client);
                    self.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
    }
}
