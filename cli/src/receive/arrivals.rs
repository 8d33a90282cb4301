//! What arrived, by backend, metric and series.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loaddensity_metrics_shell::Exporter;

/// Bad items that are kept with their reasons. All are counted.
const BAD_KEPT: usize = 100;

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiverName {
    InfluxdbHttp,
    InfluxdbUdp,
    Statsd,
    OtlpGrpc,
    OtlpHttp,
    Scraper,
}

impl ReceiverName {
    pub(super) const ALL: [Self; 6] =
        [Self::InfluxdbHttp, Self::InfluxdbUdp, Self::Statsd, Self::OtlpGrpc, Self::OtlpHttp, Self::Scraper];

    /// As its flag is called.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::InfluxdbHttp => "influxdb-http",
            Self::InfluxdbUdp => "influxdb-udp",
            Self::Statsd => "statsd",
            Self::OtlpGrpc => "otlp-grpc",
            Self::OtlpHttp => "otlp-http",
            Self::Scraper => "scrape",
        }
    }

    /// What comes at once.
    pub(super) const fn transfers(self) -> &'static str {
        match self {
            Self::InfluxdbHttp | Self::OtlpHttp => "bodies",
            Self::InfluxdbUdp | Self::Statsd => "datagrams",
            Self::OtlpGrpc => "exports",
            Self::Scraper => "pages",
        }
    }
}

/// A metric of one series at one backend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ArrivedKey {
    pub(super) backend: Exporter,
    pub(super) metric: String,
    pub(super) labels: BTreeMap<String, String>,
}

impl ArrivedKey {
    pub(super) fn new<'a>(
        backend: Exporter,
        metric: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { backend, metric: metric.to_owned(), labels }
    }
}

/// What a metric is, as far as its format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ArrivedKind {
    Counter,
    Gauge,
    Histogram,
    /// Of InfluxDB, which does not say more.
    Field,
    /// Of values that are no numbers.
    Set,
}

impl ArrivedKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Field => "field",
            Self::Set => "set",
        }
    }
}

/// What came of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tally {
    pub(super) kind: ArrivedKind,
    /// Values that came; of a histogram what it counted.
    pub(super) number: u64,
    sum: f64,
    /// What the sum lost in rounding.
    lost: f64,
    /// The newest value.
    pub(super) last: f64,
}

impl Tally {
    /// One value.
    pub(super) const fn one(kind: ArrivedKind, value: f64) -> Self {
        Self { kind, number: 1, sum: value, lost: 0.0, last: value }
    }

    /// Of a histogram.
    pub(super) const fn histogram(number: u64, sum: f64) -> Self {
        Self { kind: ArrivedKind::Histogram, number, sum, lost: 0.0, last: sum }
    }

    /// What the values add up to; of what is cumulative the newest.
    pub(super) fn sum(&self) -> f64 {
        self.sum + self.lost
    }

    /// Neumaier's summation: what is added is decimal, and so is what people expect of many.
    fn add(&mut self, other: Self) {
        let sum = self.sum + other.sum;
        let (large, small) =
            if self.sum.abs() < other.sum.abs() { (other.sum, self.sum) } else { (self.sum, other.sum) };
        let lost = self.lost + other.lost + ((large - sum) + small);
        *self = Self { number: self.number + other.number, sum, lost, ..other };
    }
}

/// A cumulative stream: what tells it from one that began anew, or comes from another process.
pub(super) type StreamId = (BTreeMap<String, String>, u64);

/// What one receiver got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReceiverCounts {
    pub(super) transfers: u64,
    pub(super) bad: u64,
}

/// All that arrived so far.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    added: BTreeMap<ArrivedKey, Tally>,
    /// The newest of each stream, whose values are cumulative.
    newest: BTreeMap<(ArrivedKey, StreamId), Tally>,
    counts: [ReceiverCounts; ReceiverName::ALL.len()],
    bad: Vec<String>,
}

impl Arrivals {
    /// Something came to `receiver`, whatever is in it.
    pub(super) const fn came(&mut self, receiver: ReceiverName) {
        self.counts[receiver as usize].transfers += 1;
    }

    /// Adds what came.
    pub(super) fn add(&mut self, key: ArrivedKey, tally: Tally) {
        match self.added.entry(key) {
            Entry::Occupied(mut entry) => entry.get_mut().add(tally),
            Entry::Vacant(entry) => _ = entry.insert(tally),
        }
    }

    /// Puts what came into the place of what its stream had before; whether that was more, which nothing cumulative may be
    /// followed by less of.
    pub(super) fn replace(&mut self, key: ArrivedKey, stream: StreamId, tally: Tally) -> bool {
        match self.newest.entry((key, stream)) {
            Entry::Occupied(mut entry) => {
                let before = *entry.get();
                let number = if tally.kind == ArrivedKind::Histogram { tally.number } else { before.number + 1 };
                entry.insert(Tally { number, ..tally });
                let is_cumulative = tally.kind != ArrivedKind::Gauge;
                is_cumulative && (before.sum > tally.sum || before.number > number)
            }
            Entry::Vacant(entry) => {
                entry.insert(tally);
                false
            }
        }
    }

    /// Something that is bad came to `receiver`, for this reason.
    pub(super) fn bad(&mut self, receiver: ReceiverName, reason: &str) {
        self.counts[receiver as usize].bad += 1;
        if self.bad.len() < BAD_KEPT {
            self.bad.push(format!("{}: {reason}", receiver.as_str()));
        }
    }

    /// What each receiver got.
    pub(super) const fn counts(&self, receiver: ReceiverName) -> ReceiverCounts {
        self.counts[receiver as usize]
    }

    /// All bad items.
    pub(super) fn all_bad(&self) -> u64 {
        self.counts.iter().map(|counts| counts.bad).sum()
    }

    /// The first bad items, with their reasons.
    pub(super) fn first_bad(&self) -> &[String] {
        &self.bad
    }

    /// Every metric of every series, the streams of one added up.
    pub(super) fn rows(&self) -> BTreeMap<ArrivedKey, Tally> {
        let mut rows = Self { added: self.added.clone(), ..Self::default() };
        for ((key, _), tally) in &self.newest {
            rows.add(key.clone(), *tally);
        }
        rows.added
    }
}

/// What all receivers write to.
pub(super) fn lock(arrivals: &Mutex<Arrivals>) -> MutexGuard<'_, Arrivals> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ArrivedKey {
        ArrivedKey::new(Exporter::OpenTelemetry, "m", [("a", "b")])
    }

    fn stream(start: u64) -> StreamId {
        (BTreeMap::new(), start)
    }

    #[test]
    fn values_add_up_and_streams_are_replaced() {
        let mut arrivals = Arrivals::default();
        for value in [1.0, 2.5] {
            arrivals.add(key(), Tally::one(ArrivedKind::Counter, value));
        }
        let Tally { number, last, .. } = arrivals.rows()[&key()];
        assert_eq!((number, arrivals.rows()[&key()].sum(), last), (2, 3.5, 2.5));
        let mut arrivals = Arrivals::default();
        for (start, count, went_back) in [(1, 3, false), (1, 7, false), (2, 5, false), (1, 6, true), (2, 5, false)] {
            assert_eq!(arrivals.replace(key(), stream(start), Tally::histogram(count, 1.0)), went_back, "{count}");
        }
        assert_eq!((arrivals.rows()[&key()].number, arrivals.rows()[&key()].sum()), (11, 2.0));
    }

    #[test]
    fn sums_of_decimals_are_what_a_person_would_write() {
        let mut arrivals = Arrivals::default();
        for _ in 0..100_000 {
            arrivals.add(key(), Tally::one(ArrivedKind::Histogram, 0.1));
        }
        assert_eq!(arrivals.rows()[&key()].sum(), 10_000.0);
    }

    #[test]
    fn gauges_may_fall() {
        let mut arrivals = Arrivals::default();
        for value in [4.0, 0.0] {
            assert!(!arrivals.replace(key(), stream(0), Tally::one(ArrivedKind::Gauge, value)));
        }
        assert_eq!((arrivals.rows()[&key()].number, arrivals.rows()[&key()].last), (2, 0.0));
    }

    #[test]
    fn all_that_is_bad_is_counted_and_the_first_is_kept() {
        let mut arrivals = Arrivals::default();
        for number in 0..=BAD_KEPT {
            arrivals.bad(ReceiverName::Statsd, &number.to_string());
        }
        assert_eq!((arrivals.all_bad(), arrivals.first_bad().len()), (BAD_KEPT as u64 + 1, BAD_KEPT));
        assert_eq!((arrivals.first_bad()[0].as_str(), arrivals.counts(ReceiverName::Statsd).bad), ("statsd: 0", 101));
    }
}
