//! The loop of the sinks that send datagrams: InfluxDB over UDP and DogStatsD.
//!
//! Datagrams leave in small bursts, one a millisecond. A receiver with the usual socket buffer of 208 KiB holds some
//! 250 small datagrams; a larger burst is lost there, whatever the average rate. "Sent" means handed to the kernel.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loaddensity_metrics_core::{Cause, EventEncoder, Exporter, Packed, Packer};

use crate::condition::Condition;
use crate::error::StartError;
use crate::hub::Feed;
use crate::running::{Place, Prepared, Running, host_port, resolve};
use crate::runtime::{Runtime, UdpSocket};
use crate::stop::StopSignal;

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
/// A backlog is sent over this many bursts.
const BURSTS_OF_A_BACKLOG: usize = 8;
/// How often one datagram is tried where the socket reports that earlier ones were refused.
const ATTEMPTS: u32 = 3;
/// The peer counts as listening when it has refused nothing for this long.
const REFUSAL_FORGOTTEN: Duration = Duration::from_secs(2);

/// Where datagrams go and how they are made up.
pub(crate) struct Target<'a> {
    pub(crate) exporter: Exporter,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// Largest datagram in bytes.
    pub(crate) datagram_bytes: usize,
    /// Most items in one datagram.
    pub(crate) items: usize,
    pub(crate) buffer_events: usize,
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
    let Target { exporter, host, port, datagram_bytes, items, buffer_events } = target;
    let socket = connect(runtime, exporter, host, port).await?;
    let condition = Arc::new(Condition::new(exporter, format!("udp://{}", host_port(host, port))));
    Ok(Prepared::new(move |place: &mut Place<R>| {
        let feed = place.hub.attach(exporter, buffer_events);
        let stop = StopSignal::default();
        let sender = Sender {
            runtime: place.runtime.clone(),
            socket,
            feed: feed.clone(),
            packer: Packer::new(encoder),
            datagram: vec![0; datagram_bytes],
            items,
            items_per_datagram: 1,
            refused_at: None,
            condition: condition.clone(),
            stop: stop.clone(),
        };
        Running::launch(&place.runtime, stop, condition, sender.run()).fed_by(feed)
    }))
}

/// A socket that is connected to the first address of `host` that takes one. IPv4 goes first: nothing tells whether
/// anybody listens, and LoadDensity's sinks speak IPv4 where a name (`localhost`) has both.
async fn connect<R: Runtime>(runtime: &R, exporter: Exporter, host: &str, port: u16) -> Result<R::Udp, StartError> {
    let mut peers = resolve(runtime, exporter, "host", host, port).await?;
    peers.sort_by_key(|peer| !peer.is_ipv4());
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for peer in peers {
        match runtime.udp_connect(peer).await {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(StartError::Socket { exporter, address: format!("udp://{}", host_port(host, port)), source: last })
}

struct Sender<R: Runtime, E> {
    runtime: R,
    socket: R::Udp,
    feed: Arc<Feed>,
    packer: Packer<E>,
    datagram: Vec<u8>,
    /// Most items in one datagram.
    items: usize,
    /// Items in the last datagram.
    items_per_datagram: usize,
    refused_at: Option<Instant>,
    condition: Arc<Condition>,
    stop: StopSignal,
}

impl<R: Runtime, E: EventEncoder> Sender<R, E> {
    async fn run(mut self) -> Cause {
        loop {
            let burst = self.burst();
            let deadline = self.stop.deadline();
            if burst == (0, 0) {
                if deadline.is_some() {
                    return Cause::Deadline;
                }
                self.stop.cuts_short(self.feed.holds(1)).await;
                continue;
            }
            if deadline.is_some_and(|deadline| self.runtime.now() >= deadline) {
                return Cause::Deadline;
            }
            self.send_burst(burst).await;
            self.forget_refusal();
            self.runtime.sleep(TICK).await;
        }
    }

    /// What may leave now: datagrams and bytes; none where nothing waits.
    fn burst(&self) -> (usize, usize) {
        let (events, capacity) = {
            let sink = self.feed.lock();
            (sink.len(), sink.capacity())
        };
        let share = (events * usize::from(E::ITEMS)).div_ceil(self.items_per_datagram * BURSTS_OF_A_BACKLOG);
        match share {
            0 => (0, 0),
            _ if events > capacity / 2 => (share.clamp(BURST.0, PRESSED_BURST), usize::MAX),
            _ => (share.clamp(BURST.0, BURST.1), BURST_BYTES),
        }
    }

    async fn send_burst(&mut self, (datagrams, bytes): (usize, usize)) {
        let mut sent = 0;
        for _ in 0..datagrams {
            let packed = self.packer.pack(&mut self.feed.lock(), self.items, &mut self.datagram);
            if packed.items == 0 || sent >= bytes {
                return;
            }
            sent += packed.bytes;
            self.items_per_datagram = packed.items;
            if !self.send(packed).await {
                return;
            }
        }
    }

    /// Sends one datagram and settles what is in it; `false` where the deadline passed first.
    async fn send(&mut self, packed: Packed) -> bool {
        let bytes = &self.datagram[..packed.bytes];
        let sent = self.stop.unless_overdue(&self.runtime, send(&self.socket, bytes)).await;
        let mut sink = self.feed.lock();
        match sent {
            Some(Ok(refused_before)) => {
                self.packer.confirm(&mut sink, packed);
                drop(sink);
                if refused_before {
                    self.note_refusal();
                }
            }
            Some(Err(error)) => {
                self.packer.discard(&mut sink, packed, Cause::Unreachable);
                drop(sink);
                self.condition.failed(format!("cannot send: {error}"));
                self.refused_at = Some(self.runtime.now());
            }
            None => return false,
        }
        true
    }

    fn note_refusal(&mut self) {
        self.refused_at = Some(self.runtime.now());
        self.condition.failed("nothing listens there: datagrams are refused (they count as sent)");
    }

    fn forget_refusal(&mut self) {
        if self.refused_at.is_some_and(|at| self.runtime.now().saturating_duration_since(at) >= REFUSAL_FORGOTTEN) {
            self.refused_at = None;
            self.condition.went_well();
        }
    }
}

/// Hands one datagram to the kernel; returns whether an earlier one was refused by the peer's host.
///
/// A connected socket reports that refusal in place of sending the next datagram, so that one is sent again.
async fn send(socket: &impl UdpSocket, datagram: &[u8]) -> io::Result<bool> {
    let mut refused_before = false;
    for _ in 0..ATTEMPTS {
        match socket.send(datagram).await {
            Ok(_) => return Ok(refused_before),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => refused_before = true,
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::ConnectionRefused.into())
}
