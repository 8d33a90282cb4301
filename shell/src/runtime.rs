//! What the exporters ask of an async runtime: sockets, timers, a clock and a way to run tasks.
//!
//! A shell crate is an implementation of [`Runtime`] and nothing else. Streams speak the futures-io traits, so that
//! the adaptors for hyper exist once, in this crate. Every clock that the exporters read comes through the runtime;
//! one with a virtual clock therefore runs them deterministically.
//!
//! Whether an implementation is right is shown by the suite in the crate `loaddensity-metrics-conformance`.

use std::future::{Future, ready};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use futures_io::{AsyncRead, AsyncWrite};
use loaddensity_metrics_core::Timestamp;
use socket2::SockRef;

#[cfg(feature = "coarse-clock")]
mod coarse;
mod no_tcp;
mod offload;
mod udp;
mod unix;

#[cfg(feature = "coarse-clock")]
pub use coarse::coarse_time;
pub use no_tcp::NoTcp;
pub use offload::SegmentationOffload;
pub use udp::UdpOptions;
pub use unix::{DatagramSocket, UnixDatagram, UnixStream};

/// An async runtime, as the exporters see it. Clones are handles of the same runtime.
///
/// **What `Send` means here.** Tasks are `Send`, and so are the futures of a runtime and of its sockets, because many
/// runtimes move tasks between threads and the exporters are written once, for all; only `main` of [`run`](Self::run)
/// need not be. A runtime of one thread per core, whose sockets and timers belong to their thread (monoio, glommio), is
/// wrapped in a handle that moves the work there: the thread is told over a channel what to run, to wait for, to connect
/// and to write, and answers over another. What waits for an answer on a channel is `Send`, whatever happens at its other
/// end. (The exporters have run on monoio that way.) A task can be handed over as it is, for what is `Send` runs on one
/// thread as well, and so can a datagram socket: [`try_send`](UdpSocket::try_send) is one system call that never waits,
/// from whichever thread. To declare futures `Send` that are not is no way: they would be dropped on other threads.
///
/// What each method says is a promise that the exporters build on, and a case of the conformance suite. What a runtime may
/// leave out has a body here, which answers `Unsupported`: TCP, and Unix sockets.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A UDP socket that is connected to one peer.
    type Udp: UdpSocket;
    /// A TCP connection, made or accepted. What is written leaves at once (`TCP_NODELAY`); closing it ends its own
    /// direction, and it reads on; dropping it closes it. [`NoTcp`] where there is none.
    type Tcp: AsyncRead + AsyncWrite + Send + Unpin + 'static;
    /// A listening TCP socket. [`NoTcp`] where there is none.
    type Listener: TcpListener<Stream = Self::Tcp>;
    /// A spawned task. Dropping it, on whichever thread, cancels the task: its future is dropped, with all that it holds,
    /// before or at the runtime's next turn. Dropping that of a task that has ended does nothing.
    type Task: Send + 'static;

    /// Whether there is TCP. Where there is none, what needs it is refused at its start instead of tried for ever.
    const HAS_TCP: bool = true;

    /// Makes a runtime, and drives `main` on this thread, and the tasks that it spawns here or on threads of its own,
    /// until `main` returns. Tasks that still run then are cancelled, and their futures dropped before this returns; a
    /// name that is still being resolved is not waited for.
    ///
    /// # Errors
    /// What the operating system answers when it has no resources for a runtime.
    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output>;

    /// Starts `future` as a task of this runtime, from whichever thread, and returns at once. A panic in it ends that task
    /// alone. One that wakes itself and gives way holds up timers and sockets for no more than a few of its turns. Once the
    /// runtime has ended, `future` is dropped before this returns.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Self::Task;

    /// Completes after at least `duration`, counted from this call and not from the first poll; never, where
    /// the clock has no such time. Dropping it harms no other.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// The monotonic clock: never goes back, and [`sleep`](Self::sleep) goes by it.
    fn now(&self) -> Instant;

    /// The wall clock, which may be set back. [`system_time`] is the operating system's.
    fn wall_clock(&self) -> Timestamp;

    /// The addresses of `host`, which may be a name or an address in text form (IPv6 without brackets). Holds up neither
    /// the thread nor other tasks, however long the resolver takes; dropping it gives up waiting.
    ///
    /// # Errors
    /// What the resolver answers; never an empty list.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// A UDP socket as `options` ask for it. Sends nothing. [`UdpOptions::open`] opens it, and the runtime only
    /// watches it. A runtime with a network of its own reads the fields instead, and must follow new ones.
    ///
    /// # Errors
    /// What the operating system answers.
    fn udp_connect(&self, options: UdpOptions) -> impl Future<Output = io::Result<Self::Udp>> + Send;

    /// A TCP connection to `peer`. Takes as long as the operating system does; dropping it gives up.
    ///
    /// By default there is none.
    ///
    /// # Errors
    /// What the operating system answers: `ConnectionRefused` where nobody listens. `Unsupported` where the runtime has no
    /// TCP.
    fn tcp_connect(&self, peer: SocketAddr) -> impl Future<Output = io::Result<Self::Tcp>> + Send {
        let _ = peer;
        ready(Err(no_tcp::unsupported()))
    }

    /// A TCP socket that listens on `local` with `SO_REUSEADDR`; port 0 takes a free one.
    ///
    /// By default there is none. Only the Prometheus page asks for one.
    ///
    /// # Errors
    /// What the operating system answers: `AddrInUse` where the port is taken. `Unsupported` where the runtime has no TCP.
    fn tcp_listen(&self, local: SocketAddr) -> impl Future<Output = io::Result<Self::Listener>> + Send {
        let _ = local;
        ready(Err(no_tcp::unsupported()))
    }

    /// A Unix datagram socket that is connected to the one at `path`.
    ///
    /// By default there is none. Only the DogStatsD sink asks for one, where it is told to.
    ///
    /// # Errors
    /// What the operating system answers: `NotFound` where there is no such file, `ConnectionRefused` where nobody has
    /// it open, `EPROTOTYPE` where it is a socket of another kind. `Unsupported` where the runtime or the system has no
    /// such sockets.
    fn unix_datagram_connect(&self, path: &Path) -> impl Future<Output = io::Result<UnixDatagram>> + Send {
        ready(Err(unix::unsupported(path)))
    }

    /// A connection to the Unix stream socket at `path`.
    ///
    /// By default there is none. Only the DogStatsD sink asks for one, where it is told to.
    ///
    /// # Errors
    /// Those of [`unix_datagram_connect`](Self::unix_datagram_connect).
    fn unix_stream_connect(&self, path: &Path) -> impl Future<Output = io::Result<UnixStream>> + Send {
        ready(Err(unix::unsupported(path)))
    }
}

/// A UDP socket that is connected to one peer. Sending never waits; whoever wants to, waits for
/// [`writable`](Self::writable).
pub trait UdpSocket: Send + Sync + 'static {
    /// Hands one datagram, which may be empty, to the kernel, in one attempt. Returns its length: it is taken whole or
    /// not at all. A socket that was just made takes one at once.
    ///
    /// # Errors
    /// What the operating system answers; the datagram was not taken then. `WouldBlock` where the send buffer is full,
    /// and for no other reason. On a connected socket it may be the fate of an earlier datagram (`ConnectionRefused`),
    /// which is reported once, here or by [`take_error`](Self::take_error).
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize>;

    /// Hands over one or more of the datagrams that follow one another in `datagrams`, in one attempt: each has
    /// `segment` bytes (1 or more) but the last, which may be shorter. At most 64 of them, and 65,507 bytes. Returns how
    /// many the kernel has taken, from the front, at least one.
    ///
    /// By default it sends the first one. Where the operating system takes several in one call,
    /// [`SegmentationOffload`] does that.
    ///
    /// # Errors
    /// Those of [`try_send`](Self::try_send). None was taken then.
    fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        self.try_send(&datagrams[..segment.min(datagrams.len())]).map(|_| 1)
    }

    /// Waits, after a `WouldBlock`, until another attempt may succeed. It may come early, so the attempt may fail again;
    /// it must not come early without end, or those who wait take all of a processor. A runtime that remembers that a socket was
    /// ready must be told of the `WouldBlock` (tokio: `try_io`); UDP over loopback never shows one, so that the suite does not.
    ///
    /// # Errors
    /// Where the runtime cannot watch the socket any longer. What is wrong with the socket itself, the next attempt
    /// tells.
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// The error that the socket would report next (`SO_ERROR`, socket(7)), taken off it: `ConnectionRefused` where the
    /// peer's host has refused an earlier datagram. Sends nothing and never waits.
    ///
    /// # Errors
    /// Where the socket cannot be asked.
    fn take_error(&self) -> io::Result<Option<io::Error>>;
}

/// A listening TCP socket. Dropping it frees the port, whatever connections it has accepted.
pub trait TcpListener: Send + Sync + 'static {
    /// What is accepted.
    type Stream;

    /// The next connection. Dropping the future loses none: the next call takes it.
    ///
    /// # Errors
    /// What the operating system answers; the listener stays usable.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;

    /// The address that was bound, with the port that was given for port 0.
    ///
    /// # Errors
    /// What the operating system answers.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// One attempt to hand `datagram` to the kernel, for [`UdpSocket::try_send`] and [`DatagramSocket::try_send`]: whatever a
/// runtime has noted of `socket`. Never waits if `socket` does not.
///
/// # Errors
/// What the operating system answers.
pub fn send<'s>(socket: impl Into<SockRef<'s>>, datagram: &[u8]) -> io::Result<usize> {
    socket.into().send(datagram)
}

/// The operating system's wall clock, for [`Runtime::wall_clock`]. A clock before 1970 reads as 1970.
#[must_use]
pub fn system_time() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_nanos(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}
