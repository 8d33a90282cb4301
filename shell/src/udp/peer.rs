//! The UDP sockets of a sink, and the host name behind it, which may come to mean another address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::Exporter;

use crate::error::StartError;
use crate::running::{host_port, resolve};
use crate::runtime::Runtime;

/// Least time between two looks at a name for which there was a reason: a socket can report one with every datagram.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// A host and its port.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) exporter: Exporter,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// How often a name is resolved again; `None` is never.
    pub(crate) resolve_interval: Option<Duration>,
    /// How many sockets send to it, at least one.
    pub(crate) sockets: usize,
}

impl Host {
    /// Its first address that takes the sockets, and these. IPv4 goes first: nothing tells whether anybody listens,
    /// and LoadDensity's sinks speak IPv4 where a name (`localhost`) has both.
    async fn connect<R: Runtime>(
        &self,
        runtime: &R,
        mut peers: Vec<SocketAddr>,
    ) -> Result<(SocketAddr, Vec<R::Udp>), StartError> {
        peers.sort_by_key(|peer| !peer.is_ipv4());
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for peer in peers {
            match self.open(runtime, peer).await {
                Ok(sockets) => return Ok((peer, sockets)),
                Err(error) => last = error,
            }
        }
        let address = format!("udp://{}", host_port(&self.host, self.port));
        Err(StartError::Socket { exporter: self.exporter, address, source: last })
    }

    async fn open<R: Runtime>(&self, runtime: &R, peer: SocketAddr) -> io::Result<Vec<R::Udp>> {
        let mut sockets = vec![runtime.udp_connect(peer).await?];
        while sockets.len() < self.sockets {
            sockets.push(runtime.udp_connect(peer).await?);
        }
        Ok(sockets)
    }

    async fn resolve<R: Runtime>(&self, runtime: &R) -> Result<Vec<SocketAddr>, StartError> {
        resolve(runtime, self.exporter, "host", &self.host, self.port).await
    }

    /// How often it is to be resolved again: an address in text form stays what it is.
    fn following(&self) -> Option<Duration> {
        self.resolve_interval.filter(|_| self.host.parse::<IpAddr>().is_err())
    }
}

/// Sockets that are connected to a host.
pub(crate) struct Peer<R: Runtime> {
    sockets: Vec<R::Udp>,
    follower: Option<Follower<R>>,
}

/// The task that follows a name.
struct Follower<R: Runtime> {
    moved: Receiver<Vec<R::Udp>>,
    doubts: Sender<()>,
    /// Ends with the peer.
    _task: R::Task,
}

impl<R: Runtime> Peer<R> {
    /// Finds the host, which must have an address; nobody need listen there.
    pub(crate) async fn connect(runtime: &R, host: Host) -> Result<Self, StartError> {
        let (peer, sockets) = host.connect(runtime, host.resolve(runtime).await?).await?;
        let follower = host.following().map(|every| {
            let ((is_moved, moved), (doubts, doubted)) = (async_channel::bounded(1), async_channel::bounded(1));
            let task = runtime.spawn(follow(runtime.clone(), host, peer, every, doubted, is_moved));
            Follower { moved, doubts, _task: task }
        });
        Ok(Self { sockets, follower })
    }

    /// How many there are, at least one.
    pub(crate) const fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// The socket whose turn it is.
    pub(crate) fn socket(&self, turn: usize) -> &R::Udp {
        &self.sockets[turn % self.sockets.len()]
    }

    /// Goes over to where the name leads now; whether that is elsewhere.
    pub(crate) fn catch_up(&mut self) -> bool {
        let moved = self.follower.as_ref().and_then(|follower| follower.moved.try_recv().ok());
        let is_moved = moved.is_some();
        if let Some(sockets) = moved {
            self.sockets = sockets;
        }
        is_moved
    }

    /// Something failed: the name is to be looked at soon.
    pub(crate) fn doubt(&self) {
        if let Some(follower) = &self.follower {
            // One doubt is enough.
            let _ = follower.doubts.try_send(());
        }
    }
}

/// Resolves the name every so often, and soon after a doubt. As long as the address in use is among the answers, and
/// while there are none, it stays.
async fn follow<R: Runtime>(
    runtime: R,
    host: Host,
    mut peer: SocketAddr,
    every: Duration,
    doubted: Receiver<()>,
    moved: Sender<Vec<R::Udp>>,
) {
    loop {
        let doubt = async {
            runtime.sleep(LEAST_PAUSE).await;
            // An error means that nobody is left to doubt; this task is about to end with him.
            let _ = doubted.recv().await;
        };
        runtime.sleep(every).or(doubt).await;
        let found = match host.resolve(&runtime).await {
            Ok(peers) if peers.contains(&peer) => continue,
            Ok(peers) => host.connect(&runtime, peers).await,
            Err(error) => Err(error),
        };
        match found {
            Ok((now, sockets)) => {
                tracing::info!(exporter = host.exporter.as_str(), host = host.host, from = %peer, to = %now, "moved");
                peer = now;
                // Those that were not used yet are of no use any more. Fails only where the peer has gone.
                let _ = moved.force_send(sockets);
            }
            Err(error) => tracing::debug!(%error, "not found again; {peer} stays"),
        }
    }
}
