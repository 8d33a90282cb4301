//! A runtime for the exporters, here of an executor, timers and sockets that were picked one by one.
//!
//! It leaves out TCP and Unix sockets, so that it carries DogStatsD, and InfluxDB over UDP. For TCP it would need a stream whose close ends
//! its direction, which `Async<TcpStream>` does not do (the conformance suite says so); `shell-smol` has one.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_executor::{Executor, Task};
use async_io::{Async, Timer, block_on};
use blocking::unblock;
use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{self, NoTcp, Runtime, UdpOptions};

/// The exporters on it.
pub type Exporters = loaddensity_metrics_shell::Exporters<Own>;

/// Weak, because the tasks have handles of it: they would keep their executor for ever.
#[derive(Clone)]
pub struct Own(Weak<Executor<'static>>);

/// A connected UDP socket.
pub struct Udp(Async<UdpSocket>);

impl Runtime for Own {
    type Udp = Udp;
    type Tcp = NoTcp;
    type Listener = NoTcp;
    type Task = Option<Task<()>>;

    const HAS_TCP: bool = false;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        let executor = Arc::new(Executor::new());
        Ok(block_on(executor.run(main(Self(Arc::downgrade(&executor))))))
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Self::Task {
        self.0.upgrade().map(|executor| executor.spawn(future))
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let timer = Timer::after(duration);
        async move { _ = timer.await }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> Timestamp {
        runtime::system_time()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let host = host.to_owned();
        let addresses: Vec<_> = unblock(move || (host, port).to_socket_addrs()).await?.collect();
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<Udp> {
        Async::new_nonblocking(options.open()?).map(Udp)
    }
}

impl runtime::UdpSocket for Udp {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        runtime::send(&self.0, datagram)
    }

    async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.get_ref().take_error()
    }
}
