//! A TCP server on a thread and a runtime of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use async_channel::{Receiver, Sender};
use futures_lite::future;
use loaddensity_metrics_shell::hyper_io::{HyperExecutor, HyperTasks};
use loaddensity_metrics_shell::runtime::{Runtime, TcpListener};

/// A running server. Dropping it ends it, with its connections.
#[derive(Debug)]
pub struct ServerThread {
    address: SocketAddr,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl ServerThread {
    /// Listens on a free port of the IPv4 loopback interface; `serve` drives one connection to its end,
    /// with a handle of the runtime and an executor whose tasks end with the server.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn start<R, F>(name: &str, serve: impl Fn(R, R::Tcp, HyperExecutor) -> F + Send + 'static) -> io::Result<Self>
    where
        R: Runtime,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::start_at(name, 0, serve)
    }

    /// The same on `port`.
    ///
    /// # Errors
    /// What the operating system answers.
    pub fn start_at<R, F>(
        name: &str,
        port: u16,
        serve: impl Fn(R, R::Tcp, HyperExecutor) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        R: Runtime,
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = async_channel::bounded(1);
        let (bound, is_bound) = mpsc::channel();
        let body = move || {
            let failed = bound.clone();
            let run = R::run(|runtime| accept(runtime, port, serve, bound, stopped));
            if let Err(error) = run {
                // Nobody listens once the address is known.
                let _ = failed.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
        let address = is_bound.recv().map_err(io::Error::other)??;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        self.stop.close();
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; there is nobody to tell here.
            let _ = thread.join();
        }
    }
}

async fn accept<R, F>(
    runtime: R,
    port: u16,
    serve: impl Fn(R, R::Tcp, HyperExecutor) -> F,
    bound: mpsc::Sender<io::Result<SocketAddr>>,
    stopped: Receiver<()>,
) where
    R: Runtime,
    F: Future<Output = ()> + Send + 'static,
{
    let listening = runtime.tcp_listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let listener = match listening.and_then(|listener| Ok((listener.local_addr()?, listener))) {
        Ok((address, listener)) => {
            let _ = bound.send(Ok(address));
            listener
        }
        Err(error) => {
            let _ = bound.send(Err(error));
            return;
        }
    };
    let tasks = HyperTasks::new(runtime.clone());
    let accepting = async {
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                tasks.spawn(serve(runtime.clone(), stream, tasks.executor()));
            }
        }
    };
    let stop = async {
        let _ = stopped.recv().await;
    };
    future::or(stop, accepting).await;
}
