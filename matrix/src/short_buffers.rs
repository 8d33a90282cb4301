//! A runtime whose Unix datagram sockets have send buffers of a length that a scenario changes while they are open. The sockets
//! are real ones, and so are their errors.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::net;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{DatagramSocket, Runtime, UdpOptions, UnixDatagram, UnixStream, send};
use socket2::SockRef;

/// `R`, with such sockets.
#[derive(Clone)]
pub(crate) struct ShortBuffers<R>(R);

/// The length of all send buffers, in bytes. Process-wide, as a scenario is a process.
static BYTES: AtomicUsize = AtomicUsize::new(100_000);
static TOO_LONG: AtomicU64 = AtomicU64::new(0);
static OPEN: Mutex<Vec<Arc<net::UnixDatagram>>> = Mutex::new(Vec::new());

/// Changes the send buffers of all sockets, those that are open too. Linux makes of it twice as much, and 4,608 bytes at least
/// (socket(7)).
pub(crate) fn set(bytes: usize) -> io::Result<()> {
    BYTES.store(bytes, Ordering::SeqCst);
    open().iter().try_for_each(|socket| SockRef::from(&**socket).set_send_buffer_size(bytes))
}

/// How many datagrams were too long.
pub(crate) fn too_long() -> u64 {
    TOO_LONG.load(Ordering::SeqCst)
}

fn open() -> MutexGuard<'static, Vec<Arc<net::UnixDatagram>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct ShortSocket<R> {
    runtime: R,
    socket: Arc<net::UnixDatagram>,
    waits: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl<R: Runtime> DatagramSocket for ShortSocket<R> {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        let sent = send(&*self.socket, datagram);
        if sent.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EMSGSIZE)) {
            TOO_LONG.fetch_add(1, Ordering::SeqCst);
        }
        sent
    }

    /// It may be early: after a millisecond.
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = waits.get_or_insert_with(|| Box::pin(self.runtime.sleep(Duration::from_millis(1))));
        let slept = sleep.as_mut().poll(context);
        if slept.is_ready() {
            *waits = None;
        }
        slept.map(Ok)
    }
}

impl<R: Runtime> Runtime for ShortBuffers<R> {
    type Udp = R::Udp;
    type Tcp = R::Tcp;
    type Listener = R::Listener;
    type Task = R::Task;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        R::run(|inner| main(Self(inner)))
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> R::Task {
        self.0.spawn(future)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.0.sleep(duration)
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wall_clock(&self) -> Timestamp {
        self.0.wall_clock()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.resolve(host, port).await
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<R::Udp> {
        self.0.udp_connect(options).await
    }

    async fn unix_datagram_connect(&self, path: &Path) -> io::Result<UnixDatagram> {
        let socket = net::UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_nonblocking(true)?;
        SockRef::from(&socket).set_send_buffer_size(BYTES.load(Ordering::SeqCst))?;
        let socket = Arc::new(socket);
        open().push(socket.clone());
        Ok(Box::new(ShortSocket { runtime: self.0.clone(), socket, waits: Mutex::new(None) }))
    }

    async fn unix_stream_connect(&self, path: &Path) -> io::Result<UnixStream> {
        self.0.unix_stream_connect(path).await
    }
}
