//! What is said of what arrived.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::arrivals::{Arrivals, ArrivedKey, ArrivedKind, ReceiverName, Tally};
use super::servers::KernelDrops;
use loaddensity_metrics_cost::thousands;

/// What is new since the last time.
pub(super) struct ReceiveProgress {
    /// Rows of a backend that are shown at once. The end shows all.
    most: usize,
    rows: BTreeMap<ArrivedKey, Tally>,
    bad: usize,
}

impl ReceiveProgress {
    pub(super) const fn of(most: usize) -> Self {
        Self { most, rows: BTreeMap::new(), bad: 0 }
    }

    /// The rows that changed, and what was bad, since the last call; nothing where nothing came. What exporters say of
    /// themselves on a page changes with every scrape, and waits for the end.
    pub(super) fn lines(&mut self, arrivals: &Arrivals) -> Vec<String> {
        let rows = arrivals.rows();
        let is_news = |(key, tally): &(&ArrivedKey, &Tally)| {
            let is_own =
                ["loaddensity_exporter_", "loaddensity_registry_"].iter().any(|own| key.metric.starts_with(own));
            !is_idle(tally) && !is_own && self.rows.get(*key) != Some(*tally)
        };
        let changed: Vec<_> = rows.iter().filter(is_news).collect();
        let mut lines = Vec::new();
        for of_backend in changed.chunk_by(|(one, _), (other, _)| one.backend == other.backend) {
            lines.extend(of_backend.iter().take(self.most).map(|(key, tally)| row(key, tally)));
            if let Some(more @ 1..) = of_backend.len().checked_sub(self.most) {
                lines.push(format!(
                    "{:<14} … and {} more that changed (--rows all shows them at once, the end in any case)",
                    of_backend[0].0.backend.as_str(),
                    thousands(more as u64)
                ));
            }
        }
        let bad = arrivals.first_bad();
        lines.extend(bad[self.bad..].iter().map(|bad| format!("bad: {bad}")));
        (self.rows, self.bad) = (rows, bad.len());
        lines
    }
}

/// The whole, at the end.
pub(super) struct ReceiveReport<'a> {
    pub(super) arrivals: &'a Arrivals,
    /// Where each listened.
    pub(super) addresses: &'a [(ReceiverName, String)],
    pub(super) drops: KernelDrops,
    pub(super) lasted: Duration,
}

impl fmt::Display for ReceiveReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.lasted.as_secs_f64();
        writeln!(f, "\nreceived in {seconds:.1} s:")?;
        writeln!(f, "{HEAD}")?;
        let rows = self.arrivals.rows();
        let (idle, shown): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, tally)| is_idle(tally));
        for (key, tally) in shown {
            writeln!(f, "{}", row(key, tally))?;
        }
        match idle.len() {
            0 => writeln!(f)?,
            idle => writeln!(f, "and {} that counted nothing (--json shows them)\n", thousands(idle as u64))?,
        }
        for (name, address) in self.addresses {
            let counts = self.arrivals.counts(*name);
            let (came, what, bad) = (thousands(counts.transfers), name.transfers(), thousands(counts.bad));
            write!(f, "{:<14} {address:<22} {came} {what}, {bad} bad", name.as_str())?;
            match self.drops(*name) {
                Some(drops) => writeln!(f, ", {} dropped by the kernel", thousands(drops))?,
                None => writeln!(f)?,
            }
        }
        for bad in self.arrivals.first_bad() {
            writeln!(f, "bad: {bad}")?;
        }
        let (all, shown) = (self.arrivals.all_bad(), self.arrivals.first_bad().len() as u64);
        if all > shown { write!(f, "… and {} more that were bad", thousands(all - shown)) } else { Ok(()) }
    }
}

impl ReceiveReport<'_> {
    /// The object of the report.
    pub(super) fn json(&self) -> Value {
        json!({
            "kind": "receive",
            "seconds": self.lasted.as_secs_f64(),
            "receivers": self.addresses.iter().map(|(name, address)| self.receiver(*name, address)).collect::<Vec<_>>(),
            "bad": self.arrivals.all_bad(),
            "first_bad": self.arrivals.first_bad(),
            "arrived": self.arrivals.rows().iter().map(|(key, tally)| object(key, tally)).collect::<Vec<_>>(),
        })
    }

    fn receiver(&self, name: ReceiverName, address: &str) -> Value {
        let counts = self.arrivals.counts(name);
        json!({
            "receiver": name.as_str(),
            "address": address,
            "transfers": counts.transfers,
            "bad": counts.bad,
            "kernel_drops": self.drops(name),
        })
    }

    const fn drops(&self, name: ReceiverName) -> Option<u64> {
        match name {
            ReceiverName::InfluxdbUdp => self.drops.influxdb,
            ReceiverName::Statsd => self.drops.statsd,
            ReceiverName::InfluxdbHttp | ReceiverName::OtlpGrpc | ReceiverName::OtlpHttp | ReceiverName::Scraper => {
                None
            }
        }
    }
}

/// Whether it is there and has counted nothing yet, as most drop reasons on a page.
fn is_idle(tally: &Tally) -> bool {
    tally.kind == ArrivedKind::Counter && tally.sum() == 0.0
}

/// How a receiver is announced.
pub(super) fn announcement(name: ReceiverName, address: SocketAddr) -> String {
    format!("{} listens on {address}", name.as_str())
}

const HEAD: &str =
    "backend        metric                                            number                  sum         last  series";

fn row(key: &ArrivedKey, tally: &Tally) -> String {
    let ArrivedKey { backend, metric, labels } = key;
    let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let (number, [sum, last]) = (thousands(tally.number), sum_and_last(tally).map(shown));
    format!("{:<14} {metric:<44} {number:>11} {sum:>20} {last:>12}  {{{}}}", backend.as_str(), labels.join(","))
}

fn object(key: &ArrivedKey, tally: &Tally) -> Value {
    let [sum, last] = sum_and_last(tally);
    json!({
        "backend": key.backend.as_str(),
        "metric": key.metric,
        "labels": key.labels,
        "metric_kind": tally.kind.as_str(),
        "number": tally.number,
        "sum": sum,
        "last": last,
    })
}

/// Where they say something.
fn sum_and_last(tally: &Tally) -> [Option<f64>; 2] {
    match tally.kind {
        ArrivedKind::Counter | ArrivedKind::Histogram => [Some(tally.sum()), None],
        ArrivedKind::Gauge => [None, Some(tally.last)],
        ArrivedKind::Field => [Some(tally.sum()), Some(tally.last)],
        ArrivedKind::Set => [None, None],
    }
}
