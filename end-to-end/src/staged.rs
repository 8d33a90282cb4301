//! A runtime whose host names, Unix sockets and wall clock a test controls. Everything else is done by an inner
//! runtime.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_io::AsyncWrite;
use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{DatagramSocket, Runtime, TcpListener, UdpOptions, UnixDatagram, UnixStream};

/// `R` with [`StagedSockets`].
pub struct Staged<R> {
    inner: R,
    stage: Arc<Mutex<StagedSockets>>,
}

/// What names, sockets and clock do, and what was done with them.
#[derive(Debug, Default)]
pub struct StagedSockets {
    /// The addresses of host names that end in `.staged`.
    pub addresses: Vec<SocketAddr>,
    /// The addresses of such names that have others than these.
    pub names: HashMap<&'static str, Vec<SocketAddr>>,
    /// How often such a name was resolved.
    pub resolutions: usize,
    /// How many bytes the current stream and the next ones take before they break. Once this is empty, a stream takes
    /// everything.
    pub budgets: VecDeque<usize>,
    /// The bytes that each stream has taken.
    pub streams: Vec<Vec<u8>>,
    /// The numbers of the streams that broke.
    pub broken: HashSet<usize>,
    /// The errors (by number) that datagram sockets return first.
    pub errors: VecDeque<i32>,
    /// A datagram that contains this text counts as too long.
    pub too_long: Option<&'static str>,
    /// Datagrams that were taken.
    pub datagrams: Vec<String>,
    /// How often a Unix socket was connected.
    pub connections: usize,
    /// By how much the wall clock is set back.
    pub set_back: Duration,
    /// By how much it is set ahead.
    pub set_ahead: Duration,
    /// How often a listener has failed to accept.
    pub failed_accepts: usize,
}

impl<R> Staged<R> {
    pub fn new(inner: R, stage: StagedSockets) -> Self {
        Self { inner, stage: Arc::new(Mutex::new(stage)) }
    }

    pub fn stage(&self) -> MutexGuard<'_, StagedSockets> {
        self.stage.lock().expect("no panic")
    }
}

impl<R: Clone> Clone for Staged<R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), stage: self.stage.clone() }
    }
}

/// One connection of the staged sockets.
struct StagedConnection(Arc<Mutex<StagedSockets>>, usize);

impl AsyncWrite for StagedConnection {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut stage = self.0.lock().expect("no panic");
        if stage.broken.contains(&self.1) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = stage.streams[self.1].len();
        // A few bytes at a time, like a socket that is nearly full.
        let room = stage.budgets.front().map_or(7, |budget| budget.saturating_sub(taken).min(7));
        if room == 0 {
            stage.budgets.pop_front();
            stage.broken.insert(self.1);
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(room);
        stage.streams[self.1].extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl DatagramSocket for StagedConnection {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        let mut stage = self.0.lock().expect("no panic");
        if let Some(code) = stage.errors.pop_front() {
            return Err(io::Error::from_raw_os_error(code));
        }
        let text = str::from_utf8(datagram).expect("UTF-8");
        if stage.too_long.is_some_and(|part| text.contains(part)) {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        stage.datagrams.push(text.into());
        Ok(datagram.len())
    }

    fn poll_writable(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A listener of the inner runtime, of which it is counted how often it fails.
pub struct StagedListener<L>(L, Arc<Mutex<StagedSockets>>);

impl<L: TcpListener> TcpListener for StagedListener<L> {
    type Stream = L::Stream;

    async fn accept(&self) -> io::Result<(L::Stream, SocketAddr)> {
        let accepted = self.0.accept().await;
        self.1.lock().expect("no panic").failed_accepts += usize::from(accepted.is_err());
        accepted
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl<R: Runtime> Runtime for Staged<R> {
    type Udp = R::Udp;
    type Tcp = R::Tcp;
    type Listener = StagedListener<R::Listener>;
    type Task = R::Task;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        R::run(|inner| main(Self::new(inner, StagedSockets::default())))
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> R::Task {
        self.inner.spawn(future)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.inner.sleep(duration)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wall_clock(&self) -> Timestamp {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).expect("less than 500 years");
        let (set_back, set_ahead) = {
            let stage = self.stage();
            (nanos(stage.set_back), nanos(stage.set_ahead))
        };
        Timestamp::from_unix_nanos(self.inner.wall_clock().as_unix_nanos() + set_ahead - set_back)
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if !host.ends_with(".staged") {
            return self.inner.resolve(host, port).await;
        }
        let mut stage = self.stage();
        stage.resolutions += 1;
        let addresses = stage.names.get(host).unwrap_or(&stage.addresses);
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses.clone()) }
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<R::Udp> {
        self.inner.udp_connect(options).await
    }

    async fn tcp_connect(&self, peer: SocketAddr) -> io::Result<R::Tcp> {
        self.inner.tcp_connect(peer).await
    }

    async fn tcp_listen(&self, local: SocketAddr) -> io::Result<Self::Listener> {
        Ok(StagedListener(self.inner.tcp_listen(local).await?, self.stage.clone()))
    }

    async fn unix_datagram_connect(&self, _: &Path) -> io::Result<UnixDatagram> {
        self.stage().connections += 1;
        Ok(Box::new(StagedConnection(self.stage.clone(), 0)))
    }

    async fn unix_stream_connect(&self, _: &Path) -> io::Result<UnixStream> {
        let mut stage = self.stage();
        stage.connections += 1;
        stage.streams.push(Vec::new());
        Ok(Box::new(StagedConnection(self.stage.clone(), stage.streams.len() - 1)))
    }
}
