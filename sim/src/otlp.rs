//! A modelled receiver of OTLP: it keeps the last total of each series, or each interval, and does to bodies what receivers
//! do.

use std::collections::BTreeMap;

use loaddensity_metrics_core::export::verdict::Said;
use loaddensity_metrics_vectors::otlp::{self, DecodedPoint, DecodedValue};

use crate::reply::Reply;
use crate::shared::Shared;
use crate::weather::BodyOutcome;

/// What it has of the counter.
#[derive(Debug)]
pub(crate) struct OtlpStore {
    is_delta: bool,
    /// By attributes: intervals, by their start and end, and their requests. Of totals the start is always the same.
    series: BTreeMap<String, BTreeMap<(u64, u64), u64>>,
}

/// A point of the counter.
struct CounterPoint {
    series: String,
    interval: (u64, u64),
    requests: u64,
}

impl OtlpStore {
    pub(crate) const fn new(is_delta: bool) -> Self {
        Self { is_delta, series: BTreeMap::new() }
    }

    /// Requests that it has: the sum of all intervals, or of the last totals.
    pub(crate) fn requests(&self) -> u64 {
        let of = |intervals: &BTreeMap<_, u64>| match self.is_delta {
            true => intervals.values().sum(),
            false => intervals.last_key_value().map_or(0, |(_, total)| *total),
        };
        self.series.values().map(of).sum()
    }

    /// What it makes of a message.
    pub(crate) fn take(&mut self, message: &[u8], kept: bool, shared: &mut Shared<'_>) -> Result<Reply, String> {
        let decoded = if self.is_delta { otlp::decode_delta(message) } else { otlp::decode(message) };
        let decoded = decoded.map_err(|error| format!("a message is no OTLP: {error:?}"))?;
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
        for point in points.iter().filter_map(counter_point) {
            let CounterPoint { series, interval, requests } = point;
            let known = self.series.entry(series.clone()).or_default();
            if let Some(same) = known.get(&interval) {
                if *same != requests {
                    return Err(format!("{series} has {same} and {requests} requests in one interval"));
                }
                continue;
            }
            if let Some((last, total)) = known.last_key_value() {
                let touches = if self.is_delta { interval.0 >= last.1 } else { interval.0 == last.0 };
                if !touches || interval.1 <= last.1 {
                    return Err(format!("{series}: {interval:?} comes after {last:?}"));
                }
                if !self.is_delta && requests < *total {
                    return Err(format!("the total of {series} falls from {total} to {requests}"));
                }
            }
            known.insert(interval, requests);
        }
        Ok(())
    }
}

fn counter_point(point: &DecodedPoint) -> Option<CounterPoint> {
    let DecodedValue::Sum(requests) = point.value else { return None };
    let requests = u64::try_from(requests).ok()?;
    Some(CounterPoint { series: format!("{:?}", point.attributes), interval: (point.start, point.time), requests })
}
