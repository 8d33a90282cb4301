//! [`Runtime`] on smol: executor by async-executor, sockets by async-net, timers by async-io.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
#[cfg(unix)]
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_io::{Async, Timer};
use async_net::{TcpListener, TcpStream};
use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{self, Runtime, SegmentationOffload, UdpOptions};
use smol::Executor;

#[cfg(unix)]
mod unix;

/// A handle of a smol executor.
#[derive(Clone, Debug)]
pub struct Smol {
    /// `None` is smol's global one. Weak, or the tasks, which hold such handles, would keep their executor alive.
    executor: Option<Weak<Executor<'static>>>,
}

impl Smol {
    /// smol's global executor, the one that `smol::spawn` uses.
    #[must_use]
    pub const fn global() -> Self {
        Self { executor: None }
    }

    /// An executor of the caller's, who drives it. When the last `Arc` of it is dropped, tasks end.
    #[must_use]
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        Self { executor: Some(Arc::downgrade(executor)) }
    }
}

/// A task; dropping it cancels it.
#[derive(Debug)]
#[must_use = "dropping a task cancels it"]
pub struct SmolTask {
    /// `None` where the executor had ended before.
    _task: Option<smol::Task<()>>,
}

/// A TCP connection.
pub type SmolStream = TcpStream;

/// A connected UDP socket.
#[derive(Debug)]
pub struct SmolUdp {
    socket: Async<UdpSocket>,
    offload: SegmentationOffload,
}

/// A listening TCP socket.
#[derive(Debug)]
pub struct SmolListener(TcpListener);

impl Runtime for Smol {
    type Udp = SmolUdp;
    type Tcp = SmolStream;
    type Listener = SmolListener;
    type Task = SmolTask;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        let executor = Arc::new(Executor::new());
        let own = Self::on(&executor);
        let output = async_io::block_on(executor.run(async { main(own).await }));
        drop(executor);
        Ok(output)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> SmolTask {
        let task = match &self.executor {
            None => Some(smol::spawn(future)),
            Some(executor) => executor.upgrade().map(|executor| executor.spawn(future)),
        };
        SmolTask { _task: task }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::after(duration);
        async move {
            timer.await;
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> Timestamp {
        runtime::system_time()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<_> = async_net::resolve((host, port)).await?;
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<SmolUdp> {
        let socket = Async::new_nonblocking(options.open()?)?;
        Ok(SmolUdp { socket, offload: SegmentationOffload::new() })
    }

    async fn tcp_connect(&self, peer: SocketAddr) -> io::Result<SmolStream> {
        ready(TcpStream::connect(peer).await?)
    }

    async fn tcp_listen(&self, local: SocketAddr) -> io::Result<SmolListener> {
        TcpListener::bind(local).await.map(SmolListener)
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

impl runtime::UdpSocket for SmolUdp {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.socket.get_ref().send(datagram)
    }

    fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        self.offload.send(self.socket.get_ref(), datagrams, segment)
    }

    async fn writable(&self) -> io::Result<()> {
        self.socket.writable().await
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.get_ref().take_error()
    }
}

impl runtime::TcpListener for SmolListener {
    type Stream = SmolStream;

    async fn accept(&self) -> io::Result<(SmolStream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((ready(stream)?, peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A stream as the exporters want it: what is written leaves at once.
fn ready(stream: TcpStream) -> io::Result<SmolStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}
