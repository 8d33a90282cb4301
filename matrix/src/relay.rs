//! A relay before a backend that does to connections what networks and sick servers do.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use loaddensity_metrics_conformance::LOOPBACK;
use socket2::SockRef;

/// What becomes of connections, from the next byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// What comes from one side goes to the other.
    Well,
    /// Nothing is read, nothing answered.
    Silent,
    /// The backend gets everything, and its answers never come back.
    AnswersLost,
    /// Answers come back a byte a second.
    ByteASecond,
    /// The backend gets so many bytes of a connection; then it is reset.
    ResetAfter(usize),
    /// The direction back is closed at once; what comes is read.
    HalfClosed,
    /// The answer is no HTTP.
    Garbage,
    /// The answer never ends.
    Endless,
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
    accepted: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
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
            accepted: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let shared = state.clone();
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), shared) = (stream, shared.clone()) else { continue };
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                // A connection ends with an error as often as without.
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        Ok(Self { address, state, accepting: Some(accepting) })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *lock(&self.state.manner) = manner;
    }

    /// Connections until now.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Closes all connections. The port stays open.
    pub(crate) fn cut(&self) {
        for stream in lock(&self.state.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
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
        self.cut();
    }
}

impl RelayState {
    fn manner(&self) -> Manner {
        *lock(&self.manner)
    }

    fn serve(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        lock(&self.open).push(client.try_clone()?);
        let backend = TcpStream::connect(self.backend)?;
        lock(&self.open).push(backend.try_clone()?);
        let (shared, from, to) = (self.clone(), backend.try_clone()?, client.try_clone()?);
        thread::spawn(move || drop(shared.answer(from, to)));
        self.forward(client, backend)
    }

    /// From the exporter to the backend.
    fn forward(&self, mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
        from.set_read_timeout(Some(LOOK))?;
        let (mut buffer, mut passed, mut has_answered) = ([0; 8_192], 0, false);
        while !self.is_over.load(Ordering::SeqCst) {
            if self.manner() == Manner::Silent {
                thread::sleep(LOOK);
                continue;
            }
            let length = match from.read(&mut buffer) {
                Ok(0) => return to.shutdown(Shutdown::Write),
                Ok(length) => length,
                Err(error) if is_nothing_yet(&error) => continue,
                Err(error) => return Err(error),
            };
            match self.manner() {
                Manner::ResetAfter(limit) if passed + length > limit => {
                    to.write_all(&buffer[..limit.saturating_sub(passed).min(length)])?;
                    let _ = to.shutdown(Shutdown::Both);
                    SockRef::from(&from).set_linger(Some(Duration::ZERO))?;
                    // The other handles of this socket keep it open: the reset leaves with the last of them.
                    lock(&self.open).clear();
                    return Ok(());
                }
                Manner::HalfClosed => from.shutdown(Shutdown::Write)?,
                Manner::Garbage if !has_answered => {
                    has_answered = true;
                    from.write_all(b"\0\xff\x16\x03 220 mail.example ESMTP\r\n\r\n")?;
                }
                Manner::Endless if !has_answered => {
                    has_answered = true;
                    let mut without_end = from.try_clone()?;
                    thread::spawn(move || {
                        without_end.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                        loop {
                            without_end.write_all(b"400\r\n")?;
                            without_end.write_all(&[b'x'; 0x400])?;
                            without_end.write_all(b"\r\n")?;
                        }
                        #[allow(unreachable_code)]
                        io::Result::Ok(())
                    });
                }
                Manner::Garbage | Manner::Endless => {}
                _ => to.write_all(&buffer[..length])?,
            }
            passed += length;
        }
        Ok(())
    }

    /// From the backend to the exporter.
    fn answer(&self, mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
        let mut buffer = [0; 8_192];
        loop {
            let length = from.read(&mut buffer)?;
            if length == 0 {
                return to.shutdown(Shutdown::Write);
            }
            for byte in 0..length {
                match self.manner() {
                    Manner::ByteASecond => {
                        to.write_all(&buffer[byte..=byte])?;
                        thread::sleep(Duration::from_secs(1));
                    }
                    Manner::Silent | Manner::AnswersLost | Manner::HalfClosed => break,
                    _ => {
                        to.write_all(&buffer[byte..length])?;
                        break;
                    }
                }
            }
        }
    }
}

/// Between two looks whether anything has changed.
const LOOK: Duration = Duration::from_millis(20);

fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
