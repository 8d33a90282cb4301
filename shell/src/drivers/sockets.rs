//! The sockets of a driver of datagrams: how they are made, send, are looked at, and are waited for.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_io::AsyncWrite as _;
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::export::{Fault, Id, SendKind};

use super::destination::Destination;
use crate::config::StatsdSocket;
use crate::fault::fault_of;
use crate::network_errors;
use crate::runtime::{Runtime, UdpSocket as _, UnixDatagram, UnixStream};

/// Where datagrams go, through how many sockets, and when those are made.
pub(crate) struct DatagramOptions<R: Runtime> {
    pub(crate) to: Destination,
    /// A socket that is open already.
    pub(crate) first: Option<OpenSocket<R>>,
    /// How many sockets take turns.
    pub(crate) sockets: usize,
    /// Whether the first socket is made before anything is to be sent.
    pub(crate) at_once: bool,
    /// Bytes of the largest call.
    pub(crate) call_bytes: usize,
}

/// A socket that is open.
pub(crate) enum OpenSocket<R: Runtime> {
    Udp(R::Udp),
    Datagrams(UnixDatagram),
    Stream(UnixStream),
}

/// An event of a name or a socket.
pub(super) enum SocketEvent<R: Runtime> {
    Resolved { id: Id, addresses: io::Result<Vec<SocketAddr>> },
    Connected { id: Id, socket: usize, open: io::Result<OpenSocket<R>> },
    Writable { socket: usize },
}

/// The sockets, by number.
pub(super) struct Sockets<R: Runtime> {
    runtime: R,
    to: Destination,
    slots: Vec<SocketSlot<R>>,
    /// A socket that was opened before the driver ran.
    first: Option<OpenSocket<R>>,
    started: Vec<PendingSocket<R>>,
    /// The last error that was not yet noted in the status.
    error: Option<io::Error>,
}

type PendingSocket<R> = Pin<Box<dyn Future<Output = SocketEvent<R>> + Send>>;

/// One socket, if it is open, and what stays when it is made anew.
struct SocketSlot<R: Runtime> {
    open: Option<OpenSocket<R>>,
    /// Of a stream: the packet that was begun, with its length before it, and how much of it was written. It goes out whole
    /// over the next connection.
    frame: Vec<u8>,
    written: usize,
}

impl<R: Runtime> Sockets<R> {
    /// `first` is open already.
    pub(super) fn new(runtime: R, to: Destination, sockets: usize, first: Option<OpenSocket<R>>) -> Self {
        let slots = (0..sockets).map(|_| SocketSlot { open: None, frame: Vec::new(), written: 0 }).collect();
        Self { runtime, to, slots, first, started: Vec::new(), error: None }
    }

    /// The text of the last error since this was called last; empty where there was none.
    pub(super) fn words(&mut self) -> String {
        match self.error.take() {
            None => String::new(),
            Some(error) if error.kind() == io::ErrorKind::ConnectionRefused && self.is_udp() => {
                network_errors::REFUSED.into()
            }
            Some(error) => network_errors::cannot_send(&error),
        }
    }

    pub(super) fn resolve(&mut self, id: Id) {
        let Destination::Udp(to) = self.to.clone() else { return };
        let runtime = self.runtime.clone();
        self.started.push(Box::pin(async move {
            let addresses = runtime.resolve(&to.host, to.port).await;
            SocketEvent::Resolved {
                id,
                addresses: addresses.map_err(|error| network_errors::no_address(&to.host, &error)),
            }
        }));
    }

    pub(super) fn connect(&mut self, id: Id, socket: usize, address: Option<SocketAddr>) {
        self.slots[socket].open = None;
        let (runtime, to, first) = (self.runtime.clone(), self.to.clone(), self.first.take());
        self.started.push(Box::pin(async move {
            let open = match (first, to, address) {
                (Some(open), ..) => Ok(open),
                (None, Destination::Udp(to), Some(address)) => {
                    runtime.udp_connect(to.options(address)).await.map(OpenSocket::Udp)
                }
                (None, Destination::Udp(_), None) => Err(io::ErrorKind::AddrNotAvailable.into()),
                (None, Destination::Unix(to), _) => connect_unix(&runtime, &to).await,
            };
            SocketEvent::Connected { id, socket, open }
        }));
    }

    /// Waits for what comes first: something that was started and is done, or one of those sockets, a bit for each, that
    /// may take more.
    pub(super) async fn next(&mut self, writable: u16) -> SocketEvent<R> {
        let Self { started, slots, .. } = self;
        let writable = async { SocketEvent::Writable { socket: any_writable(slots, writable).await } };
        finished(started).or(writable).await
    }

    /// Notes a name's addresses; none where it has none.
    pub(super) fn resolved(&mut self, addresses: io::Result<Vec<SocketAddr>>) -> Vec<SocketAddr> {
        addresses.unwrap_or_else(|error| {
            self.error = Some(error);
            Vec::new()
        })
    }

    /// Takes a socket that was made.
    pub(super) fn opened(&mut self, socket: usize, open: io::Result<OpenSocket<R>>) -> Result<(), Fault> {
        let kind = self.send_kind(1);
        match open {
            Ok(open) => {
                let slot = &mut self.slots[socket];
                (slot.open, slot.written) = (Some(open), 0);
                Ok(())
            }
            Err(error) => Err(self.fails(error, kind)),
        }
    }

    pub(super) fn close(&mut self, socket: usize) {
        self.slots[socket].open = None;
    }

    /// One attempt to hand over some of `datagrams`, each of `segment` bytes but the last; how many the kernel has taken.
    pub(super) fn send(
        &mut self,
        socket: usize,
        (datagrams, segment): (&[u8], usize),
        count: usize,
    ) -> Result<usize, Fault> {
        self.send_begun(socket)?;
        let kind = self.send_kind(count);
        let SocketSlot { open, frame, written } = &mut self.slots[socket];
        let sent = match open {
            Some(OpenSocket::Udp(socket)) if count > 1 => socket.try_send_segments(datagrams, segment),
            Some(OpenSocket::Udp(socket)) => socket.try_send(datagrams).map(|_| 1),
            Some(OpenSocket::Datagrams(socket)) => socket.try_send(datagrams).map(|_| 1),
            Some(OpenSocket::Stream(stream)) => write(stream, frame, written)
                .and_then(|()| begin(datagrams, frame, written))
                .map(|()| ignore_full(write(stream, frame, written)))
                .map(|()| 1),
            None => Err(io::ErrorKind::NotConnected.into()),
        };
        sent.map_err(|error| self.fails(error, kind))
    }

    /// Looks at a socket: whether it tells that an earlier call was refused.
    pub(super) fn look(&mut self, socket: usize) -> Result<bool, Fault> {
        self.send_begun(socket)?;
        let kind = self.send_kind(1);
        let SocketSlot { open, frame, written } = &mut self.slots[socket];
        match open {
            Some(OpenSocket::Udp(socket)) => {
                let error = socket.take_error().unwrap_or_else(Some);
                let refused = error.is_some();
                self.error = error.or_else(|| self.error.take());
                Ok(refused)
            }
            Some(OpenSocket::Stream(stream)) => match write(stream, frame, written) {
                Ok(()) => Ok(false),
                Err(error) => Err(self.fails(error, kind)),
            },
            Some(OpenSocket::Datagrams(_)) | None => Ok(false),
        }
    }

    /// Sends the packet that was begun over a stream where that is a socket of datagrams now: an Agent may come again as the
    /// other kind.
    fn send_begun(&mut self, socket: usize) -> Result<(), Fault> {
        let SocketSlot { open: Some(OpenSocket::Datagrams(open)), frame, .. } = &mut self.slots[socket] else {
            return Ok(());
        };
        let Some(packet) = frame.get(size_of::<u32>()..) else { return Ok(()) };
        let sent = open.try_send(packet);
        let is_too_large = sent.as_ref().is_err_and(|error| fault_of(error, SendKind::Unix) == Fault::TooLarge);
        if sent.is_ok() || is_too_large {
            frame.clear();
        }
        match sent {
            Ok(_) => Ok(()),
            Err(_) if is_too_large => Err(Fault::TooLargeBefore),
            Err(error) => Err(self.fails(error, SendKind::Unix)),
        }
    }

    fn fails(&mut self, error: io::Error, kind: SendKind) -> Fault {
        let fault = fault_of(&error, kind);
        self.error = Some(error);
        fault
    }

    const fn is_udp(&self) -> bool {
        matches!(self.to, Destination::Udp(_))
    }

    const fn send_kind(&self, count: usize) -> SendKind {
        match self.to {
            Destination::Unix(_) => SendKind::Unix,
            Destination::Udp(_) if count > 1 => SendKind::SeveralUdp,
            Destination::Udp(_) => SendKind::Udp,
        }
    }
}

impl<R: Runtime> SocketSlot<R> {
    /// Waits until the socket may take more. If something is wrong with it, the next attempt tells.
    async fn writable(&mut self) {
        let Self { open, frame, written } = self;
        match open {
            Some(OpenSocket::Udp(socket)) => drop(socket.writable().await),
            Some(OpenSocket::Datagrams(socket)) => drop(poll_fn(|context| socket.poll_writable(context)).await),
            Some(OpenSocket::Stream(stream)) => {
                drop(poll_fn(|context| poll_write(stream, frame, written, context)).await);
            }
            None => {}
        }
    }
}

/// Waits for one that was started and is done.
async fn finished<R: Runtime>(started: &mut Vec<PendingSocket<R>>) -> SocketEvent<R> {
    poll_fn(|context| {
        for place in 0..started.len() {
            if let Poll::Ready(event) = started[place].as_mut().poll(context) {
                drop(started.swap_remove(place));
                return Poll::Ready(event);
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits for one of those `sockets`, a bit for each, that may take more: its number.
async fn any_writable<R: Runtime>(slots: &mut [SocketSlot<R>], sockets: u16) -> usize {
    let waits = |(number, _): &(usize, &mut SocketSlot<R>)| sockets >> number & 1 != 0;
    let mut waited: Vec<_> = slots
        .iter_mut()
        .enumerate()
        .filter(waits)
        .map(|(number, slot)| {
            Box::pin(async move {
                slot.writable().await;
                number
            })
        })
        .collect();
    poll_fn(|context| {
        let ready = waited.iter_mut().map(|slot| slot.as_mut().poll(context)).find(Poll::is_ready);
        ready.unwrap_or(Poll::Pending)
    })
    .await
}

/// Connects to a Unix socket, of the kind that it is.
pub(crate) async fn connect_unix<R: Runtime>(runtime: &R, to: &StatsdSocket) -> io::Result<OpenSocket<R>> {
    let datagrams = async |path: &PathBuf| runtime.unix_datagram_connect(path).await.map(OpenSocket::Datagrams);
    let stream = async |path: &PathBuf| runtime.unix_stream_connect(path).await.map(OpenSocket::Stream);
    match to {
        StatsdSocket::UnixDatagram(path) => datagrams(path).await,
        StatsdSocket::UnixStream(path) => stream(path).await,
        StatsdSocket::Unix(path) => match datagrams(path).await {
            Err(error) if is_of_another_kind(&error) => stream(path).await,
            connected => connected,
        },
    }
}

#[cfg(unix)]
fn is_of_another_kind(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPROTOTYPE)
}

#[cfg(not(unix))]
const fn is_of_another_kind(_: &io::Error) -> bool {
    false
}

/// `packet` as it goes into a stream (datadog-agent, comp/dogstatsd/listeners/uds_common.go).
fn begin(packet: &[u8], frame: &mut Vec<u8>, written: &mut usize) -> io::Result<()> {
    let length = u32::try_from(packet.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    frame.clear();
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(packet);
    *written = 0;
    Ok(())
}

/// A packet that was begun counts as taken: the next call, or the next connection, goes on with it.
fn ignore_full(written: io::Result<()>) {
    drop(written);
}

/// Writes what is left of `frame`, as far as that is possible now.
fn write(stream: &mut UnixStream, frame: &mut Vec<u8>, written: &mut usize) -> io::Result<()> {
    match poll_write(stream, frame, written, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(written) => written,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn poll_write(
    stream: &mut UnixStream,
    frame: &mut Vec<u8>,
    written: &mut usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while *written < frame.len() {
        match pin!(&mut *stream).poll_write(context, &frame[*written..]) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(bytes)) => *written += bytes,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    frame.clear();
    *written = 0;
    Poll::Ready(Ok(()))
}
