//! Two connections, and what goes from one to the other.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Manner, RelayState, Speech};

/// A connection of an exporter, and the one to the backend that belongs to it. Nothing else holds these sockets, so that
/// they are closed, or reset, when both directions are over.
pub(super) struct RelayedPair<'a> {
    relay: &'a RelayState,
    client: TcpStream,
    backend: TcpStream,
    cuts: usize,
    is_over: AtomicBool,
    /// A request has come, and nothing for a moment since.
    is_asked: AtomicBool,
    client_is_gone: AtomicBool,
}

impl<'a> RelayedPair<'a> {
    /// Relays until both directions are over.
    pub(super) fn serve(relay: &'a RelayState, client: TcpStream) -> io::Result<()> {
        let backend = TcpStream::connect(relay.backend)?;
        for socket in [&client, &backend] {
            socket.set_read_timeout(Some(LOOK))?;
            socket.set_write_timeout(Some(LOOK))?;
            socket.set_nodelay(true)?;
        }
        let pair = Self {
            relay,
            client,
            backend,
            cuts: relay.cuts.load(Ordering::SeqCst),
            is_over: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
            client_is_gone: AtomicBool::new(false),
        };
        thread::scope(|threads| {
            threads.spawn(|| pair.note_end(&pair.forward()));
            pair.note_end(&pair.answer());
        });
        Ok(())
    }

    /// A direction that ends with an error ends the other too.
    fn note_end(&self, end: &io::Result<()>) {
        if end.is_err() {
            self.is_over.store(true, Ordering::SeqCst);
        }
    }

    fn goes_on(&self) -> bool {
        let is_cut = self.relay.cuts.load(Ordering::SeqCst) != self.cuts;
        !is_cut && !self.relay.is_over.load(Ordering::SeqCst) && !self.is_over.load(Ordering::SeqCst)
    }

    /// From the exporter to the backend.
    fn forward(&self) -> io::Result<()> {
        let (mut buffer, mut passed, mut noted) = ([0; 8_192], 0, Manner::Well);
        while self.goes_on() {
            if self.relay.manner() == Manner::Silent && self.client.peek(&mut buffer).is_ok_and(|length| length != 0) {
                self.note(Manner::Silent, &mut noted);
            }
            self.wait_while_silent();
            let room = if self.relay.manner() == Manner::ReadsAByteASecond { 1 } else { buffer.len() };
            let length = match (&self.client).read(&mut buffer[..room]) {
                Ok(0) => {
                    self.client_is_gone.store(true, Ordering::SeqCst);
                    return self.backend.shutdown(Shutdown::Write);
                }
                Ok(length) => length,
                Err(error) if is_nothing_yet(&error) => {
                    self.is_asked.store(passed != 0, Ordering::SeqCst);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.is_asked.store(false, Ordering::SeqCst);
            self.wait_while_silent();
            let (bytes, manner) = (&buffer[..length], self.relay.manner());
            if self.note(manner, &mut noted) && manner == Manner::HalfClosed {
                self.client.shutdown(Shutdown::Write)?;
            }
            match manner {
                Manner::ResetAfter(limit) if passed + length > limit => {
                    self.write(&self.backend, &bytes[..limit.saturating_sub(passed).min(length)])?;
                    // The reset leaves once the other direction has ended as well, and the socket is closed.
                    SockRef::from(&self.client).set_linger(Some(Duration::ZERO))?;
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                Manner::ReadsAByteASecond => {
                    self.write(&self.backend, bytes)?;
                    self.pause(SECOND, manner);
                }
                Manner::Says(Speech { stores: false, .. }) => {}
                _ => self.write(&self.backend, bytes)?,
            }
            passed += length;
        }
        Ok(())
    }

    /// Counts a fault of this connection. Whether it is another than the last one.
    fn note(&self, manner: Manner, noted: &mut Manner) -> bool {
        let is_new = std::mem::replace(noted, manner) != manner;
        if is_new && manner != Manner::Well {
            self.relay.faults.fetch_add(1, Ordering::SeqCst);
        }
        is_new
    }

    /// From the backend to the exporter.
    fn answer(&self) -> io::Result<()> {
        let mut buffer = [0; 8_192];
        while self.goes_on() {
            self.wait_while_silent();
            let manner = self.relay.manner();
            if let Manner::Says(speech) = manner
                && self.is_asked.load(Ordering::SeqCst)
            {
                return self.speak(speech, manner);
            }
            let length = match (&self.backend).read(&mut buffer) {
                // Without this look a connection that is to be reset would be closed first.
                Ok(0) if !self.goes_on() => return Ok(()),
                Ok(0) => return self.client.shutdown(Shutdown::Write),
                Ok(length) => length,
                Err(error) if is_nothing_yet(&error) => continue,
                Err(error) => return Err(error),
            };
            self.wait_while_silent();
            let (bytes, manner) = (&buffer[..length], self.relay.manner());
            match manner {
                Manner::ByteASecond => self.answer_slowly(bytes, manner)?,
                Manner::AnswersLost | Manner::HalfClosed | Manner::Says(_) => {}
                Manner::HalfClosedAfterAnswer => {
                    self.write(&self.client, bytes)?;
                    self.client.shutdown(Shutdown::Write)?;
                }
                _ => self.write(&self.client, bytes)?,
            }
        }
        Ok(())
    }

    fn answer_slowly(&self, bytes: &[u8], manner: Manner) -> io::Result<()> {
        for byte in bytes.chunks(1) {
            if !self.goes_on() {
                break;
            }
            self.write(&self.client, byte)?;
            self.pause(SECOND, manner);
        }
        Ok(())
    }

    /// Says something in the place of the backend. After it the connection is of no use.
    fn speak(&self, speech: Speech, manner: Manner) -> io::Result<()> {
        self.write(&self.client, speech.first)?;
        let piece = speech.endless.repeat(PIECE / speech.endless.len().max(1));
        let mut said = 0;
        while self.goes_on() && self.relay.manner() == manner && !self.client_is_gone.load(Ordering::SeqCst) {
            if piece.is_empty() {
                self.pause(LOOK, manner);
            } else {
                self.write(&self.client, &piece)?;
                said += piece.len();
                self.relay.most_said.fetch_max(said, Ordering::SeqCst);
            }
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    fn wait_while_silent(&self) {
        while self.goes_on() && self.relay.manner() == Manner::Silent {
            thread::sleep(LOOK);
        }
    }

    /// Sleeps as long as the manner stays the same.
    fn pause(&self, duration: Duration, manner: Manner) {
        let end = Instant::now() + duration;
        while Instant::now() < end && self.goes_on() && self.relay.manner() == manner {
            thread::sleep(LOOK);
        }
    }

    /// Writes all of it, unless the connection ends meanwhile.
    fn write(&self, mut to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match to.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if is_nothing_yet(&error) && self.goes_on() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Between two looks whether anything has changed.
const LOOK: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// Bytes of what has no end that are written at once, about.
const PIECE: usize = 16_384;

/// Where the process stood still, calls that have a time limit end as interrupted (signal(7)).
fn is_nothing_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
