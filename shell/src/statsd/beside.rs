//! What the sink sends at intervals beside the requests: the engine's gauges and, if asked for, telemetry about itself.

use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use loaddensity_metrics_core::dogstatsd::{GaugeEncoder, METRIC_BYTES, Telemetry, TelemetryEncoder};
use loaddensity_metrics_core::{Cause, Exporter, Full, Registry, Written};

use crate::condition::Condition;
use crate::runtime::Runtime;
use crate::stop::sleep_until;
use crate::udp::{Handed, Outlet};

/// Sends it through a socket of its own, in packets no longer than the memory of the outlet.
pub(super) struct Beside<R: Runtime> {
    pub(super) gauges: GaugeEncoder<'static>,
    pub(super) telemetry: Option<TelemetryEncoder>,
    pub(super) outlet: Outlet<R>,
    /// Most messages in one packet.
    pub(super) items: usize,
    pub(super) interval: Duration,
    pub(super) condition: Arc<Condition>,
    pub(super) registry: Registry<'static>,
    /// Whether the requests are aggregated.
    pub(super) aggregate: bool,
}

impl<R: Runtime> Beside<R> {
    /// Sends at every interval, and once more when the sender of requests is over, of which `over` is the sign: the last
    /// telemetry tells of its last packets.
    pub(super) async fn run(mut self, over: Receiver<()>) {
        let (mut gauges_sent, mut told) = (0, Telemetry::default());
        let mut due = self.outlet.runtime.now();
        loop {
            due = (due + self.interval).max(self.outlet.runtime.now());
            self.outlet.stop.cuts_short(sleep_until(&self.outlet.runtime, due)).await;
            let is_last = self.outlet.stop.deadline().is_some();
            if is_last {
                // Nothing comes; an error is the sign.
                let _ = over.recv().await;
            }
            gauges_sent += self.send_gauges().await;
            if let Some(encoder) = &self.telemetry {
                let now = self.done(gauges_sent);
                let news = now.since(&told);
                told = now;
                send(&mut self.outlet, |skip, room| encoder.encode(&news, skip, self.items, room)).await;
            }
            if is_last {
                return;
            }
        }
    }

    /// Sends them as they are; returns how many those were. They are no requests, so no account has them, and they are
    /// not sent again: the next interval shows what they are then.
    async fn send_gauges(&mut self) -> u64 {
        let Self { gauges, outlet, items, condition, .. } = self;
        let (mut passed, mut sent) = (0, 0);
        loop {
            let handed = send(outlet, |skip, room| gauges.encode(passed + skip, *items, room)).await;
            sent += handed.messages;
            match handed.end {
                End::Full => {
                    condition.gauges_failed(format!(
                        "a gauge is left out: with the prefix its name is longer than {METRIC_BYTES} bytes, or its \
                         message than {}",
                        outlet.memory.len()
                    ));
                    passed += handed.messages + 1;
                }
                End::All | End::Lost => return sent as u64,
            }
        }
    }

    /// What the sink has done until now.
    fn done(&self, gauges: u64) -> Telemetry {
        let account = self.registry.account(Exporter::Statsd);
        let dropped = |cause| account.dropped.get(cause);
        let traffic = &self.condition.traffic;
        Telemetry {
            requests: account.recorded,
            dropped_on_receive: dropped(Cause::RingFull) + dropped(Cause::BufferFull),
            gauges,
            packets_sent: traffic.packets_sent.get(),
            bytes_sent: traffic.bytes_sent.get(),
            packets_dropped: traffic.packets_dropped.get(),
            bytes_dropped: traffic.bytes_dropped.get(),
            contexts: self.aggregate.then(|| traffic.contexts.get()),
        }
    }
}

/// What became of some messages.
struct Sent {
    messages: usize,
    end: End,
}

enum End {
    All,
    /// The next one fits into no packet.
    Full,
    /// The next packet could not be sent.
    Lost,
}

/// Sends what `encode` writes behind so many messages.
async fn send<R: Runtime>(outlet: &mut Outlet<R>, encode: impl Fn(usize, &mut [u8]) -> Result<Written, Full>) -> Sent {
    let mut messages = 0;
    let end = loop {
        let Ok(Written { items, bytes }) = encode(messages, &mut outlet.memory) else { break End::Full };
        if items == 0 {
            break End::All;
        }
        match outlet.hand_over(0..bytes, bytes).await {
            Handed::Over(_) | Handed::Singly => messages += usize::from(items),
            Handed::Lost(_) | Handed::Overdue | Handed::GivenUp => break End::Lost,
        }
    };
    Sent { messages, end }
}
