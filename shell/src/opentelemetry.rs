//! The OpenTelemetry exporter: cumulative totals, or what came in each interval, over OTLP, by gRPC or HTTP, one cycle per
//! interval and a last one at the stop.
//!
//! A cycle is one request, or several where one would be larger than the receiver takes; it counts as sent when all of
//! them are accepted whole. Cycles never overlap. One that fails is made up for by the next, which holds the same
//! requests and more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use loaddensity_metrics_core::otlp::{Export, Histograms, Part, Resource, Sources};
use loaddensity_metrics_core::verdict::Said;
use loaddensity_metrics_core::{Backoff, Cause, Exporter, Ledger, Registry};

use crate::clock::Clock;
use crate::condition::Condition;
use crate::config::OpenTelemetryConfig;
use crate::error::StartError;
use crate::http_client::{Answer, Called, Caller};
use crate::identity::Identity;
use crate::running::{Place, Prepared, Running, resolve};
use crate::runtime::Runtime;
use crate::stop::{StopSignal, sleep_until};

mod exchange;
mod identity;
mod intervals;
mod target;

use intervals::Pending;
use target::Target;

/// Pauses before a cycle is tried again within its interval: the first and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// Memory for a request at first. It grows, up to the largest request, when a cycle does not fit.
const FIRST_BUFFER: usize = 256 << 10;

/// Judges the settings, and finds the host. The receiver need not be there.
pub(crate) async fn prepare<R: Runtime>(
    runtime: &R,
    (registry, identity): (Registry<'static>, &Identity),
    config: &OpenTelemetryConfig,
) -> Result<Prepared<R>, StartError> {
    if config.gzip && cfg!(not(feature = "gzip")) {
        return Err(StartError::BuiltWithout { feature: "gzip" });
    }
    keeps_what_is_shown(registry, config)?;
    let target = Target::read(config)?;
    let resource = identity::resource(config, identity).map(Arc::new).map_err(|error| StartError::Setting {
        exporter: Exporter::OpenTelemetry,
        key: "resource_attributes",
        value: config.resource_attributes.len().to_string(),
        expected: error.to_string(),
    })?;
    // The receiver need not be there yet, but its name must mean something.
    let (key, host, port) = target.server.first_hop("endpoint");
    resolve(runtime, Exporter::OpenTelemetry, key, host, port).await?;
    let config = config.clone();
    Ok(Prepared::new(move |place| launch(place, target, resource, config)))
}

/// Refuses what the storage has no numbers for.
fn keeps_what_is_shown(registry: Registry<'_>, config: &OpenTelemetryConfig) -> Result<(), StartError> {
    let refuse = |key, value: &str| StartError::Setting {
        exporter: Exporter::OpenTelemetry,
        key,
        value: value.into(),
        expected:
            "the storage keeps no exponential histograms; leave it out, or use a storage of Exponential histograms"
                .into(),
    };
    match (registry.has_exponentials(), config.histograms) {
        (true, _) => Ok(()),
        (false, Histograms::Exponential) => Err(refuse("histograms", "exponential")),
        (false, Histograms::Explicit) if config.min_max => Err(refuse("min_max", "true")),
        (false, Histograms::Explicit) => Ok(()),
    }
}

fn launch<R: Runtime>(
    place: &mut Place<R>,
    target: Target,
    resource: Arc<Resource>,
    config: OpenTelemetryConfig,
) -> Running<R> {
    let condition = Arc::new(Condition::new(Exporter::OpenTelemetry, target.public_address()));
    let stop = StopSignal::default();
    let interval = config.temporality.is_delta().then(|| Pending::new(place, config.options()));
    let ledger = match &interval {
        Some((_, before)) => place.registry.open_account_after(Exporter::OpenTelemetry, *before),
        None => place.registry.open_account(Exporter::OpenTelemetry),
    };
    let periodic = Periodic {
        pending: interval.map(|(pending, _)| pending),
        runtime: place.runtime.clone(),
        registry: place.registry,
        clock: place.clock.clone(),
        ledger,
        caller: Caller::new(place.runtime.clone(), target, config.timeout, condition.clone()),
        resource,
        room: FIRST_BUFFER.min(config.max_request_bytes),
        config,
        buffer: BytesMut::new(),
        backoff: Backoff::new(RETRY.0, RETRY.1),
        not_before: None,
        expires: None,
        condition: condition.clone(),
        stop: stop.clone(),
        is_last: false,
    };
    Running::launch(&place.runtime, stop, condition, periodic.run())
}

struct Periodic<R: Runtime> {
    runtime: R,
    registry: Registry<'static>,
    clock: Clock<R>,
    ledger: &'static Ledger,
    caller: Caller<R, Target>,
    /// The interval under way, where intervals are sent.
    pending: Option<Pending>,
    resource: Arc<Resource>,
    config: OpenTelemetryConfig,
    /// Memory of a request, between two of them.
    buffer: BytesMut,
    /// How much of it there should be.
    room: usize,
    backoff: Backoff,
    /// Until when the receiver asked to be left alone.
    not_before: Option<Instant>,
    /// When the export under way is given up, if ever.
    expires: Option<Instant>,
    condition: Arc<Condition>,
    stop: StopSignal,
    /// Whether this is the cycle after which nothing comes.
    is_last: bool,
}

/// A request that is ready to be sent, in memory that is used again.
struct Request {
    memory: Bytes,
    message: Bytes,
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
            self.not_before = None;
            self.begin();
            cause = self.cycle_with_retries(due).await.cause();
            due = self.not_before.map_or(due, |earliest| earliest.max(due));
        };
        // A call that is given no time says nothing about the receiver.
        if self.runtime.now() >= deadline {
            return cause;
        }
        self.is_last = true;
        self.begin();
        self.cycle().await.cause()
    }

    /// Says from when on the time of an export counts.
    fn begin(&mut self) {
        self.expires = self.config.export_timeout.map(|limit| self.runtime.now() + limit);
    }

    /// One cycle, tried again with growing pauses while that ends before the next is `due`.
    async fn cycle_with_retries(&mut self, due: Instant) -> Cycle {
        self.backoff.reset();
        loop {
            let cycle = self.cycle().await;
            let pause = self.backoff.pause(self.runtime.wall_clock().as_unix_nanos());
            let asked = self.not_before.take();
            let again = asked.into_iter().fold(self.runtime.now() + pause, Instant::max);
            if !matches!(cycle, Cycle::Failed { may_retry: true, .. }) {
                return cycle;
            }
            if again >= self.expires.map_or(due, |expires| expires.min(due)) {
                self.not_before = asked;
                return cycle;
            }
            self.stop.cuts_short(sleep_until(&self.runtime, again)).await;
            if self.stop.deadline().is_some() {
                return cycle;
            }
        }
    }

    async fn cycle(&mut self) -> Cycle {
        let Some(mut pending) = self.pending.take() else { return self.totals().await };
        let cycle = self.intervals(&mut pending).await;
        self.pending = Some(pending);
        cycle
    }

    /// Sends the totals until now.
    async fn totals(&mut self) -> Cycle {
        let (registry, clock) = (self.registry, self.clock.clone());
        let resource = self.resource.clone();
        let sources = Sources::new(registry, &resource).with_options(self.config.options());
        let begin = || Export::new(registry, clock.birth(), clock.now());
        let mut next = self.next_request(begin(), sources);
        while next.as_ref().is_some_and(|(_, part)| !part.next.is_complete()) && self.grow() {
            // Nothing has been sent yet, so the cycle begins anew with more room.
            self.reclaim(next.take().map(|(request, _)| request));
            next = self.next_request(begin(), sources);
        }
        let (mut complaint, mut total) = (None, 0);
        while let Some((request, part)) = next {
            // What is left of this cycle is in the last one too, which needs the time.
            if self.stop.deadline().is_some() && !self.is_last {
                return Cycle::Failed { cause: Cause::Deadline, may_retry: false };
            }
            let outcome = self.call(&request.message).await;
            self.reclaim(Some(request));
            match self.settle(outcome) {
                Ok(said) => complaint = complaint.max(said),
                Err(failed) => return failed,
            }
            total = part.next.requests();
            next = self.next_request(part.next, sources);
        }
        match complaint {
            Some(Complaint { rejected_points: 1.., says }) => {
                self.condition.failed(says);
                return Cycle::Failed { cause: Cause::Rejected, may_retry: false };
            }
            Some(Complaint { says, .. }) => self.condition.failed(says),
            None => self.condition.went_well(),
        }
        self.ledger.set_sent_total(total);
        Cycle::Accepted
    }

    /// Asks for a larger buffer; `false` where it is as large as the largest request.
    fn grow(&mut self) -> bool {
        let larger = (self.room * 4).min(self.config.max_request_bytes);
        std::mem::replace(&mut self.room, larger) < larger
    }

    /// The cycle's next request, and what it holds.
    fn next_request(&mut self, export: Export, sources: Sources<'_>) -> Option<(Request, Part)> {
        let mut memory = std::mem::take(&mut self.buffer);
        memory.resize(self.room, 0);
        let written = match self.caller.wants_prefix() {
            true => export.next_request(sources, &mut memory),
            false => export.next_message(sources, &mut memory),
        };
        match written {
            Ok(Some(part)) => {
                let memory = memory.freeze();
                // It is at the buffer's end.
                let message = memory.slice(memory.len() - part.bytes..);
                Some((Request { memory, message }, part))
            }
            // The smallest request that may be configured holds any single point.
            Ok(None) | Err(_) => {
                self.buffer = memory;
                None
            }
        }
    }

    /// Takes the memory of a request back. Where hyper has not let go of it yet, the next one gets new memory.
    fn reclaim(&mut self, request: Option<Request>) {
        if let Some(Request { memory, message }) = request {
            drop(message);
            self.buffer = memory.try_into_mut().unwrap_or_default();
        }
    }

    /// Sends one request, within its timeout, what is left of the export's time, and, at a stop, its deadline. A call that
    /// is under way when the stop comes gets half of the time, so that the last export has the other half.
    async fn call(&mut self, message: &Bytes) -> Called {
        let (runtime, stop, is_last) = (self.runtime.clone(), self.stop.clone(), self.is_last);
        let overdue = async {
            let deadline = stop.asked().await;
            let left = deadline.saturating_duration_since(runtime.now());
            let kept = if is_last { Duration::ZERO } else { left / 2 };
            sleep_until(&runtime, deadline - kept).await;
        };
        let left = self.expires.map(|expires| expires.saturating_duration_since(runtime.now()));
        let timeout = left.map_or(self.config.timeout, |left| left.min(self.config.timeout));
        self.caller.call(message, timeout, overdue).await
    }

    /// How a request that was not accepted fails the cycle; what the receiver had to say about one that was.
    fn settle(&mut self, outcome: Called) -> Result<Option<Complaint>, Cycle> {
        let (cause, may_retry, words) = match outcome {
            Called::Answered(answer) => match answer.said {
                Said::Stored | Said::Partial { .. } => return Ok(Complaint::of(answer)),
                Said::Away { at_least, .. } => {
                    let asked = Some(at_least).filter(|pause| !pause.is_zero());
                    self.not_before = asked.map(|pause| self.runtime.now() + pause);
                    (Cause::Unreachable, true, answer.words)
                }
                Said::Unclear => (Cause::Unconfirmed, false, answer.words),
                Said::Refused | Said::TooLarge | Said::Ill => (Cause::Refused, false, answer.words),
            },
            Called::Failed { began: true, words } | Called::TimedOut { began: true, words } => {
                (Cause::Unconfirmed, true, words)
            }
            Called::Failed { words, .. } | Called::TimedOut { words, .. } => (Cause::Unreachable, true, words),
        };
        self.condition.failed(words);
        Err(Cycle::Failed { cause, may_retry })
    }
}

/// What there is to complain about in the answer to a request that was accepted. More rejected points are the greater one.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Complaint {
    rejected_points: u64,
    says: String,
}

impl Complaint {
    fn of(answer: Answer) -> Option<Self> {
        let rejected_points = if let Said::Partial { dropped } = answer.said { dropped } else { 0 };
        answer.complaint().map(|says| Self { rejected_points, says })
    }
}
