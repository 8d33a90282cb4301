//! What carries bodies of lines to InfluxDB: HTTP requests or datagrams.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loaddensity_metrics_core::verdict::Said;

use super::{Endpoint, Influxdb};
use crate::condition::Condition;
use crate::config::{BatchLimits, InfluxdbConfig};
use crate::http_client::{Answer, Caller, Outcome};
use crate::remedy;
use crate::runtime::{Runtime, UdpSocket as _};
use crate::stop::StopSignal;
use crate::udp::Peer;

/// How often one datagram is tried where the socket reports that earlier ones were refused.
const ATTEMPTS: u32 = 3;
/// Time between two datagrams: what comes at once is more than a receiver's buffer holds.
const PACE: Duration = Duration::from_micros(20);

/// The way to the backend.
pub(super) enum Carrier<R: Runtime> {
    Http(Box<Caller<R, Influxdb>>, Duration),
    Udp(R, Peer<R>, Arc<Condition>),
}

/// What became of one body.
pub(super) enum Carried {
    /// The backend has it; over UDP, the kernel. What there is to complain about all the same.
    Over(Option<String>),
    /// The server answered something else.
    Answered(Answer),
    /// No answer; `began`: it may have gone out.
    Failed { began: bool, words: String },
}

impl<R: Runtime> Carrier<R> {
    /// By HTTP, with so much time for a body.
    pub(super) fn http(runtime: R, endpoint: Box<Endpoint>, condition: Arc<Condition>, timeout: Duration) -> Self {
        Self::Http(Box::new(Caller::new(runtime, Influxdb::new(endpoint), condition)), timeout)
    }

    /// How large a body may be.
    pub(super) const fn limits(&self, config: &InfluxdbConfig) -> BatchLimits {
        match self {
            Self::Http(..) => config.batch,
            Self::Udp(..) => BatchLimits { points: usize::MAX, bytes: config.datagram_bytes, ..config.batch },
        }
    }

    /// Sends one body, within its timeout and the deadline of a stop.
    pub(super) async fn carry(&mut self, body: &Bytes, stop: &StopSignal) -> Carried {
        match self {
            Self::Http(caller, timeout) => match caller.call_unless_overdue(body, *timeout, stop).await {
                Outcome::Answered(answer) if answer.said == Said::Stored => Carried::Over(answer.complaint()),
                Outcome::Answered(answer) => Carried::Answered(answer),
                Outcome::Failed { began, words } | Outcome::TimedOut { began, words } => {
                    Carried::Failed { began, words }
                }
            },
            Self::Udp(runtime, peer, condition) => {
                peer.catch_up();
                let sent = stop.unless_overdue(runtime, send::<R>(peer.socket(0), body)).await;
                if !matches!(sent, Some(Ok(Handed { refused_before: false }))) {
                    peer.doubt();
                }
                runtime.sleep(PACE).await;
                match sent {
                    Some(Ok(Handed { refused_before: false })) => Carried::Over(None),
                    Some(Ok(Handed { refused_before: true })) => {
                        condition.refused();
                        Carried::Over(Some(remedy::REFUSED.into()))
                    }
                    Some(Err(error)) => Carried::Failed { began: false, words: remedy::cannot_send(&error) },
                    None => Carried::Failed { began: false, words: "no time was left to send".into() },
                }
            }
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
        match socket.send(datagram).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            sent => return sent.map(|_| Handed { refused_before: attempt > 0 }),
        }
    }
    Err(io::ErrorKind::ConnectionRefused.into())
}
