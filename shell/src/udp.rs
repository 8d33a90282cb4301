//! The loop of the sinks that send datagrams: InfluxDB over UDP, and DogStatsD over UDP and Unix sockets.
//!
//! Datagrams leave in small bursts, one a millisecond. A receiver with the usual socket buffer of 208 KiB holds some
//! 250 small datagrams; a larger burst is lost there, whatever the average rate. "Sent" means handed to the kernel.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, iter};

use futures_lite::future::yield_now;
use loaddensity_metrics_core::{CALL_BYTES, Cause, EventEncoder, Exporter, Packer, SampleRate, Sampler};

use crate::condition::Condition;
use crate::config::StatsdSocket;
use crate::error::StartError;
use crate::hub::Feed;
use crate::running::{Place, Prepared, Running, host_port};
use crate::runtime::Runtime;
use crate::stop::StopSignal;

mod outlet;
mod patient;
mod peer;
mod style;
mod unix;

use style::{Style, Way};
use unix::UnixLink;

#[cfg(feature = "statsd")]
pub(crate) use outlet::Handed;
pub(crate) use outlet::{Link, Outlet};
#[cfg(feature = "influxdb")]
pub(crate) use patient::patiently;
pub(crate) use peer::{Host, Peer};

/// Time between two bursts.
const TICK: Duration = Duration::from_millis(1);
/// Datagrams in a burst: a receiver's buffer of 208 KiB holds some 250 small ones, or 90 of 1,400 bytes. The lower end
/// keeps up with 64,000 datagrams a second; a backlog raises it.
const BURST: (usize, usize) = (64, 192);
/// Bytes after which a burst ends, whatever its datagrams.
const BURST_BYTES: usize = 96 << 10;
/// The same when more than half of the exporter's own buffer is in use: what the receiver may lose then would be lost
/// here.
const PRESSED_BURST: usize = 1_024;
/// The same with segmentation offload, in which it takes no more time: five milliseconds, while the rings fill.
const PRESSED_OFFLOADED_BURST: usize = 8_192;
/// After so many datagrams the other tasks of the thread get their turn: the pump above all.
const TURN: usize = 64;
/// A backlog is sent over this many bursts.
const BURSTS_OF_A_BACKLOG: usize = 8;

/// Where datagrams go and how they are made up.
pub(crate) struct Target<'a> {
    pub(crate) exporter: Exporter,
    pub(crate) to: Destination<'a>,
    /// Largest datagram in bytes.
    pub(crate) datagram_bytes: usize,
    /// Most items in one datagram.
    pub(crate) items: usize,
    /// Nothing to a Unix socket.
    pub(crate) segmentation_offload: bool,
    pub(crate) buffer_events: usize,
    /// Which part of the requests is sent.
    pub(crate) sample_rate: SampleRate,
}

/// Where datagrams go.
#[derive(Clone, Copy)]
pub(crate) enum Destination<'a> {
    Udp(&'a Host),
    /// So many connections to one socket, at least one.
    Unix {
        socket: &'a StatsdSocket,
        connections: usize,
    },
}

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(host) => write!(f, "udp://{}", host_port(&host.host, host.port)),
            Self::Unix { socket, .. } => socket.fmt(f),
        }
    }
}

/// Makes the socket of a sink that sends what `encoder` writes to `target`.
pub(crate) async fn prepare<R: Runtime, E>(
    runtime: &R,
    target: Target<'_>,
    encoder: E,
) -> Result<Prepared<R>, StartError>
where
    E: EventEncoder + Send + 'static,
{
    let Target { exporter, to, datagram_bytes, items, segmentation_offload, buffer_events, sample_rate } = target;
    let condition = Arc::new(Condition::new(exporter, to.to_string()));
    let link = link(runtime, exporter, to).await?;
    link.tell(&condition);
    let segmentation_offload = segmentation_offload && matches!(link, Link::Udp(_));
    let style = Style::new(datagram_bytes, items, segmentation_offload);
    let memory = if segmentation_offload { datagram_bytes.max(CALL_BYTES) } else { datagram_bytes };
    Ok(Prepared::new(move |place: &mut Place<R>| {
        let seed = place.runtime.wall_clock().as_unix_nanos();
        let sampler = (!sample_rate.is_all()).then(|| Sampler::new(sample_rate, seed));
        let feed = place.hub.attach(exporter, buffer_events, sampler);
        let stop = StopSignal::default();
        let outlet = Outlet::new(place.runtime.clone(), link, memory, condition.clone(), stop.clone());
        let sender = Sender { outlet, feed: feed.clone(), packer: Packer::new(encoder), style, items_per_datagram: 1 };
        Running::launch(&place.runtime, stop, condition, sender.run()).fed_by(feed)
    }))
}

/// The way to `to`. An Agent need not have made its Unix socket yet.
pub(crate) async fn link<R: Runtime>(
    runtime: &R,
    exporter: Exporter,
    to: Destination<'_>,
) -> Result<Link<R>, StartError> {
    let (socket, connections) = match to {
        Destination::Udp(host) => return Peer::connect(runtime, host.clone()).await.map(Link::Udp),
        Destination::Unix { socket, connections } => (socket, connections),
    };
    let first = UnixLink::open(runtime, socket.clone()).await.map_err(|error| StartError::Setting {
        exporter,
        key: "url",
        value: to.to_string(),
        expected: format!("{error}; give host and port"),
    })?;
    let others = (1..connections).map(|_| UnixLink::closed(socket.clone()));
    Ok(Link::Unix(iter::once(first).chain(others).collect()))
}

/// A second way to `to`, for what is sent seldom or never.
pub(crate) async fn link_beside<R: Runtime>(runtime: &R, to: Destination<'_>) -> Result<Link<R>, StartError> {
    match to {
        Destination::Udp(host) => Peer::connect(runtime, Host { sockets: 1, ..host.clone() }).await.map(Link::Udp),
        Destination::Unix { socket, .. } => Ok(Link::Unix(vec![UnixLink::closed(socket.clone())])),
    }
}

struct Sender<R: Runtime, E> {
    outlet: Outlet<R>,
    feed: Arc<Feed>,
    packer: Packer<E>,
    style: Style,
    /// Items in the last datagram.
    items_per_datagram: usize,
}

/// What may still leave in a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Burst {
    datagrams: usize,
    bytes: usize,
}

impl Burst {
    /// Datagrams of `segment` bytes that may leave; one that begins within the limit does.
    fn of(self, segment: usize) -> usize {
        self.datagrams.min(self.bytes.div_ceil(segment.max(1)))
    }

    fn take(&mut self, datagrams: usize, bytes: usize) {
        self.datagrams = self.datagrams.saturating_sub(datagrams);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    const fn is_spent(self) -> bool {
        self.datagrams == 0 || self.bytes == 0
    }
}

impl<R: Runtime, E: EventEncoder> Sender<R, E> {
    async fn run(mut self) -> Cause {
        let cause = self.send_all().await;
        self.style.settle(&self.feed);
        cause
    }

    /// Sends until a stop is asked for and nothing is left, or its deadline passes; the cause for what is left.
    async fn send_all(&mut self) -> Cause {
        loop {
            let deadline = self.outlet.stop.deadline();
            let Some(burst) = self.burst() else {
                if deadline.is_some() {
                    return Cause::Deadline;
                }
                self.outlet.stop.cuts_short(self.feed.holds(1)).await;
                continue;
            };
            if deadline.is_some_and(|deadline| self.outlet.runtime.now() >= deadline) {
                return Cause::Deadline;
            }
            self.send_burst(burst).await;
            if self.outlet.has_given_up() {
                return Cause::Unreachable;
            }
            self.outlet.forget_refusal();
            // Without a backlog the pump keeps the pace: it fills the feed once a tick, and a timer here would double the
            // wake-ups.
            if !self.feed.lock().is_empty() {
                self.outlet.runtime.sleep(TICK).await;
            }
        }
    }

    /// What may leave now; `None` where nothing waits.
    fn burst(&self) -> Option<Burst> {
        let (events, capacity) = {
            let sink = self.feed.lock();
            (sink.len(), sink.capacity())
        };
        let share = (events * usize::from(E::ITEMS)).div_ceil(self.items_per_datagram * BURSTS_OF_A_BACKLOG);
        match share {
            0 => None,
            _ if events > capacity / 2 => {
                let most = if self.style.is_offloaded() { PRESSED_OFFLOADED_BURST } else { PRESSED_BURST };
                Some(Burst { datagrams: share.clamp(BURST.0, most), bytes: usize::MAX })
            }
            _ => Some(Burst { datagrams: share.clamp(BURST.0, BURST.1), bytes: BURST_BYTES }),
        }
    }

    /// Sends until the burst is spent, nothing waits, or the deadline of a stop has passed.
    async fn send_burst(&mut self, mut burst: Burst) {
        let mut turn = 0;
        while !burst.is_spent() {
            let way = Way { feed: &self.feed, packer: &mut self.packer, outlet: &mut self.outlet };
            let left = self.style.send(way, burst).await;
            if left.datagrams == 0 {
                return;
            }
            self.items_per_datagram = left.items.div_ceil(left.datagrams).max(1);
            burst.take(left.datagrams, left.bytes);
            turn += left.datagrams;
            if turn >= TURN {
                turn = 0;
                yield_now().await;
            }
        }
    }
}
