//! The Unix socket of an Agent: datagrams, or a stream of packets of which each is preceded by its length.
//!
//! An Agent that restarts makes its socket anew, so that whatever was connected to the old one must connect again.
//! Until somebody is there, the packet in hand waits, and all that comes after it in the sink's buffer. A packet that
//! broke off in a stream is sent whole on the next one; the Agent takes none that is not whole.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use futures_lite::AsyncWriteExt as _;
use loaddensity_metrics_core::{Backoff, Cause};

use super::outlet::Handed;
use crate::condition::Condition;
use crate::config::StatsdSocket;
use crate::remedy;
use crate::runtime::{Runtime, UnixDatagram, UnixStream};
use crate::stop::StopSignal;

/// Pauses between attempts to connect: those of Datadog's Python client (datadog/dogstatsd/base.py).
const PAUSES: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));
/// Time after which a system that has no buffers left, and does not say when it has, is asked again.
const NO_BUFFERS: Duration = Duration::from_millis(1);

/// The way to one Unix socket.
pub(crate) struct UnixLink {
    socket: StatsdSocket,
    open: Option<Open>,
    has_connected: bool,
    /// Why it was not connected at first.
    first_failure: Option<String>,
    is_failing: bool,
    backoff: Backoff,
    /// A packet with its length in front of it.
    frame: Vec<u8>,
}

enum Open {
    Datagrams(UnixDatagram),
    Stream(UnixStream),
}

impl UnixLink {
    /// A way to `socket`, connected if anybody is there.
    ///
    /// # Errors
    /// Where runtime or system have no such sockets.
    pub(super) async fn open<R: Runtime>(runtime: &R, socket: StatsdSocket) -> io::Result<Self> {
        let (open, failure) = match connect(runtime, &socket).await {
            Ok(open) => (Some(open), None),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Err(error),
            Err(error) => (None, Some(remedy::cannot_send(&error))),
        };
        let (has_connected, is_failing) = (open.is_some(), failure.is_some());
        Ok(Self { open, has_connected, is_failing, first_failure: failure, ..Self::closed(socket) })
    }

    /// A way to `socket` that is connected when there is something to send.
    pub(super) fn closed(socket: StatsdSocket) -> Self {
        Self {
            socket,
            open: None,
            has_connected: false,
            first_failure: None,
            is_failing: false,
            backoff: Backoff::new(PAUSES.0, PAUSES.1),
            frame: Vec::new(),
        }
    }

    /// Says why nobody was there at first, if so.
    pub(super) fn tell(&self, condition: &Condition) {
        if let Some(reason) = &self.first_failure {
            condition.failed(reason.clone());
        }
    }

    /// What is open, taken out, or opened anew.
    async fn opened<R: Runtime>(&mut self, runtime: &R, condition: &Condition) -> io::Result<Open> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let open = connect(runtime, &self.socket).await?;
        if std::mem::replace(&mut self.has_connected, true) {
            condition.reconnected();
        }
        Ok(open)
    }

    /// Hands `packet` over whole, however often it must connect for that. Once a stop is asked for, it looks a last time
    /// whether anybody is there.
    pub(super) async fn hand_over<R: Runtime>(
        &mut self,
        runtime: &R,
        condition: &Condition,
        stop: &StopSignal,
        packet: &[u8],
    ) -> Handed {
        loop {
            let (is_last, was_open) = (stop.deadline().is_some(), self.open.is_some());
            match stop.unless_overdue(runtime, self.send(runtime, condition, packet)).await {
                None => return Handed::Overdue,
                Some(Ok(())) => {
                    self.recover(condition);
                    return Handed::Over(1);
                }
                Some(Err(error)) if errno::is(&error, errno::EMSGSIZE) => {
                    self.fail(condition, remedy::cannot_send(&error));
                    return Handed::Lost(Cause::TooLarge);
                }
                // That says nothing about a new one.
                Some(Err(_)) if was_open => continue,
                Some(Err(error)) => self.fail(condition, remedy::cannot_send(&error)),
            }
            if is_last {
                return Handed::GivenUp;
            }
            let pause = self.backoff.pause(runtime.wall_clock().as_unix_nanos());
            stop.cuts_short(runtime.sleep(pause)).await;
        }
    }

    /// One attempt. What is dropped while it waits, or fails, leaves no stream in the middle of a packet.
    async fn send<R: Runtime>(&mut self, runtime: &R, condition: &Condition, packet: &[u8]) -> io::Result<()> {
        let mut open = self.opened(runtime, condition).await?;
        let sent = match &mut open {
            Open::Datagrams(socket) => send_datagram(runtime, socket, packet).await,
            Open::Stream(stream) => {
                frame(packet, &mut self.frame)?;
                stream.write_all(&self.frame).await?;
                stream.flush().await
            }
        };
        let is_usable = sent.as_ref().err().is_none_or(|error| errno::is(error, errno::EMSGSIZE));
        self.open = is_usable.then_some(open);
        sent
    }

    fn fail(&mut self, condition: &Condition, says: String) {
        self.is_failing = true;
        condition.failed(says);
    }

    fn recover(&mut self, condition: &Condition) {
        if self.is_failing {
            self.is_failing = false;
            self.backoff.reset();
            condition.went_well();
        }
    }
}

async fn connect<R: Runtime>(runtime: &R, socket: &StatsdSocket) -> io::Result<Open> {
    match socket {
        StatsdSocket::UnixDatagram(path) => runtime.unix_datagram_connect(path).await.map(Open::Datagrams),
        StatsdSocket::UnixStream(path) => runtime.unix_stream_connect(path).await.map(Open::Stream),
        StatsdSocket::Unix(path) => match runtime.unix_datagram_connect(path).await {
            Err(error) if errno::is(&error, errno::EPROTOTYPE) => {
                runtime.unix_stream_connect(path).await.map(Open::Stream)
            }
            connected => connected.map(Open::Datagrams),
        },
    }
}

/// Waits while the peer's queue is full.
async fn send_datagram<R: Runtime>(runtime: &R, socket: &UnixDatagram, datagram: &[u8]) -> io::Result<()> {
    loop {
        match socket.try_send(datagram) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                poll_fn(|context| socket.poll_writable(context)).await?;
            }
            Err(error) if errno::is(&error, errno::ENOBUFS) => runtime.sleep(NO_BUFFERS).await,
            sent => return sent.map(drop),
        }
    }
}

/// `packet` as it goes into a stream (datadog-agent, comp/dogstatsd/listeners/uds_common.go).
fn frame(packet: &[u8], frame: &mut Vec<u8>) -> io::Result<()> {
    let length = u32::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    frame.clear();
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(packet);
    Ok(())
}

#[cfg(unix)]
mod errno {
    use std::io;

    pub(super) use libc::{EMSGSIZE, ENOBUFS, EPROTOTYPE};

    pub(super) fn is(error: &io::Error, code: i32) -> bool {
        error.raw_os_error() == Some(code)
    }
}

/// Nothing that a system without such sockets answers.
#[cfg(not(unix))]
mod errno {
    use std::io;

    pub(super) const EMSGSIZE: () = ();
    pub(super) const ENOBUFS: () = ();
    pub(super) const EPROTOTYPE: () = ();

    pub(super) fn is(_: &io::Error, (): ()) -> bool {
        false
    }
}
