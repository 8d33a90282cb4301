//! The OpenTelemetry exporter: cumulative totals over OTLP/gRPC, one cycle per interval and a last one at the stop.
//!
//! A cycle is one request, or several where one would be larger than the receiver takes; it counts as sent when all of
//! them are accepted whole. Cycles never overlap. One that fails is made up for by the next, which holds the same
//! requests and more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::otlp::Export;
use loaddensity_metrics_core::verdict::Verdict;
use loaddensity_metrics_core::{Backoff, Cause, Exporter, Ledger, Registry, Timestamp};

use crate::condition::Condition;
use crate::config::OpenTelemetryConfig;
use crate::error::StartError;
use crate::http_client::{Server, read_url, waited};
use crate::running::{Place, Prepared, Running, resolve};
use crate::runtime::Runtime;
use crate::stop::{StopSignal, before, sleep_until};

mod call;

use call::{Answer, Client, Outcome};

/// The port of `http` where the endpoint names none (RFC 9110, 4.2.1).
const HTTP_PORT: u16 = 80;
/// Pauses before a cycle is tried again within its interval: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// Memory for a request at first. It grows, up to the largest request, when a cycle does not fit.
const FIRST_BUFFER: usize = 256 << 10;

/// Judges the settings, and finds the host. The receiver need not be there.
pub(crate) async fn prepare<R: Runtime>(runtime: &R, config: &OpenTelemetryConfig) -> Result<Prepared<R>, StartError> {
    let bad = |key, value: &str, expected: &str| StartError::Setting {
        exporter: Exporter::OpenTelemetry,
        key,
        value: value.into(),
        expected: expected.into(),
    };
    let (server, path) = read_url(Exporter::OpenTelemetry, "endpoint", &config.endpoint, HTTP_PORT)?;
    if path != "/" {
        let expected = "it must be http://host:port of an OTLP/gRPC receiver (usually port 4317), without a path";
        return Err(bad("endpoint", &crate::config::public_url(&config.endpoint), expected));
    }
    if config.service_name.is_empty() {
        return Err(bad("service_name", "", "it must not be empty"));
    }
    // The receiver need not be there yet, but its name must mean something.
    resolve(runtime, Exporter::OpenTelemetry, "endpoint", &server.host, server.port).await?;
    let config = config.clone();
    Ok(Prepared::new(move |place| launch(place, server, config)))
}

fn launch<R: Runtime>(place: &mut Place<R>, server: Server, config: OpenTelemetryConfig) -> Running<R> {
    let condition = Arc::new(Condition::new(Exporter::OpenTelemetry, format!("http://{}", server.authority())));
    let stop = StopSignal::default();
    let periodic = Periodic {
        runtime: place.runtime.clone(),
        registry: place.registry,
        born: place.born,
        ledger: place.registry.open_account(Exporter::OpenTelemetry),
        client: Client::new(place.runtime.clone(), server, config.timeout, condition.clone()),
        room: FIRST_BUFFER.min(config.max_request_bytes),
        config,
        buffer: BytesMut::new(),
        backoff: Backoff::new(RETRY.0, RETRY.1),
        condition: condition.clone(),
        stop: stop.clone(),
        is_last: false,
    };
    Running::launch(&place.runtime, stop, condition, periodic.run())
}

struct Periodic<R: Runtime> {
    runtime: R,
    registry: Registry<'static>,
    born: Timestamp,
    ledger: &'static Ledger,
    client: Client<R>,
    config: OpenTelemetryConfig,
    /// Memory of a request, between two of them.
    buffer: BytesMut,
    /// How much of it there should be.
    room: usize,
    backoff: Backoff,
    condition: Arc<Condition>,
    stop: StopSignal,
    /// Whether this is the cycle after which nothing comes.
    is_last: bool,
}

/// What became of a cycle.
#[derive(Clone, Copy)]
enum Cycle {
    /// All of it was accepted.
    Accepted,
    /// It was not, for this cause; whether it may be tried again before its time.
    Failed { cause: Cause, may_retry: bool },
}

impl Cycle {
    /// Why what no accepted cycle held was not sent, if this was the last one.
    const fn cause(self) -> Cause {
        match self {
            Self::Accepted => Cause::Deadline,
            Self::Failed { cause, .. } => cause,
        }
    }
}

impl<R: Runtime> Periodic<R> {
    /// Exports until a stop is asked for, then once more; the cause for what no accepted cycle held.
    async fn run(mut self) -> Cause {
        let mut due = self.runtime.now() + self.config.export_interval;
        let mut cause = Cause::Deadline;
        let deadline = loop {
            self.stop.cuts_short(sleep_until(&self.runtime, due)).await;
            if let Some(deadline) = self.stop.deadline() {
                break deadline;
            }
            due = self.runtime.now() + self.config.export_interval;
            cause = self.cycle_with_retries(due).await.cause();
        };
        // A call that is given no time says nothing about the receiver.
        if self.runtime.now() >= deadline {
            return cause;
        }
        self.is_last = true;
        self.cycle().await.cause()
    }

    /// One cycle, tried again with growing pauses while that ends before the next is `due`.
    async fn cycle_with_retries(&mut self, due: Instant) -> Cycle {
        self.backoff.reset();
        loop {
            let cycle = self.cycle().await;
            let pause = self.backoff.pause(self.runtime.wall_clock().as_unix_nanos());
            if !matches!(cycle, Cycle::Failed { may_retry: true, .. }) || self.runtime.now() + pause >= due {
                return cycle;
            }
            self.stop.cuts_short(self.runtime.sleep(pause)).await;
            if self.stop.deadline().is_some() {
                return cycle;
            }
        }
    }

    async fn cycle(&mut self) -> Cycle {
        let (runtime, registry, born) = (self.runtime.clone(), self.registry, self.born);
        let service_name = self.config.service_name.clone();
        let begin = || Export::new(registry, &service_name, born, runtime.wall_clock());
        let mut export = self.make_room(begin);
        let mut complaint = None;
        while let Some((memory, message)) = self.next_request(&mut export) {
            // What is left of this cycle is in the last one too, which needs the time.
            if self.stop.deadline().is_some() && !self.is_last {
                return Cycle::Failed { cause: Cause::Deadline, may_retry: false };
            }
            let outcome = self.call(message).await;
            // Where hyper has not let go of it yet, the next request gets new memory.
            self.buffer = memory.try_into_mut().unwrap_or_default();
            match self.settle(outcome) {
                Ok(said) => complaint = complaint.max(said),
                Err(failed) => return failed,
            }
        }
        match complaint {
            Some(Complaint { rejected_points: 1.., says }) => {
                self.condition.failed(says);
                return Cycle::Failed { cause: Cause::Rejected, may_retry: false };
            }
            Some(Complaint { says, .. }) => self.condition.failed(says),
            None => self.condition.went_well(),
        }
        self.ledger.set_sent_total(export.requests());
        Cycle::Accepted
    }

    /// Makes the buffer large enough for a whole cycle, as far as the largest request allows, and begins the cycle.
    fn make_room<'a>(&mut self, begin: impl Fn() -> Export<'a>) -> Export<'a> {
        loop {
            self.buffer.resize(self.room, 0);
            let mut probe = begin();
            // The largest request is at least 4,096 bytes, which hold any single point.
            let fits = probe.next_request(&mut self.buffer).is_ok() && matches!(probe.next_request(&mut []), Ok(None));
            if fits || self.room >= self.config.max_request_bytes {
                return begin();
            }
            self.room = (self.room * 4).min(self.config.max_request_bytes);
        }
    }

    /// The cycle's next request: the memory that it is in, and the request itself.
    fn next_request(&mut self, export: &mut Export<'_>) -> Option<(Bytes, Bytes)> {
        let mut memory = std::mem::take(&mut self.buffer);
        memory.resize(self.room, 0);
        match export.next_request(&mut memory) {
            Ok(Some(message)) => {
                // It is at the buffer's end.
                let start = self.room - message.len();
                let memory = memory.freeze();
                let message = memory.slice(start..);
                Some((memory, message))
            }
            Ok(None) | Err(_) => {
                self.buffer = memory;
                None
            }
        }
    }

    /// Sends one request, within its timeout and, at a stop, its deadline. A call that is under way when the stop comes
    /// gets half of the time, so that the last export has the other half.
    async fn call(&mut self, message: Bytes) -> Outcome {
        let (runtime, stop, is_last) = (self.runtime.clone(), self.stop.clone(), self.is_last);
        let overdue = async {
            let deadline = stop.asked().await;
            let left = deadline.saturating_duration_since(runtime.now());
            let kept = if is_last { Duration::ZERO } else { left / 2 };
            sleep_until(&runtime, deadline - kept).await;
            None
        };
        let began = runtime.now();
        let timeout = self.config.timeout;
        let answer = before(&runtime, began + timeout, self.client.call(&message));
        match answer.or(overdue).await {
            Some(outcome) => outcome,
            None => {
                let elapsed = runtime.now().saturating_duration_since(began);
                Outcome::TimedOut { taken: self.client.give_up(), waited: waited(elapsed, timeout) }
            }
        }
    }

    /// How a request that was not accepted fails the cycle; what the receiver had to say about one that was.
    fn settle(&self, outcome: Outcome) -> Result<Option<Complaint>, Cycle> {
        let (cause, may_retry, says) = match outcome {
            Outcome::Answered(answer) => match answer.status.verdict(false) {
                Verdict::Accepted => return Ok(Complaint::of(answer)),
                Verdict::Retry => (Cause::Unreachable, true, answer.says),
                Verdict::Refused | Verdict::Split => (Cause::Refused, false, answer.says),
            },
            Outcome::Failed { taken: true, says } => (Cause::Unconfirmed, true, says),
            Outcome::Failed { taken: false, says } => (Cause::Unreachable, true, says),
            Outcome::TimedOut { taken: true, waited } => {
                (Cause::Unconfirmed, true, format!("no answer within {waited:?}"))
            }
            Outcome::TimedOut { taken: false, waited } => {
                (Cause::Unreachable, true, format!("no connection within {waited:?}"))
            }
        };
        self.condition.failed(says);
        Err(Cycle::Failed { cause, may_retry })
    }
}

/// What a receiver says about a request that it accepted (`partial_success`). More rejected points are the greater one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    rejected_points: i64,
    says: String,
}

impl Complaint {
    fn of(Answer { rejected_points, says, .. }: Answer) -> Option<Self> {
        match (rejected_points, says.is_empty()) {
            (0, true) => None,
            (0, false) => Some(Self { rejected_points, says: format!("accepted, with a warning: {says}") }),
            _ => Some(Self { rejected_points, says: format!("{rejected_points} data points were rejected: {says}") }),
        }
    }
}
