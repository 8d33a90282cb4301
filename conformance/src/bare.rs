//! A runtime that has only the required parts of the trait, and that measures the futures that it is given.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{Runtime, UdpOptions, UdpSocket};

/// `R` without the optional parts of the trait: it has no Unix sockets, and sends one datagram in a call.
#[derive(Clone, Debug)]
pub struct Bare<R>(R);

/// A UDP socket of a [`Bare`] runtime.
#[derive(Debug)]
pub struct BareUdp<U>(U);

static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// The size in bytes of the largest future that was spawned on a [`Bare`] runtime in this process since the last call
/// of this function; zero if there was none.
#[must_use]
pub fn largest_future() -> usize {
    LARGEST.swap(0, Ordering::Relaxed)
}

impl<R: Runtime> Runtime for Bare<R> {
    type Udp = BareUdp<R::Udp>;
    type Tcp = R::Tcp;
    type Listener = R::Listener;
    type Task = R::Task;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        R::run(|runtime| main(Self(runtime)))
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> R::Task {
        LARGEST.fetch_max(size_of_val(&future), Ordering::Relaxed);
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

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<BareUdp<R::Udp>> {
        self.0.udp_connect(options).await.map(BareUdp)
    }

    async fn tcp_connect(&self, peer: SocketAddr) -> io::Result<R::Tcp> {
        self.0.tcp_connect(peer).await
    }

    async fn tcp_listen(&self, local: SocketAddr) -> io::Result<R::Listener> {
        self.0.tcp_listen(local).await
    }
}

impl<U: UdpSocket> UdpSocket for BareUdp<U> {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.try_send(datagram)
    }

    async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }
}
