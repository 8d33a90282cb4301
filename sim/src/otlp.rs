//! A modelled receiver of OTLP: it keeps the last total of each series, or each interval, and does to bodies what receivers
//! do.

use std::collections::BTreeMap;

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_core::export::verdict::Said;
use loaddensity_metrics_vectors::otlp::{self, DecodedPoint, DecodedValue};

use crate::instruments::ShownCalls;
use crate::reply::Reply;
use crate::shared::{RecordedTotals, Shared};
use crate::weather::BodyOutcome;

/// What it has of requests and of own instruments.
#[derive(Debug)]
pub(crate) struct OtlpStore {
    is_delta: bool,
    /// By attributes: intervals, by their start and end, and their requests. Of totals the start is always the same.
    requests: SeriesIntervals,
    /// By name and attributes: the same of observations.
    observations: SeriesIntervals,
    /// What the last message was of.
    last: AccountKind,
}

type SeriesIntervals = BTreeMap<String, BTreeMap<(u64, u64), u64>>;

/// A point of the counter of requests, or of an own instrument.
struct CountedPoint {
    kind: AccountKind,
    series: String,
    interval: (u64, u64),
    counted: u64,
}

impl OtlpStore {
    pub(crate) const fn new(is_delta: bool) -> Self {
        Self { is_delta, requests: BTreeMap::new(), observations: BTreeMap::new(), last: AccountKind::Requests }
    }

    /// What it has: the sums of all intervals, or of the last totals.
    pub(crate) fn counted(&self) -> RecordedTotals {
        let of = |intervals: &BTreeMap<_, u64>| match self.is_delta {
            true => intervals.values().sum(),
            false => intervals.last_key_value().map_or(0, |(_, total)| *total),
        };
        let [requests, observations] = [&self.requests, &self.observations].map(|all| all.values().map(of).sum());
        RecordedTotals { requests, observations }
    }

    /// What the last message was of.
    pub(crate) const fn last(&self) -> AccountKind {
        self.last
    }

    /// What it makes of a message.
    pub(crate) fn take(&mut self, message: &[u8], kept: bool, shared: &mut Shared<'_>) -> Result<Reply, String> {
        let decoded = if self.is_delta { otlp::decode_delta(message) } else { otlp::decode(message) };
        let decoded = decoded.map_err(|error| format!("a message is no OTLP: {error:?}"))?;
        self.last = kind_of(&decoded)?;
        let choices = &mut shared.choices;
        match shared.weather.outcome_of(message.len(), kept, choices) {
            BodyOutcome::Lost(reply) => return Ok(reply),
            BodyOutcome::Doubtful(reply) => {
                if choices.happens(500) {
                    self.store(&decoded)?;
                }
                return Ok(reply);
            }
            BodyOutcome::Partial => {
                let dropped = 1 + choices.below(decoded.len());
                self.store(decoded.get(dropped..).unwrap_or_default())?;
                return Ok(Reply::Says(Said::Partial { dropped: dropped as u64 }));
            }
            BodyOutcome::Ill => return Ok(Reply::Says(Said::Ill)),
            BodyOutcome::Stored => self.store(&decoded)?,
        }
        Ok(Reply::Says(Said::Stored))
    }

    fn store(&mut self, points: &[DecodedPoint]) -> Result<(), String> {
        for point in points {
            let Some(CountedPoint { kind, series, interval, counted }) = counted_point(point)? else { continue };
            let all = if kind == AccountKind::Observations { &mut self.observations } else { &mut self.requests };
            let known = all.entry(series.clone()).or_default();
            if let Some(same) = known.get(&interval) {
                if *same != counted {
                    return Err(format!("{series} has {same} and {counted} in one interval"));
                }
                continue;
            }
            if let Some((last, total)) = known.last_key_value() {
                let touches = if self.is_delta { interval.0 >= last.1 } else { interval.0 == last.0 };
                if !touches || interval.1 <= last.1 {
                    return Err(format!("{series}: {interval:?} comes after {last:?}"));
                }
                if !self.is_delta && counted < *total {
                    return Err(format!("the total of {series} falls from {total} to {counted}"));
                }
            }
            known.insert(interval, counted);
        }
        Ok(())
    }
}

/// What a message is of: own instruments have messages of their own.
fn kind_of(points: &[DecodedPoint]) -> Result<AccountKind, String> {
    let own = points.iter().filter(|point| own_name(point).is_some()).count();
    match own {
        0 => Ok(AccountKind::Requests),
        _ if own == points.len() => Ok(AccountKind::Observations),
        _ => Err("a message has requests and own instruments".into()),
    }
}

fn own_name(point: &DecodedPoint) -> Option<&str> {
    let name = point.metric.strip_prefix("loaddensity.")?;
    ShownCalls::default().add(name, 0.0).then_some(name)
}

fn counted_point(point: &DecodedPoint) -> Result<Option<CountedPoint>, String> {
    let interval = (point.start, point.time);
    let of = |kind, series, counted| Ok(Some(CountedPoint { kind, series, interval, counted }));
    let attributes = &point.attributes;
    if let Some(name) = own_name(point) {
        let mut shown = ShownCalls::default();
        match &point.value {
            DecodedValue::Sum(sum) => {
                shown.add(name, *sum as f64);
            }
            DecodedValue::Histogram { count, sum, .. } | DecodedValue::Exponential { count, sum, .. } => {
                shown.add(&format!("{name}_count"), *count as f64);
                shown.add(&format!("{name}_sum"), *sum);
            }
            DecodedValue::Gauge(_) => return Err(format!("{name} is a gauge")),
        }
        return of(AccountKind::Observations, format!("{name} {attributes:?}"), shown.all()?);
    }
    match point.value {
        DecodedValue::Sum(requests) => {
            let requests = u64::try_from(requests).map_err(|error| error.to_string())?;
            of(AccountKind::Requests, format!("{attributes:?}"), requests)
        }
        _ => Ok(None),
    }
}
