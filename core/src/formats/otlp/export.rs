//! How far an export cycle has come: a small value that each call takes and returns. What the cycle is made of is
//! borrowed for one call at a time.

use super::envelope::{Frame, bare, grpc_prefix};
use super::{ExportOptions, OtlpMetric, Resource, Writer};
use crate::aggregates::observed_rows::FrozenObserved;
use crate::aggregates::row::MAX_WORDS;
use crate::aggregates::rows::FrozenRows;
use crate::formats::weights::Weights;
use crate::registry::Registry;
use crate::request::error_kind::{ErrorKind, KINDS};
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;
use crate::wire::text::out::{Full, TooSmall};

/// One export cycle, and how far it has come.
///
/// It goes through the metrics, the counter's last, in each from the last series to the first; gauges come after them. All
/// of a cycle's points carry one timestamp. With a copy the same part can be written again, and in another length.
///
/// ```
/// use loaddensity_metrics_core::otlp::{Export, Resource, Sources};
/// use loaddensity_metrics_core::{Storage, Timestamp};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let (start, now) = (Timestamp::from_unix_nanos(1), Timestamp::from_unix_nanos(2));
/// let resource = Resource::new("checkout");
/// let sources = Sources::new(STORAGE.registry(), &resource);
/// let (mut export, mut buffer) = (Export::new(STORAGE.registry(), start, now), [0; 4096]);
/// while let Some(part) = export.next_request(sources, &mut buffer)? {
///     // Send `part.of(&buffer)` as the body of one gRPC call. When it is accepted:
///     export = part.next;
/// }
/// # Ok::<(), loaddensity_metrics_core::TooSmall>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// What is written next: from the last metric to the first, in each from the last series to the first.
    pub(super) metric: Option<OtlpMetric>,
    /// One more than the series that is written next.
    pub(super) above: u32,
    end: u32,
    /// Both outcomes of a series are points of their own.
    pub(super) outcome: Outcome,
    /// Points of the counter that a series has of its failures: one, or one for each kind.
    kinds: u8,
    /// How many of those are left, where failures are next.
    kind: u8,
    pub(super) requests: u64,
    pub(super) start: Timestamp,
    pub(super) now: Timestamp,
    /// Which gauge is written next, after all points; `None` when none is left.
    pub(super) gauge: Option<usize>,
}

/// What a point is of.
#[derive(Clone, Copy)]
pub(super) struct PointRow {
    pub(super) series: Series,
    pub(super) outcome: Outcome,
    /// The kind of failure, if its point is of one alone.
    pub(super) kind: Option<ErrorKind>,
}

/// What a cycle is made of, borrowed for one call. All calls of a cycle must get the same.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    pub(super) registry: Registry<'a>,
    pub(super) resource: &'a Resource,
    pub(super) options: ExportOptions,
    pub(super) interval: Option<FrozenRows<'a>>,
    /// What the interval has of own instruments.
    pub(super) observed: Option<FrozenObserved<'a>>,
    pub(super) most: usize,
    pub(super) silent: usize,
}

/// One part of a cycle: a request, or its message, at the end of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its length in bytes; 0 where a point was [passed over](Export::skip).
    pub bytes: usize,
    /// Data points in it, gauges among them.
    pub points: usize,
    /// The requests that its points of the counter stand for; other points stand for none. [`Export::weights_until`] tells
    /// how many the heaviest points have.
    pub requests: u64,
    /// Where the cycle goes on.
    pub next: Export,
}

impl Part {
    /// The part, in the buffer that it was written into.
    #[must_use]
    pub fn of<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        at_end(self.bytes, buffer)
    }
}

/// The last so many bytes of a buffer, where a part is.
pub(super) fn at_end(bytes: usize, buffer: &[u8]) -> &[u8] {
    buffer.len().checked_sub(bytes).and_then(|start| buffer.get(start..)).unwrap_or_default()
}

impl<'a> Sources<'a> {
    /// The totals of `registry`, as LoadDensity's contract has them.
    #[must_use]
    pub fn new(registry: Registry<'a>, resource: &'a Resource) -> Self {
        Self {
            registry,
            resource,
            options: ExportOptions::default(),
            interval: None,
            observed: None,
            most: usize::MAX,
            silent: usize::MAX,
        }
    }

    /// The same of an interval, with options of its own.
    pub(super) const fn of_rows(
        self,
        options: ExportOptions,
        rows: FrozenRows<'a>,
        observed: Option<FrozenObserved<'a>>,
    ) -> Self {
        Self { options, interval: Some(rows), observed, ..self }
    }

    /// Totals with other histograms than the explicit ones without extremes. Exponential ones become explicit in storage
    /// that keeps none ([`Classic`](crate::Classic)). An interval keeps its own options.
    #[must_use]
    pub fn with_options(self, options: ExportOptions) -> Self {
        let options = if self.interval.is_some() { self.options } else { options };
        Self { options, ..self }
    }

    /// Most bytes of a part with several points. A single one goes alone, and may fill the buffer.
    #[must_use]
    pub fn with_limit(self, bytes: usize) -> Self {
        Self { most: bytes, ..self }
    }

    /// Most series of own instruments that a call passes over because they show nothing, at least 1; of a counter's totals as many
    /// fewer as there are instruments. Many may be silent, and while they are looked at, nothing else is done.
    #[must_use]
    pub fn with_turn(self, silent: usize) -> Self {
        Self { silent: silent.max(1), ..self }
    }

    /// Whether the points are made straight from the counters.
    pub(super) fn is_plain(&self) -> bool {
        self.interval.is_none() && self.options == ExportOptions::default() && !self.registry.has_error_label()
    }
}

impl Export {
    /// A cycle as of `now` over what was counted since `start`, from the beginning: all points, then the gauges.
    #[must_use]
    pub fn new(registry: Registry<'_>, start: Timestamp, now: Timestamp) -> Self {
        let end = registry.series_end();
        let kinds = if registry.has_error_label() { KINDS as u8 } else { 1 };
        Self {
            metric: Some(OtlpMetric::LAST),
            above: end,
            end,
            outcome: Outcome::Failure,
            kinds,
            kind: kinds,
            requests: 0,
            start,
            now,
            gauge: Some(0),
        }
    }

    /// A cycle over the gauges alone, as they are when they are written. They carry no requests.
    #[must_use]
    pub fn of_gauges(registry: Registry<'_>, now: Timestamp) -> Self {
        Self { metric: None, ..Self::new(registry, now, now) }
    }

    /// The same without the gauges, which then come in messages of their own ([`of_gauges`](Self::of_gauges)).
    #[must_use]
    pub const fn without_gauges(self) -> Self {
        Self { gauge: None, ..self }
    }

    /// The rest of the cycle as of `now`. After an attempt without an answer the rest is written anew: a series must not
    /// have two values at one time.
    #[must_use]
    pub const fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Requests in the counter's points before this: when the cycle is complete, the total that it shows.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether nothing is left to be written.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.metric.is_none() && self.gauge.is_none()
    }

    /// Writes the next request, gRPC prefix included, into the end of `out`, with as many data points as fit; `None` when
    /// the cycle is complete.
    ///
    /// # Errors
    /// [`TooSmall`] where not even one data point fits: a buffer as long as it says holds any. [`skip`](Self::skip) passes
    /// over that point. [`Resource::min_request`] says beforehand how many bytes suffice.
    pub fn next_request(self, sources: Sources<'_>, out: &mut [u8]) -> Result<Option<Part>, TooSmall> {
        self.next_part(sources, out, grpc_prefix)
    }

    /// As [`next_request`](Self::next_request), without gRPC's prefix: the body of a request over HTTP, and what is
    /// compressed for gRPC.
    ///
    /// # Errors
    /// Those of [`next_request`](Self::next_request).
    pub fn next_message(self, sources: Sources<'_>, out: &mut [u8]) -> Result<Option<Part>, TooSmall> {
        self.next_part(sources, out, bare)
    }

    fn next_part(self, sources: Sources<'_>, out: &mut [u8], frame: Frame) -> Result<Option<Part>, TooSmall> {
        if self.is_complete() {
            return Ok(None);
        }
        let most = sources.most.min(out.len());
        let start = out.len() - most;
        let several = Writer::new(self, sources, false).write(&mut out[start..], frame);
        let written = match several {
            Err(Full) if start > 0 => Writer::new(self, sources, true).write(out, frame),
            _ => several,
        };
        written.map_err(|Full| TooSmall { needed: sources.resource.min_request(sources.is_plain(), 0) })
    }

    /// Passes over the next data point, which is written nowhere; `None` when the cycle is complete.
    #[must_use]
    pub fn skip(self, sources: Sources<'_>) -> Option<Part> {
        let Sources { registry, options, interval, .. } = sources;
        let rows = super::RowSource::new(registry, options, self.start, self.now, interval);
        let (mut next, mut room) = (self, [0; MAX_WORDS]);
        while let Some(metric) = next.metric {
            while let Some(row) = next.row().filter(|_| rows.shows(metric)) {
                next.pass_row();
                let count = rows.half(metric, registry, row, &mut room).count;
                if count != 0 && registry.entry(row.series).is_published() {
                    return Some(next.passed_over(if metric == OtlpMetric::Requests { count } else { 0 }));
                }
            }
            next.next_metric();
        }
        let gauge = next.gauge?;
        let is_there = registry.gauges().nth(gauge).is_some();
        next.gauge = is_there.then_some(gauge + 1);
        is_there.then(|| next.passed_over(0))
    }

    fn passed_over(mut self, requests: u64) -> Part {
        self.requests += requests;
        Part { bytes: 0, points: 1, requests, next: self }
    }

    /// The requests of the counter's points from this to `to`, of which a receiver has rejected some. In an interval they
    /// are what was sent, until they are settled. Totals are read now and may have grown since: taking the heaviest of
    /// them off what was sent never claims too much.
    #[must_use]
    pub fn weights_until(self, to: Self, sources: Sources<'_>) -> Weights {
        let Sources { registry, options, interval, .. } = sources;
        let rows = super::RowSource::new(registry, options, self.start, self.now, interval);
        let (mut weights, mut room) = (Weights::default(), [0; MAX_WORDS]);
        for row in self.counted_until(to).filter(|row| registry.entry(row.series).is_published()) {
            weights.add(rows.half(OtlpMetric::Requests, registry, row, &mut room).count);
        }
        weights
    }

    /// The row that is next in a metric.
    pub(super) fn row(&self) -> Option<PointRow> {
        let series = Series::from_number(self.above.checked_sub(1)?);
        let is_by_kind = self.is_by_kind() && self.outcome == Outcome::Failure;
        let kind = is_by_kind.then(|| self.kind_at(self.kind)).flatten();
        Some(PointRow { series, outcome: self.outcome, kind })
    }

    pub(super) fn pass_row(&mut self) {
        match self.outcome {
            Outcome::Failure if self.is_by_kind() && self.kind > 1 => self.kind -= 1,
            Outcome::Failure => self.outcome = Outcome::Success,
            Outcome::Success => {
                self.above = self.above.saturating_sub(1);
                self.outcome = Outcome::Failure;
                self.kind = self.kinds;
            }
        }
    }

    /// Whether points are by kind of failure: those of the counter, while the label `error_type` is on.
    fn is_by_kind(&self) -> bool {
        self.kinds > 1 && self.metric == Some(OtlpMetric::Requests)
    }

    /// The kind that is next where so many are left: the last first.
    fn kind_at(&self, left: u8) -> Option<ErrorKind> {
        ErrorKind::ALL.get(usize::from(left).checked_sub(1)?).copied().filter(|_| self.kinds > 1)
    }

    pub(super) fn next_metric(&mut self) {
        self.metric = self.metric.and_then(OtlpMetric::previous);
        self.above = self.end;
        self.outcome = Outcome::Failure;
        self.kind = self.kinds;
    }

    /// The rows whose points of the counter lie between this and `to`.
    pub(super) fn counted_until(self, to: Self) -> impl Iterator<Item = PointRow> {
        let (kinds, each) = (u64::from(self.kinds), self.points_of_series());
        (self.counted()..to.counted()).filter_map(move |row| {
            let (series, point) = (Series::from_number(self.end.checked_sub(1 + (row / each) as u32)?), row % each);
            let outcome = if point < kinds { Outcome::Failure } else { Outcome::Success };
            let kind = kinds.checked_sub(point).and_then(|left| self.kind_at(left as u8));
            Some(PointRow { series, outcome, kind })
        })
    }

    /// Points of the counter that a series has.
    const fn points_of_series(self) -> u64 {
        self.kinds as u64 + 1
    }

    /// Rows before this whose points of the counter have been written.
    const fn counted(self) -> u64 {
        match self.metric {
            Some(OtlpMetric::Requests) => {
                let passed = match self.outcome {
                    Outcome::Failure => self.kinds - self.kind,
                    Outcome::Success => self.kinds,
                };
                self.points_of_series() * (self.end as u64 - self.above as u64) + passed as u64
            }
            Some(_) => 0,
            None => self.points_of_series() * self.end as u64,
        }
    }
}
