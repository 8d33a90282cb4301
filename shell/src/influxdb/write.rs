//! The sender of HTTP bodies: one kept-alive connection, one request at a time.
//!
//! Points stay in the buffer until the server has answered for them. What may be sent again is sent again, with
//! growing pauses, while further points wait behind; a point that arrives twice overwrites itself, for its timestamp
//! is its own. A body without an answer in time is `unconfirmed` and not sent again.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::verdict::Said;
use loaddensity_metrics_core::{Backoff, Cause, Exporter, Packed, Packer};

use super::batch::BatchSize;
use super::{Endpoint, Influxdb};
use crate::condition::Condition;
use crate::config::InfluxdbConfig;
use crate::http_client::{Answer, Caller, Outcome};
use crate::hub::Feed;
use crate::running::{Place, Running};
use crate::runtime::Runtime;
use crate::stop::{StopSignal, sleep_until};

/// Pauses before a body is sent again: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Starts to send. The backend need not be there.
pub(super) fn start<R: Runtime>(
    place: &mut Place<R>,
    endpoint: Box<Endpoint>,
    encoder: LineEncoder<'static>,
    config: &InfluxdbConfig,
) -> Running<R> {
    let feed = place.hub.attach(Exporter::Influxdb, config.buffer_events, None);
    let condition = Arc::new(Condition::new(Exporter::Influxdb, endpoint.public_address()));
    let stop = StopSignal::default();
    let sender = Sender {
        runtime: place.runtime.clone(),
        caller: Caller::new(place.runtime.clone(), Influxdb::new(endpoint), condition.clone()),
        timeout: config.timeout,
        feed: feed.clone(),
        packer: Packer::new(encoder),
        size: BatchSize::new(config.batch, config.buffer_events),
        body: BytesMut::new(),
        backoff: Backoff::new(RETRY.0, RETRY.1),
        condition: condition.clone(),
        stop: stop.clone(),
    };
    Running::launch(&place.runtime, stop, condition, sender.run()).fed_by(feed)
}

struct Sender<R: Runtime> {
    runtime: R,
    caller: Caller<R, Influxdb>,
    timeout: Duration,
    feed: Arc<Feed>,
    packer: Packer<LineEncoder<'static>>,
    size: BatchSize,
    /// Memory of the body, between two requests.
    body: BytesMut,
    backoff: Backoff,
    condition: Arc<Condition>,
    stop: StopSignal,
}

impl<R: Runtime> Sender<R> {
    /// Sends until a stop is asked for and nothing is left, or its deadline passes; the cause for what is left.
    async fn run(mut self) -> Cause {
        let mut oldest_since = self.runtime.now();
        loop {
            if self.feed.lock().is_empty() {
                if self.stop.deadline().is_some() {
                    return Cause::Deadline;
                }
                self.stop.cuts_short(self.feed.holds(1)).await;
                oldest_since = self.runtime.now();
                continue;
            }
            let due = sleep_until(&self.runtime, oldest_since + self.size.age());
            self.stop.cuts_short(self.feed.holds(self.size.full()).or(due)).await;
            // Whatever the body leaves behind came later than this, or makes the next one due by its number.
            oldest_since = self.runtime.now();
            if let Some(cause) = self.send_body().await {
                return cause;
            }
        }
    }

    /// Sends one body; the cause for what is left where nothing more is to be sent.
    async fn send_body(&mut self) -> Option<Cause> {
        let is_stopping = self.stop.deadline().is_some();
        let (packed, whole) = self.pack();
        if packed.items == 0 {
            return None;
        }
        let body = whole.slice(..packed.bytes);
        let outcome = self.caller.call_unless_overdue(&body, self.timeout, &self.stop).await;
        drop(body);
        // Where hyper has not let go of it yet, the next body gets new memory.
        self.body = whole.try_into_mut().unwrap_or_default();
        match outcome {
            Outcome::Answered(answer) => self.settle(packed, answer).await,
            Outcome::Failed { began, words } => {
                self.condition.failed(words);
                // A server that is not there when everything is to end is not waited for.
                if is_stopping {
                    if began {
                        self.packer.discard(&mut self.feed.lock(), packed, Cause::Unconfirmed);
                    }
                    return Some(Cause::Unreachable);
                }
                self.pause(Duration::ZERO).await;
            }
            // It may have gone out, so it is not sent again.
            Outcome::TimedOut { began: true, words } => {
                self.packer.discard(&mut self.feed.lock(), packed, Cause::Unconfirmed);
                self.condition.failed(words);
            }
            Outcome::TimedOut { began: false, words } => {
                self.condition.failed(words);
                self.pause(Duration::ZERO).await;
            }
        }
        let deadline = self.stop.deadline()?;
        (self.runtime.now() >= deadline).then_some(Cause::Deadline)
    }

    fn pack(&mut self) -> (Packed, Bytes) {
        let mut memory = std::mem::take(&mut self.body);
        memory.resize(self.size.bytes(), 0);
        let packed = self.packer.pack(&mut self.feed.lock(), self.size.points(), &mut memory);
        self.size.packed(packed.items, packed.bytes);
        (packed, memory.freeze())
    }

    async fn settle(&mut self, packed: Packed, answer: Answer) {
        match answer.said {
            Said::Stored => {
                self.packer.confirm(&mut self.feed.lock(), packed);
                self.size.taken();
                self.backoff.reset();
                return self.condition.went_well_but(answer.complaint());
            }
            Said::Partial { dropped } => {
                let refused = usize::try_from(dropped).unwrap_or(packed.events);
                self.packer.confirm_but(&mut self.feed.lock(), packed, refused, Cause::Refused);
                self.backoff.reset();
            }
            Said::Unclear => {
                self.packer.discard(&mut self.feed.lock(), packed, Cause::Unconfirmed);
                self.backoff.reset();
            }
            Said::Refused => {
                self.packer.discard(&mut self.feed.lock(), packed, Cause::Refused);
                self.backoff.reset();
            }
            Said::TooLarge => {
                if !self.size.split(packed.items) {
                    self.packer.discard(&mut self.feed.lock(), packed, Cause::TooLarge);
                }
            }
            Said::Ill => {
                self.condition.failed(answer.words);
                return self.pause(Duration::ZERO).await;
            }
            Said::Away { at_least, .. } => {
                self.condition.failed(answer.words);
                return self.pause(at_least).await;
            }
        }
        self.condition.failed(answer.words);
    }

    /// Waits before the next attempt. A stop cuts it short, once; its deadline ends it.
    async fn pause(&mut self, least: Duration) {
        let pause = self.backoff.pause_of_at_least(least, self.runtime.wall_clock().as_unix_nanos());
        match self.stop.deadline() {
            None => self.stop.cuts_short(self.runtime.sleep(pause)).await,
            Some(_) => {
                self.stop.unless_overdue(&self.runtime, self.runtime.sleep(pause)).await;
            }
        }
    }
}
