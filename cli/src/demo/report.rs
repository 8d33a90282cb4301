//! What the demo prints, and the verdict.

use std::fmt;
use std::net::SocketAddr;

use loaddensity_metrics_shell::{Account, Exporter};
use serde_json::Value;

use super::USERS;
use super::target::ROUTES;
use crate::args::RuntimeName;
use crate::numbers::thousands;
use crate::receivers::{Arrived, CollectedDatagrams, Refused};

/// Lines of a sample are cut to this many characters.
const WIDTH: usize = 150;

/// What came of the demo.
pub(super) struct Demonstration {
    /// One line about the load.
    pub(super) summary: String,
    /// The same for programs.
    pub(super) load: Value,
    /// Recorded in all, and of those failures.
    pub(super) requests: u64,
    pub(super) failures: u64,
    /// Counted by the target itself.
    pub(super) answered: u64,
    /// Given up by users at the end: answered perhaps, but not recorded.
    pub(super) abandoned: usize,
    pub(super) backends: [DemoBackend; Exporter::ALL.len()],
}

/// One exporter and its receiver.
pub(super) struct DemoBackend {
    pub(super) account: Account,
    pub(super) arrived: Result<Arrived, Refused>,
    /// What carried it, in words.
    pub(super) carried: String,
    /// UDP only.
    pub(super) datagrams: Option<DatagramCount>,
}

/// Datagrams of one UDP receiver.
#[derive(Clone, Copy)]
pub(super) struct DatagramCount {
    per_request: u64,
    pub(super) arrived: u64,
    pub(super) kernel_drops: Option<u64>,
}

impl DemoBackend {
    /// `per_request`: how many datagrams carry one request.
    pub(super) fn over_udp(
        account: Account,
        arrived: Result<Arrived, Refused>,
        datagrams: &CollectedDatagrams,
        per_request: u64,
    ) -> Self {
        let count = datagrams.len() as u64;
        let (shown, bytes) = (thousands(count), thousands(datagrams.total_bytes() as u64));
        Self {
            account,
            arrived,
            carried: format!("{shown} datagrams ({per_request} per request), {bytes} bytes"),
            datagrams: Some(DatagramCount { per_request, arrived: count, kernel_drops: datagrams.kernel_drops }),
        }
    }

    /// What does not fit together, if anything: recorded, sent, arrived, and the kernel's drops.
    pub(super) fn fault(&self, demonstration: &Demonstration) -> Option<String> {
        let Account { recorded, sent, .. } = self.account;
        let arrived = match &self.arrived {
            Ok(arrived) => arrived,
            Err(refused) => return Some(refused.to_string()),
        };
        if recorded != demonstration.requests {
            return Some(format!("{} requests were recorded in all", demonstration.requests));
        }
        if sent != recorded {
            return Some(format!("{} of those recorded were not sent", recorded - sent));
        }
        if let Some(count) = self.datagrams
            && !count.explains(sent, arrived.gauges)
        {
            return Some(format!("{} datagrams of {}", count.arrived, sent * count.per_request + arrived.gauges));
        }
        // A dropped datagram says neither of which outcome it was nor, for DogStatsD, which of the three messages.
        let dropped = self.datagrams.map_or(0, DatagramCount::drops);
        let expected = (demonstration.requests - demonstration.failures, demonstration.failures);
        let missing = (expected.0.wrapping_sub(arrived.success), expected.1.wrapping_sub(arrived.failure));
        if missing.0 > dropped || missing.1 > dropped {
            return Some(format!("expected {} successes and {} failures", expected.0, expected.1));
        }
        None
    }
}

impl DatagramCount {
    fn drops(self) -> u64 {
        self.kernel_drops.unwrap_or(0)
    }

    /// Whether all datagrams of `sent` requests, beside `gauges` that show gauges, arrived or are known to have been dropped.
    /// A datagram that was dropped may have shown gauges: how many of those were sent is not counted.
    fn explains(self, sent: u64, gauges: u64) -> bool {
        let (expected, known) = (sent * self.per_request + gauges, self.arrived + self.drops());
        if self.drops() == 0 { known == expected } else { (expected..=expected + self.drops()).contains(&known) }
    }
}

impl Demonstration {
    /// Whether everything that was recorded arrived, or is known to have been dropped by a receiver's kernel.
    pub(super) fn reconciles(&self) -> bool {
        self.target_fault().is_none() && self.backends.iter().all(|backend| backend.fault(self).is_none())
    }

    /// The target has counted requests without any metric. What was abandoned may or may not have been answered.
    pub(super) fn target_fault(&self) -> Option<String> {
        let surplus = self.answered.wrapping_sub(self.requests);
        (surplus > self.abandoned as u64).then(|| "the target answered another number of requests".to_owned())
    }
}

/// What is printed before the load.
pub(super) fn opening(runtime: RuntimeName, target: SocketAddr, page: SocketAddr, seconds: f64, rate: f64) -> String {
    let routes = ROUTES.iter().map(|route| {
        let failing = if route.fails { " (some 500)" } else { "" };
        format!("{} {}{failing}", route.method, route.name)
    });
    let rate = thousands(rate as u64);
    format!(
        "loaddensity-metrics demo on {}\n\n\
         target    http://{target}   {}\n\
         load      {USERS} users, at most {rate} requests per second, {seconds} s of HTTP/1.1\n\
         metrics   http://{page}/metrics\n",
        runtime.as_str(),
        routes.collect::<Vec<_>>().join(", ")
    )
}

impl fmt::Display for Demonstration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; the target answered {}\n", self.summary, thousands(self.answered))?;
        let [recorded, sent, arrived] = ["recorded", "sent", "arrived"];
        let (success, failure) = ("success", "failure");
        writeln!(f, "{:<14}{recorded:>10}{sent:>10}{arrived:>10}{success:>10}{failure:>9}  kernel drops", "backend")?;
        self.backends.iter().try_for_each(|backend| self.row(f, backend))?;
        writeln!(f, "\non the wire")?;
        self.backends.iter().try_for_each(|backend| sample(f, backend))?;
        match (self.reconciles(), self.target_fault()) {
            (true, _) => write!(
                f,
                "\nall reconcile: {} requests, recorded once, seen by every backend",
                thousands(self.requests)
            ),
            (false, Some(fault)) => write!(f, "\nNOT RECONCILED: {fault}"),
            (false, None) => write!(f, "\nNOT RECONCILED"),
        }
    }
}

impl Demonstration {
    fn row(&self, f: &mut fmt::Formatter<'_>, backend: &DemoBackend) -> fmt::Result {
        let (name, account) = (backend.account.exporter.as_str(), backend.account);
        write!(f, "{name:<14}{:>10}{:>10}", thousands(account.recorded), thousands(account.sent))?;
        let arrived = backend.arrived.clone().unwrap_or_default();
        let counts = [arrived.requests(), arrived.success, arrived.failure].map(thousands);
        write!(f, "{:>10}{:>10}{:>9}", counts[0], counts[1], counts[2])?;
        let drops = match backend.datagrams {
            None => "-".to_owned(),
            Some(DatagramCount { kernel_drops: None, .. }) => "unknown".to_owned(),
            Some(DatagramCount { kernel_drops: Some(drops), .. }) => thousands(drops),
        };
        let verdict =
            backend.fault(self).map_or_else(|| "reconciled".into(), |fault| format!("NOT RECONCILED: {fault}"));
        writeln!(f, "{drops:>14}  {verdict}")
    }
}

fn sample(f: &mut fmt::Formatter<'_>, backend: &DemoBackend) -> fmt::Result {
    writeln!(f, "{:<14}{}", backend.account.exporter.as_str(), backend.carried)?;
    let arrived = backend.arrived.as_ref().map(|arrived| &arrived.sample[..]).unwrap_or_default();
    arrived.iter().try_for_each(|line| writeln!(f, "  {}", cut(line)))
}

fn cut(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_shell::HeapStorage;

    use super::*;

    /// A demonstration of ten requests, one of which failed, with `change` made to one backend.
    fn demonstration(change: impl Fn(&mut DemoBackend)) -> Demonstration {
        let backend = |exporter, datagrams: Option<u64>| {
            let storage = HeapStorage::classic(1, 1, 2).expect("a size that exists");
            let mut account = storage.registry().account(exporter);
            (account.recorded, account.sent) = (10, 10);
            let count = |per_request| DatagramCount { per_request, arrived: 10 * per_request, kernel_drops: Some(0) };
            DemoBackend {
                account,
                arrived: Ok(Arrived { success: 9, failure: 1, sample: vec!["a line".into()], ..Arrived::default() }),
                carried: "something".into(),
                datagrams: datagrams.map(count),
            }
        };
        let mut changed = backend(Exporter::Statsd, Some(3));
        change(&mut changed);
        Demonstration {
            summary: "a summary".into(),
            load: Value::Null,
            requests: 10,
            failures: 1,
            answered: 10,
            abandoned: 0,
            backends: [
                backend(Exporter::Prometheus, None),
                backend(Exporter::Influxdb, Some(1)),
                changed,
                backend(Exporter::OpenTelemetry, None),
            ],
        }
    }

    type Change = fn(&mut DemoBackend);

    fn count(arrived: u64, kernel_drops: Option<u64>) -> Option<DatagramCount> {
        Some(DatagramCount { per_request: 3, arrived, kernel_drops })
    }

    #[test]
    fn what_arrived_or_was_dropped_by_the_kernel_reconciles() {
        let changes: [Change; 5] = [
            |_| {},
            |backend| backend.datagrams = count(30, None),
            |backend| {
                backend.datagrams = count(28, Some(2));
                backend.arrived = Ok(Arrived { success: 8, failure: 1, ..Arrived::default() });
            },
            |backend| {
                backend.datagrams = count(32, Some(0));
                backend.arrived = Ok(Arrived { success: 9, failure: 1, gauges: 2, ..Arrived::default() });
            },
            // One of those dropped showed gauges.
            |backend| backend.datagrams = count(29, Some(2)),
        ];
        for change in changes {
            let demonstration = demonstration(change);
            let text = demonstration.to_string();
            assert!(demonstration.reconciles(), "{text}");
            assert!(text.contains("all reconcile: 10 requests"), "{text}");
        }
    }

    #[test]
    fn any_difference_that_nothing_explains_does_not() {
        let changes: [(Change, &str); 9] = [
            (|backend| backend.account.recorded = 11, "10 requests were recorded in all"),
            (|backend| backend.account.sent = 9, "1 of those recorded were not sent"),
            (|backend| backend.datagrams = count(29, Some(0)), "29 datagrams of 30"),
            (|backend| backend.datagrams = count(29, None), "29 datagrams of 30"),
            (|backend| backend.datagrams = count(31, Some(0)), "31 datagrams of 30"),
            (|backend| backend.datagrams = count(27, Some(2)), "27 datagrams of 30"),
            (|backend| backend.datagrams = count(32, Some(0)), "32 datagrams of 30"),
            (
                |backend| {
                    backend.arrived = Ok(Arrived { success: 8, failure: 2, ..Arrived::default() });
                },
                "expected 9 successes and 1 failures",
            ),
            (|backend| backend.arrived = Err(Refused("a strange line".into())), "a strange line"),
        ];
        for (change, fault) in changes {
            let demonstration = demonstration(change);
            let text = demonstration.to_string();
            assert!(!demonstration.reconciles(), "{text}");
            assert!(text.contains(&format!("NOT RECONCILED: {fault}")), "{fault}: {text}");
            assert!(!text.contains("all reconcile"), "{text}");
        }
    }

    #[test]
    fn the_targets_own_count_is_compared_as_well() {
        for (answered, abandoned, reconciles) in
            [(10, 0, true), (9, 0, false), (11, 0, false), (11, 1, true), (10, 1, true)]
        {
            let demonstration = Demonstration { answered, abandoned, ..demonstration(|_| {}) };
            assert_eq!(demonstration.reconciles(), reconciles, "{answered} {abandoned}");
        }
    }
}
