//! What accounts count, requests and observations, and how many of each what was sent shows.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher as _;
use std::ops::{Add, AddAssign};
use std::str;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_vectors::otlp::{self, DecodedValue};

use crate::own_instruments::{COUNTERS, FIRST_BYTE_MS, OBSERVATIONS, TIMER};

/// Both kinds.
pub(crate) const KINDS: [AccountKind; 2] = [AccountKind::Requests, AccountKind::Observations];

/// How many of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ItemCounts {
    pub(crate) requests: u64,
    pub(crate) observations: u64,
}

/// As it stands in a sentence.
pub(crate) const fn word(kind: AccountKind) -> &'static str {
    if matches!(kind, AccountKind::Observations) { "observations" } else { "requests" }
}

impl ItemCounts {
    /// What engines have recorded after so many requests.
    pub(crate) const fn of_engine(requests: u64) -> Self {
        Self { requests, observations: OBSERVATIONS * requests }
    }

    pub(crate) const fn of(self, kind: AccountKind) -> u64 {
        if matches!(kind, AccountKind::Observations) { self.observations } else { self.requests }
    }

    /// Whether there are as many of both, or more.
    pub(crate) const fn include(self, other: Self) -> bool {
        self.requests >= other.requests && self.observations >= other.observations
    }

    /// As another process says them.
    pub(crate) fn as_words(all: &[Self]) -> String {
        let words: Vec<_> = all.iter().map(|counts| format!("{} {}", counts.requests, counts.observations)).collect();
        words.join(" ")
    }

    /// What another process has said.
    pub(crate) fn from_numbers(numbers: &[u64]) -> Vec<Self> {
        numbers.chunks_exact(2).map(|two| Self { requests: two[0], observations: two[1] }).collect()
    }

    /// What a value of the timer shows that is sent by itself.
    fn first_byte(value: &str) -> Self {
        Self { requests: 0, observations: u64::from(value == FIRST_BYTE_MS) }
    }

    /// What one instrument shows that a format calls `name`. It calls the counter of requests `requests`, and puts these ends
    /// after the names of own counters and of the timer's number of values.
    fn shown(name: &str, requests: &str, [counter, timer]: [&str; 2], number: u64) -> Self {
        let is = |own: &str, end| name.strip_prefix(own) == Some(end);
        if name == requests {
            Self { requests: number, observations: 0 }
        } else if COUNTERS.iter().any(|own| is(own, counter)) || is(TIMER, timer) {
            Self { requests: 0, observations: number }
        } else {
            Self::default()
        }
    }
}

/// Counts that several threads see.
#[derive(Default)]
pub(crate) struct SharedCounts(Mutex<ItemCounts>);

impl SharedCounts {
    pub(crate) fn get(&self) -> ItemCounts {
        *self.lock()
    }

    pub(crate) fn set(&self, counts: ItemCounts) {
        *self.lock() = counts;
    }

    pub(crate) fn add(&self, counts: ItemCounts) {
        *self.lock() += counts;
    }

    fn lock(&self) -> MutexGuard<'_, ItemCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Add for ItemCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let (requests, observations) = (self.requests + other.requests, self.observations + other.observations);
        Self { requests, observations }
    }
}

impl AddAssign for ItemCounts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for ItemCounts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

/// What a page shows.
pub(crate) fn on_page(page: &str) -> ItemCounts {
    let samples = page.lines().filter_map(|line| {
        let (sample, value) = line.strip_prefix("loaddensity_")?.rsplit_once(' ')?;
        let name = sample.split('{').next()?;
        Some(ItemCounts::shown(name, "requests_total", ["_total", "_ms_count"], value.parse().ok()?))
    });
    samples.sum()
}

/// What the counters of a packet of DogStatsD add up to, and how many values of the timer it has.
pub(crate) fn in_packet(packet: &[u8]) -> ItemCounts {
    str::from_utf8(packet).unwrap_or_default().lines().map(in_message).sum()
}

/// The same of one message.
pub(crate) fn in_message(message: &str) -> ItemCounts {
    let shown = || {
        let (name, rest) = message.strip_prefix("loaddensity.")?.split_once(':')?;
        let (value, _) = rest.split_once('|')?;
        if name == TIMER {
            return Some(ItemCounts::first_byte(value));
        }
        Some(ItemCounts::shown(name, "requests", ["", ".count"], value.parse().ok()?))
    };
    shown().unwrap_or_default()
}

/// Whether a packet of DogStatsD is of own instruments, which share none with requests.
pub(crate) fn is_of_own(packet: &[u8]) -> bool {
    let names = COUNTERS.into_iter().chain([TIMER]);
    let mut starts = names.map(|name| format!("loaddensity.{name}"));
    starts.any(|start| packet.starts_with(start.as_bytes()))
}

/// What InfluxDB has stored. A point or a field that comes again takes the place of the first.
#[derive(Default)]
pub(crate) struct StoredPoints {
    hashes: RandomState,
    /// By what makes it another one: series, time and, of own instruments, the field.
    stored: HashMap<u64, ItemCounts>,
}

impl StoredPoints {
    pub(crate) fn take(&mut self, body: &str) {
        for line in body.lines() {
            for (key, counts) in points(line) {
                self.stored.insert(self.hashes.hash_one(key), counts);
            }
        }
    }

    pub(crate) fn counts(&self) -> ItemCounts {
        self.stored.values().copied().sum()
    }
}

/// What a line has, and what tells it from others. Fields and times have no blank; names may have.
fn points(line: &str) -> Vec<([&str; 3], ItemCounts)> {
    let mut parts = line.rsplitn(3, ' ');
    let [time, fields, series] = [(); 3].map(|()| parts.next().unwrap_or_default());
    if !is_of_own_instruments(line) {
        let whole = fields.split(',').find_map(|field| integer(field.strip_prefix("requests=")?));
        return vec![([series, time, ""], ItemCounts { requests: whole.unwrap_or(1), observations: 0 })];
    }
    let own = fields.split(',').filter_map(|field| {
        let (name, value) = field.split_once('=')?;
        let counts = if name.strip_prefix(TIMER) == Some("_ms") {
            ItemCounts::first_byte(value)
        } else {
            // No field of own instruments counts requests.
            ItemCounts::shown(name, "", ["", "_ms_count"], integer(value)?)
        };
        Some(([series, time, name], counts))
    });
    own.collect()
}

/// What a line of InfluxDB has, and its time.
pub(crate) fn in_line(line: &str) -> (u64, ItemCounts) {
    let time = line.rsplit(' ').next().and_then(|time| time.parse().ok());
    (time.unwrap_or_default(), points(line).into_iter().map(|(_, counts)| counts).sum())
}

/// Whether a line of InfluxDB is of own instruments.
pub(crate) fn is_of_own_instruments(line: &str) -> bool {
    ["loaddensity_request_instruments", "loaddensity_request_observations"].iter().any(|start| line.starts_with(start))
}

fn integer(value: &str) -> Option<u64> {
    value.strip_suffix('i')?.parse().ok()
}

/// The last total of each series, whatever the order in which exports came.
#[derive(Default)]
pub(crate) struct LastTotals {
    pub(crate) exports: usize,
    /// By resource, metric and attributes: start, time and what was counted until then.
    totals: BTreeMap<String, (u64, u64, u64, ItemCounts)>,
    /// The resources.
    instances: BTreeSet<String>,
}

impl LastTotals {
    /// Panics where the message is none, as the receivers do.
    pub(crate) fn take(&mut self, message: &[u8]) {
        self.exports += 1;
        for point in otlp::decode(message).expect("an export") {
            let number = match point.value {
                DecodedValue::Sum(sum) => u64::try_from(sum).expect("a count"),
                DecodedValue::Histogram { count, .. } | DecodedValue::Exponential { count, .. } => count,
                DecodedValue::Gauge(_) => continue,
            };
            let name = point.metric.strip_prefix("loaddensity.").unwrap_or_default();
            let counts = ItemCounts::shown(name, "requests", ["", ""], number);
            let key = format!("{:?} {} {:?}", point.resource, point.metric, point.attributes);
            let last = self.totals.entry(key).or_default();
            if (point.start, point.time, number) > (last.0, last.1, last.2) {
                *last = (point.start, point.time, number, counts);
            }
            self.instances.insert(format!("{:?}", point.resource));
        }
    }

    pub(crate) fn counts(&self) -> ItemCounts {
        self.totals.values().map(|(.., counts)| *counts).sum()
    }

    /// How many have exported.
    pub(crate) fn instances(&self) -> u64 {
        self.instances.len() as u64
    }
}
