//! [`Runtime`] on threads: one for each task, one that wakes those that sleep.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
#[cfg(unix)]
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender, WeakSender};
use futures_lite::{FutureExt as _, future};
use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{self, NoTcp, Runtime, SegmentationOffload, UdpOptions};

mod timer;
#[cfg(unix)]
mod unix;

/// Time after which a socket that was full is tried again. The standard library cannot wait for one to become writable.
/// A send buffer that is full holds some hundred datagrams, which a network card sends in less than that, and a pause is
/// what a receiver that is late needs; so nothing is gained by looking sooner.
const RETRY: Duration = Duration::from_millis(1);

/// A handle of a runtime of threads.
#[derive(Clone, Debug)]
pub struct Std {
    /// `None` for tasks that outlive every runtime. Weak, or handles in tasks would keep their own runtime alive.
    run: Option<RunScope>,
}

/// One call of [`Runtime::run`]. Nothing is ever sent through its channels: that they close is the news.
#[derive(Clone, Debug)]
struct RunScope {
    /// Closes when it ends, which ends the tasks.
    over: Receiver<Infallible>,
    /// Held by its tasks, so that it can wait for the last one.
    alive: WeakSender<Infallible>,
}

impl Std {
    /// Tasks on threads that end with their tasks and not before, whoever calls.
    #[must_use]
    pub const fn global() -> Self {
        Self { run: None }
    }
}

/// A task; dropping it cancels it.
#[derive(Debug)]
#[must_use = "dropping a task cancels it"]
pub struct StdTask {
    /// Its thread sees that this is gone.
    _wanted: Sender<Infallible>,
}

/// A connected UDP socket.
#[derive(Debug)]
pub struct StdUdp {
    socket: UdpSocket,
    offload: SegmentationOffload,
}

impl Runtime for Std {
    type Udp = StdUdp;
    type Tcp = NoTcp;
    type Listener = NoTcp;
    type Task = StdTask;

    const HAS_TCP: bool = false;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        let (running, over) = async_channel::bounded(1);
        let (alive, ended) = async_channel::bounded::<Infallible>(1);
        let own = Self { run: Some(RunScope { over, alive: alive.downgrade() }) };
        let output = future::block_on(async { main(own).await });
        drop((running, alive));
        let _ = ended.recv_blocking();
        Ok(output)
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> StdTask {
        let (wanted, unwanted) = async_channel::bounded(1);
        let alive = self.run.as_ref().map(|run| (run.over.clone(), run.alive.upgrade()));
        let task = StdTask { _wanted: wanted };
        let (over, alive) = match alive {
            None => (None, None),
            Some((over, Some(alive))) => (Some(over), Some(alive)),
            Some((_, None)) => return task,
        };
        let body = move || {
            let _alive = alive;
            future::block_on(closed(Some(unwanted)).or(closed(over)).or(future));
        };
        if let Err(error) = thread::Builder::new().name("loaddensity-task".into()).spawn(body) {
            tracing::error!(%error, "no thread for a task of the exporters: it does not run");
        }
        task
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        timer::sleep(duration)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> Timestamp {
        runtime::system_time()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let (host, (answer, addresses)) = (host.to_owned(), async_channel::bounded(1));
        let look_up = move || answer.try_send((host, port).to_socket_addrs().map(Iterator::collect::<Vec<_>>));
        thread::Builder::new().name("loaddensity-name".into()).spawn(look_up)?;
        let addresses = addresses.recv().await.map_err(io::Error::other)??;
        if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<StdUdp> {
        Ok(StdUdp { socket: options.open()?, offload: SegmentationOffload::new() })
    }

    #[cfg(unix)]
    async fn unix_datagram_connect(&self, path: &Path) -> io::Result<runtime::UnixDatagram> {
        unix::datagram(path)
    }

    #[cfg(unix)]
    async fn unix_stream_connect(&self, path: &Path) -> io::Result<runtime::UnixStream> {
        unix::stream(path)
    }
}

impl runtime::UdpSocket for StdUdp {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.socket.send(datagram)
    }

    fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        self.offload.send(&self.socket, datagrams, segment)
    }

    async fn writable(&self) -> io::Result<()> {
        timer::sleep(RETRY).await;
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

/// Completes when the other end of a channel is gone; never without one.
async fn closed(channel: Option<Receiver<Infallible>>) {
    match channel {
        Some(channel) => drop(channel.recv().await),
        None => future::pending().await,
    }
}
