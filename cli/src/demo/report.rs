//! What the demo prints, and the verdict.

use std::fmt;
use std::net::SocketAddr;

use loaddensity_metrics_shell::{Account, Exporter};
use serde_json::Value;

use super::USERS;
use super::target::ROUTES;
use crate::args::RuntimeName;
use crate::receivers::{Arrived, CollectedDatagrams, Observed, Refused};
use loaddensity_metrics_cost::thousands;

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
    /// What the engine's own instruments counted.
    pub(super) observed: Observed,
    /// Counted by the target itself.
    pub(super) answered: u64,
    /// Given up by users at the end: answered perhaps, but not recorded.
    pub(super) abandoned: usize,
    pub(super) backends: [DemoBackend; Exporter::ALL.len()],
}

/// One exporter and its receiver.
pub(super) struct DemoBackend {
    pub(super) account: Account,
    /// The account of observations.
    pub(super) observations: Account,
    pub(super) arrived: Result<Arrived, Refused>,
    /// What carried it, in words.
    pub(super) carried: String,
    /// UDP only.
    pub(super) datagrams: Option<DatagramCount>,
}

/// Datagrams of one UDP receiver.
#[derive(Clone, Copy)]
pub(super) struct DatagramCount {
    /// The most requests that one stands for.
    requests: u64,
    pub(super) arrived: u64,
    pub(super) kernel_drops: Option<u64>,
}

impl DemoBackend {
    /// `requests`: how many of them a datagram stands for at most.
    pub(super) fn over_udp(
        (account, observations): (Account, Account),
        arrived: Result<Arrived, Refused>,
        datagrams: &CollectedDatagrams,
        requests: u64,
    ) -> Self {
        let count = datagrams.len() as u64;
        let (shown, bytes) = (thousands(count), thousands(datagrams.total_bytes() as u64));
        Self {
            account,
            observations,
            arrived,
            carried: format!("{shown} datagrams, {bytes} bytes"),
            datagrams: Some(DatagramCount { requests, arrived: count, kernel_drops: datagrams.kernel_drops }),
        }
    }

    /// What does not fit together, if anything: recorded, sent, arrived, and the kernel's drops.
    pub(super) fn fault(&self, demonstration: &Demonstration) -> Option<String> {
        let arrived = match &self.arrived {
            Ok(arrived) => arrived,
            Err(refused) => return Some(refused.to_string()),
        };
        let Demonstration { requests, failures, observed, .. } = demonstration;
        let fault = not_sent(self.account, *requests, "requests");
        let fault = fault.or_else(|| not_sent(self.observations, observed.calls(), "observations"));
        if fault.is_some() {
            return fault;
        }
        // A dropped datagram says neither how many requests it stood for nor which outcome they had.
        let most = self.datagrams.map_or(0, DatagramCount::lost_requests);
        let missing = [
            (requests - failures).wrapping_sub(arrived.success),
            failures.wrapping_sub(arrived.failure),
            requests.wrapping_sub(arrived.requests()),
        ];
        if missing.iter().any(|missing| *missing > most) {
            return Some(format!("expected {} successes and {failures} failures", requests - failures));
        }
        let is_explained = arrived.observed == *observed || most != 0 && arrived.observed.is_within(observed);
        (!is_explained).then(|| format!("of the own instruments {:?} arrived", arrived.observed))
    }
}

/// What is wrong with an account after which all should be sent.
fn not_sent(Account { recorded, sent, .. }: Account, all: u64, what: &str) -> Option<String> {
    if recorded != all {
        return Some(format!("{all} {what} were recorded in all"));
    }
    (sent != recorded).then(|| format!("{} {what} of those recorded were not sent", recorded - sent))
}

impl DatagramCount {
    /// The most requests that were in datagrams which the kernel dropped.
    fn lost_requests(self) -> u64 {
        self.kernel_drops.unwrap_or(0) * self.requests
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
        self.write_instruments(f)?;
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

impl Demonstration {
    /// What the engine's own instruments counted, and what of that arrived.
    fn write_instruments(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [iterations, first_bytes, sum] = ["iterations", "first bytes", "their sum"];
        writeln!(f, "\n{:<14}{iterations:>10}{first_bytes:>13}{sum:>18}", "instruments")?;
        let mut row = |name: &str, observed: &Observed| {
            let Observed { iterations, first_bytes, first_byte_nanos } = *observed;
            let [iterations, first_bytes] = [iterations, first_bytes].map(thousands);
            let millis = format!("{}.{:06} ms", thousands(first_byte_nanos / 1_000_000), first_byte_nanos % 1_000_000);
            writeln!(f, "{name:<14}{iterations:>10}{first_bytes:>13}{millis:>18}")
        };
        row("recorded", &self.observed)?;
        self.backends.iter().try_for_each(|backend| {
            let observed = backend.arrived.as_ref().map(|arrived| arrived.observed).unwrap_or_default();
            row(backend.account.exporter.as_str(), &observed)
        })
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

    const OBSERVED: Observed = Observed { iterations: 3, first_bytes: 10, first_byte_nanos: 12_345_678 };

    /// A demonstration of ten requests, one of which failed, with `change` made to one backend.
    fn demonstration(change: impl Fn(&mut DemoBackend)) -> Demonstration {
        let backend = |exporter, requests: Option<u64>| {
            let storage = HeapStorage::classic(1, 1, 2).expect("a size that exists");
            let [mut account, mut observations] = [storage.registry().account(exporter); 2];
            (account.recorded, account.sent) = (10, 10);
            (observations.recorded, observations.sent) = (13, 13);
            let count = |requests| DatagramCount { requests, arrived: 30, kernel_drops: Some(0) };
            DemoBackend {
                account,
                observations,
                arrived: Ok(arrived(9, 1)),
                carried: "something".into(),
                datagrams: requests.map(count),
            }
        };
        let mut changed = backend(Exporter::Statsd, Some(1));
        change(&mut changed);
        Demonstration {
            summary: "a summary".into(),
            load: Value::Null,
            requests: 10,
            failures: 1,
            observed: OBSERVED,
            answered: 10,
            abandoned: 0,
            backends: [
                backend(Exporter::Prometheus, None),
                backend(Exporter::Influxdb, Some(3)),
                changed,
                backend(Exporter::OpenTelemetry, None),
            ],
        }
    }

    type Change = fn(&mut DemoBackend);

    fn arrived(success: u64, failure: u64) -> Arrived {
        Arrived { success, failure, observed: OBSERVED, sample: vec!["a line".into()], ..Arrived::default() }
    }

    fn dropped(kernel_drops: Option<u64>) -> Option<DatagramCount> {
        Some(DatagramCount { requests: 1, arrived: 28, kernel_drops })
    }

    #[test]
    fn what_arrived_or_was_dropped_by_the_kernel_reconciles() {
        let changes: [Change; 5] = [
            |_| {},
            |backend| backend.datagrams = dropped(None),
            |backend| {
                backend.datagrams = dropped(Some(2));
                backend.arrived = Ok(arrived(8, 0));
            },
            // Those dropped had gauges, or one of the messages of a request that is not counted.
            |backend| backend.datagrams = dropped(Some(2)),
            |backend| {
                backend.datagrams = dropped(Some(1));
                let observed = Observed { iterations: 0, ..OBSERVED };
                backend.arrived = Ok(Arrived { observed, ..arrived(9, 1) });
            },
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
        let changes: [(Change, &str); 10] = [
            (|backend| backend.account.recorded = 11, "10 requests were recorded in all"),
            (|backend| backend.account.sent = 9, "1 requests of those recorded were not sent"),
            (|backend| backend.observations.recorded = 11, "13 observations were recorded in all"),
            (|backend| backend.observations.sent = 11, "2 observations of those recorded were not sent"),
            (|backend| backend.arrived = Ok(arrived(8, 1)), "expected 9 successes and 1 failures"),
            (
                |backend| {
                    backend.datagrams = dropped(Some(1));
                    backend.arrived = Ok(arrived(8, 0));
                },
                "expected 9 successes and 1 failures",
            ),
            (|backend| backend.arrived = Ok(arrived(8, 2)), "expected 9 successes and 1 failures"),
            (
                |backend| {
                    let observed = Observed { first_byte_nanos: 12_345_677, ..OBSERVED };
                    backend.arrived = Ok(Arrived { observed, ..arrived(9, 1) });
                },
                "of the own instruments Observed",
            ),
            (
                |backend| {
                    backend.datagrams = dropped(Some(1));
                    let observed = Observed { iterations: 4, ..OBSERVED };
                    backend.arrived = Ok(Arrived { observed, ..arrived(9, 1) });
                },
                "of the own instruments Observed",
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
