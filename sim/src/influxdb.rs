//! A modelled InfluxDB: it keeps each point once, by its series and time, and does to bodies what servers do.

use std::collections::{HashMap, HashSet};

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_core::export::verdict::Said;
use loaddensity_metrics_vectors::influx;

use crate::instruments::{ModelledInstrument, ShownCalls};
use crate::reply::Reply;
use crate::shared::Shared;
use crate::weather::BodyOutcome;

/// The points that it has, of requests or of observations.
#[derive(Debug, Default)]
pub(crate) struct InfluxdbStore {
    kind: AccountKind,
    /// Requests by series and time, or observations by series, time and instrument: two lines of one series and time are
    /// one point with the fields of both.
    points: HashMap<Vec<u8>, u64>,
    /// Good points that it had already, and over each of which it has failed alone. An exporter counts as refused a point over which a
    /// server fails alone again and again, while it takes probes: it cannot know that an ill one had stored it before.
    failed_alone: HashSet<Vec<u8>>,
    /// One of so many points is more than it can bear; 0: none.
    poison: u64,
    /// Bodies in a row of nothing but such points.
    poisoned: u32,
    /// Bodies until the next one is decoded by somebody else's parser, which takes long.
    until_check: u32,
}

/// Every so many bodies one is decoded.
const CHECKED: u32 = 8;

impl InfluxdbStore {
    pub(crate) fn new(kind: AccountKind, shared: &mut Shared<'_>) -> Self {
        let poison = [0, 0, 0, 400, 40][shared.choices.below(5)];
        Self { kind, poison, ..Self::default() }
    }

    /// Requests, or observations, that its points stand for.
    pub(crate) fn counted(&self) -> u64 {
        self.points.values().sum()
    }

    /// Points that may count as refused although they are stored.
    pub(crate) fn doubtful(&self) -> u64 {
        self.failed_alone.len() as u64
    }

    /// Whether an exporter has nothing but points that this server cannot bear, and none that it took before: to the exporter the
    /// server is ill.
    pub(crate) const fn sees_only_poison(&self) -> bool {
        self.poisoned >= 20
    }

    /// What it makes of a body.
    pub(crate) fn take(&mut self, body: &[u8], kept: bool, shared: &mut Shared<'_>) -> Result<Reply, String> {
        if self.until_check == 0 {
            influx::parse(body).map_err(|error| format!("a body is no line protocol: {error:?}"))?;
        }
        self.until_check = if self.until_check == 0 { CHECKED } else { self.until_check - 1 };
        let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
        self.poisoned = if lines.iter().all(|line| self.is_poison(line)) { self.poisoned + 1 } else { 0 };
        let choices = &mut shared.choices;
        let mut outcome = shared.weather.outcome_of(body.len(), kept, choices);
        if matches!(outcome, BodyOutcome::Stored) && lines.iter().any(|line| self.is_poison(line)) {
            outcome = BodyOutcome::Ill;
        }
        match outcome {
            BodyOutcome::Lost(reply) => return Ok(reply),
            BodyOutcome::Doubtful(reply) => {
                let stored = choices.below(lines.len() + 1);
                self.store(&lines[..stored])?;
                return Ok(reply);
            }
            BodyOutcome::Partial => {
                let dropped = 1 + choices.below(lines.len());
                self.store(&lines[dropped..])?;
                return Ok(Reply::Says(Said::Partial { dropped: dropped as u64 }));
            }
            BodyOutcome::Ill => {
                // Of a point alone nothing is stored.
                if lines.len() > 1 && choices.happens(500) {
                    let end = choices.below(lines.len() + 1);
                    let good: Vec<_> = lines[..end].iter().copied().filter(|line| !self.is_poison(line)).collect();
                    self.store(&good)?;
                }
                if let [line] = lines[..] {
                    for (point, _) in self.points_of(line)? {
                        if self.points.contains_key(&point) {
                            self.failed_alone.insert(point);
                        }
                    }
                }
                return Ok(Reply::Says(Said::Ill));
            }
            BodyOutcome::Stored => self.store(&lines)?,
        }
        Ok(Reply::Says(Said::Stored))
    }

    fn store(&mut self, lines: &[&[u8]]) -> Result<(), String> {
        for line in lines {
            for (point, counted) in self.points_of(line)? {
                match self.points.insert(point, counted) {
                    Some(before) if before != counted => {
                        return Err(format!("{counted} in the place of {before}: {}", String::from_utf8_lossy(line)));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn points_of(&self, line: &[u8]) -> Result<Vec<(Vec<u8>, u64)>, String> {
        if self.kind == AccountKind::Observations {
            instruments_of(line)
        } else {
            point_of(line).map(|point| vec![point])
        }
    }

    /// Whether there is something in a line that it cannot bear: of requests the line, of own instruments one of them.
    fn is_poison(&self, line: &[u8]) -> bool {
        if self.poison == 0 {
            return false;
        }
        if self.kind == AccountKind::Observations {
            let points = instruments_of(line).unwrap_or_default();
            return points.iter().any(|(point, _)| self.is_poisoned(point));
        }
        self.is_poisoned(line)
    }

    fn is_poisoned(&self, text: &[u8]) -> bool {
        let hash = text
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
        (hash >> 32) % self.poison == 0
    }
}

/// The series and time of a line, which make a point, and the requests that it stands for.
pub(crate) fn point_of(line: &[u8]) -> Result<(Vec<u8>, u64), String> {
    let [series, fields, time] = parts_of(line)?;
    let requests = match fields.strip_prefix(b"requests=") {
        None => 1,
        Some(rest) => {
            let digits = rest.split(|byte| *byte == b'i').next().unwrap_or_default();
            str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or("no number of requests")?
        }
    };
    Ok(([series, time].join(&b' '), requests))
}

/// The same for each own instrument that a line has, and its observations.
fn instruments_of(line: &[u8]) -> Result<Vec<(Vec<u8>, u64)>, String> {
    let [series, _, time] = parts_of(line)?;
    let calls = shown_in(line)?.of_each()?;
    let found = ModelledInstrument::ALL.iter().zip(calls).filter(|(_, calls)| *calls != 0);
    Ok(found.map(|(instrument, calls)| ([series, time, instrument.name().as_bytes()].join(&b' '), calls)).collect())
}

/// What the fields of a line show of own instruments.
pub(crate) fn shown_in(line: &[u8]) -> Result<ShownCalls, String> {
    let [_, fields, _] = parts_of(line)?;
    let mut shown = ShownCalls::default();
    for field in str::from_utf8(fields).map_err(|error| error.to_string())?.split(',') {
        let parts =
            field.split_once('=').and_then(|(name, value)| Some((name, value.trim_end_matches('i').parse().ok()?)));
        if !parts.is_some_and(|(name, value)| shown.add(name, value)) {
            return Err(format!("no field of an own instrument: {field}"));
        }
    }
    Ok(shown)
}

/// Measurement and tags, fields, and time. No name here has a space.
fn parts_of(line: &[u8]) -> Result<[&[u8]; 3], String> {
    let mut parts = line.split(|byte| *byte == b' ');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(series), Some(fields), Some(time), None) => Ok([series, fields, time]),
        _ => Err(format!("no point: {}", String::from_utf8_lossy(line))),
    }
}
