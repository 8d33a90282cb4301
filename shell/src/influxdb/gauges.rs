//! The engine's gauges in datagrams: one point per interval, and a last one at the stop; goes away with the machine of
//! datagrams.

use std::sync::Arc;
use std::time::Duration;

use loaddensity_metrics_core::Timestamp;
use loaddensity_metrics_core::influxdb::GaugeEncoder;

use super::carrier::Carrier;
use crate::clock::Clock;
use crate::condition::Condition;
use crate::runtime::Runtime;
use crate::stop::{StopSignal, sleep_until};

/// Longest body of an HTTP request with gauges: all that a registry can have, however long.
const BODY_BYTES: usize = 16 << 10;

/// Writes the gauges into bodies that its carrier takes.
pub(super) struct Gauges {
    encoder: GaugeEncoder<'static>,
    body_bytes: usize,
}

impl Gauges {
    /// Bodies of at most `limit` bytes.
    pub(super) fn new(encoder: GaugeEncoder<'static>, limit: usize) -> Self {
        Self { encoder, body_bytes: limit.min(BODY_BYTES) }
    }

    /// Sends them as they are. They are no requests, so no account has them, and they are not sent again: the next
    /// interval shows what they are then.
    pub(super) async fn send<R: Runtime>(
        &self,
        carrier: &mut Carrier<R>,
        at: Timestamp,
        condition: &Condition,
        stop: &StopSignal,
    ) {
        let (mut sent, mut complaint) = (0, None);
        loop {
            let mut memory = vec![0; self.body_bytes];
            let written = match self.encoder.encode(sent..usize::MAX, at, &mut memory) {
                Ok(written) if written.items == 0 => {
                    return match complaint {
                        None => condition.gauges_went_well(),
                        Some(complaint) => condition.gauges_failed(format!("gauges: {complaint}")),
                    };
                }
                Ok(written) => written,
                Err(_) => {
                    condition.gauges_failed(format!("a gauge does not fit into {} bytes", self.body_bytes));
                    return;
                }
            };
            memory.truncate(written.bytes);
            match carrier.carry(&memory, stop).await {
                Ok(said) => complaint = said.or(complaint),
                Err(words) => return condition.gauges_failed(format!("gauges: {words}")),
            }
            sent += usize::from(written.items);
        }
    }

    /// Sends them at every interval until a stop is asked for, and once more then: beside a sender of requests.
    pub(super) async fn run<R: Runtime>(
        self,
        runtime: R,
        clock: Clock<R>,
        mut carrier: Carrier<R>,
        interval: Duration,
        condition: Arc<Condition>,
        stop: StopSignal,
    ) {
        let mut due = runtime.now();
        loop {
            due = (due + interval).max(runtime.now());
            stop.cuts_short(sleep_until(&runtime, due)).await;
            let is_last = stop.deadline().is_some();
            self.send(&mut carrier, clock.now(), &condition, &stop).await;
            if is_last {
                return;
            }
        }
    }
}
