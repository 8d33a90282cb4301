//! [`Runtime`] on tokio: streams made futures-io by tokio-util.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{self, Runtime, SegmentationOffload, UdpOptions};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::{Builder, Handle, TryCurrentError};
use tokio::task::JoinHandle;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

#[cfg(unix)]
mod unix;

/// Pause before a socket that was once refused is tried again: tokio takes it for closed from then on and waits no more.
const RETRY: Duration = Duration::from_millis(1);

/// A handle of a tokio runtime.
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
}

impl Tokio {
    /// The runtime that calls this. It needs its IO and time drivers (`enable_all`, or `#[tokio::main]`).
    ///
    /// # Errors
    /// Outside a tokio runtime.
    pub fn current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(|handle| Self::on(&handle))
    }

    /// A runtime of the caller's, who drives it. When it is shut down, tasks end.
    #[must_use]
    pub fn on(handle: &Handle) -> Self {
        Self { handle: handle.clone() }
    }
}

/// A task; dropping it cancels it.
#[derive(Debug)]
#[must_use = "dropping a task cancels it"]
pub struct TokioTask(JoinHandle<()>);

impl Drop for TokioTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A TCP connection.
pub type TokioStream = Compat<TcpStream>;

/// A connected UDP socket.
#[derive(Debug)]
pub struct TokioUdp {
    socket: UdpSocket,
    offload: SegmentationOffload,
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct TokioListener(TcpListener);

/// Turns of tasks between two looks at timers and sockets, while some task always has something to do. A page that is being
/// sent takes half a millisecond for one; tokio's own 61 would hold up the pump for longer than its rings have room.
const TURNS: u32 = 8;

impl Runtime for Tokio {
    type Udp = TokioUdp;
    type Tcp = TokioStream;
    type Listener = TokioListener;
    type Task = TokioTask;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        let runtime = Builder::new_current_thread().event_interval(TURNS).enable_io().enable_time().build()?;
        let own = Self::on(runtime.handle());
        let output = runtime.block_on(async { main(own).await });
        runtime.shutdown_background();
        Ok(output)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> TokioTask {
        TokioTask(self.handle.spawn(future))
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let _entered = self.handle.enter();
        tokio::time::sleep(duration)
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn wall_clock(&self) -> Timestamp {
        runtime::system_time()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.collect();
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<TokioUdp> {
        let socket = UdpSocket::from_std(options.open()?)?;
        Ok(TokioUdp { socket, offload: SegmentationOffload::new() })
    }

    async fn tcp_connect(&self, peer: SocketAddr) -> io::Result<TokioStream> {
        ready(TcpStream::connect(peer).await?)
    }

    async fn tcp_listen(&self, local: SocketAddr) -> io::Result<TokioListener> {
        TcpListener::bind(local).await.map(TokioListener)
    }

    #[cfg(unix)]
    async fn unix_datagram_connect(&self, path: &Path) -> io::Result<runtime::UnixDatagram> {
        unix::datagram(path)
    }

    #[cfg(unix)]
    async fn unix_stream_connect(&self, path: &Path) -> io::Result<runtime::UnixStream> {
        unix::stream(path).await
    }
}

impl runtime::UdpSocket for TokioUdp {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.try_send_segments(datagram, datagram.len()).map(|_| datagram.len())
    }

    fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        let send = || self.offload.send(&self.socket, datagrams, segment);
        at_once(send, |send| self.socket.try_io(Interest::WRITABLE, send))
    }

    async fn writable(&self) -> io::Result<()> {
        if self.socket.ready(Interest::WRITABLE).await?.is_write_closed() {
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

impl runtime::TcpListener for TokioListener {
    type Stream = TokioStream;

    async fn accept(&self) -> io::Result<(TokioStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((ready(stream)?, peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Asks the kernel itself, since tokio may know nothing yet of a socket that was just made. Where it would block, tokio
/// tries again and notes that, so that `writable` waits.
fn at_once<S: Fn() -> io::Result<usize>>(send: S, noting: impl FnOnce(S) -> io::Result<usize>) -> io::Result<usize> {
    match send() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => noting(send),
        sent => sent,
    }
}

/// A stream as the exporters want it: what is written leaves at once.
fn ready(stream: TcpStream) -> io::Result<TokioStream> {
    stream.set_nodelay(true)?;
    Ok(stream.compat())
}
