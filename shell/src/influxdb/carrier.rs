//! What carries lines to InfluxDB in datagrams; goes away with the machine of datagrams.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::condition::Condition;
use crate::remedy;
use crate::runtime::{Runtime, UdpSocket as _};
use crate::stop::StopSignal;
use crate::udp::{Peer, patiently};

/// How often one datagram is tried where the socket reports that earlier ones were refused.
const ATTEMPTS: u32 = 3;
/// Time between two datagrams: what comes at once is more than a receiver's buffer holds.
const PACE: Duration = Duration::from_micros(20);

/// The way to the backend.
pub(super) struct Carrier<R: Runtime> {
    runtime: R,
    peer: Peer<R>,
    condition: Arc<Condition>,
}

impl<R: Runtime> Carrier<R> {
    pub(super) const fn new(runtime: R, peer: Peer<R>, condition: Arc<Condition>) -> Self {
        Self { runtime, peer, condition }
    }

    /// Sends one datagram, within the deadline of a stop: what there is to complain about although the kernel has it, or
    /// why it has not.
    pub(super) async fn carry(&mut self, datagram: &[u8], stop: &StopSignal) -> Result<Option<String>, String> {
        self.peer.catch_up();
        let sent = stop.unless_overdue(&self.runtime, send::<R>(self.peer.socket(0), datagram)).await;
        if !matches!(sent, Some(Ok(Handed { refused_before: false }))) {
            self.peer.doubt();
        }
        self.runtime.sleep(PACE).await;
        match sent {
            Some(Ok(Handed { refused_before: false })) => Ok(None),
            Some(Ok(Handed { refused_before: true })) => {
                self.condition.refused();
                Ok(Some(remedy::REFUSED.into()))
            }
            Some(Err(error)) => Err(remedy::cannot_send(&error)),
            None => Err("no time was left to send".into()),
        }
    }
}

/// A datagram that the kernel took; whether an earlier one was refused.
struct Handed {
    refused_before: bool,
}

/// A connected socket reports that the peer's host has refused an earlier datagram in place of taking the next.
async fn send<R: Runtime>(socket: &R::Udp, datagram: &[u8]) -> io::Result<Handed> {
    for attempt in 0..ATTEMPTS {
        match patiently(socket, |socket| socket.try_send(datagram)).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            sent => return sent.map(|_| Handed { refused_before: attempt > 0 }),
        }
    }
    Err(io::ErrorKind::ConnectionRefused.into())
}
