//! What is shown while a load test runs, and its summary at the end.

use std::fmt;
use std::io::{Write, stderr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::{Distribution, Distributions, ExporterStatus, Registry, Totals};
use serde_json::{Value, json};

use crate::engine::{EngineError, Failures, Finished, RunningTest};
use crate::failure_warnings::FailureWarnings;
use crate::interrupt::Interrupt;
use crate::say;
use loaddensity_metrics_cost::thousands;

/// How often a running test is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(50);
/// A terminal's line is rewritten this often.
const REWRITE: Duration = Duration::from_millis(500);
/// Where lines are kept (a file, a pipe), one is written this often.
const APPEND: Duration = Duration::from_secs(5);

/// The live line on stderr.
///
/// All figures are of this test alone, though the registry counts over the whole life of the process.
pub(crate) struct Live {
    registry: Registry<'static>,
    began: Instant,
    /// What had been recorded before.
    before: (Totals, Option<Distributions>),
    /// When a line was last shown, and the requests by then.
    last: (Instant, u64),
    failures: Arc<Failures>,
    warnings: FailureWarnings,
    rewrites: bool,
}

impl Live {
    pub(crate) fn start(registry: Registry<'static>) -> Self {
        let began = Instant::now();
        let before = (registry.totals(), registry.distributions());
        let (failures, warnings) = (Arc::default(), FailureWarnings::default());
        Self { registry, began, before, last: (began, 0), failures, warnings, rewrites: say::rewrites_lines() }
    }

    /// Shows the line until `running` has ended, which a signal makes it do early, and warns of each kind of failure once;
    /// `whose` says of what. What the exporters say meanwhile, `hear` passes on.
    ///
    /// # Errors
    /// The engine's.
    pub(crate) fn watch(
        &mut self,
        running: RunningTest,
        whose: &str,
        interrupt: &Interrupt,
        mut hear: impl FnMut(),
        mut status: impl FnMut() -> Vec<ExporterStatus>,
    ) -> Result<Finished, EngineError> {
        self.failures = running.failures();
        while !running.is_finished() {
            if interrupt.pressed() {
                running.stop();
            }
            hear();
            self.warnings.say(whose, &self.failures);
            self.show_when_due(&mut status);
            thread::sleep(LOOK);
        }
        self.warnings.say(whose, &self.failures);
        say::clear_line();
        running.join()
    }

    /// Shows a line if it is time for one. `status` is asked only then.
    fn show_when_due(&mut self, status: impl FnOnce() -> Vec<ExporterStatus>) {
        let every = if self.rewrites { REWRITE } else { APPEND };
        let since = self.last.0.elapsed();
        if since < every {
            return;
        }
        let figures = self.figures();
        let rate = per_second(figures.requests - self.last.1, since);
        self.last = (Instant::now(), figures.requests);
        let states = if self.rewrites { short_states(&status()) } else { states(&status()) };
        let elapsed = self.began.elapsed().as_secs_f64();
        // What a narrow terminal cuts off is what warnings have said already.
        let reasons = Reasons(&figures.reasons, REASONS_LIVE);
        let line = format!("{elapsed:.1} s  {figures}, {}/s  {states} {reasons}", thousands(rate));
        let line = line.trim_end();
        let mut out = stderr().lock();
        // A terminal that cannot be written to is no reason to end a load test.
        let _ = if self.rewrites {
            // Back to the first column, no wrapping while the line is written, and the rest of the old line cleared.
            write!(out, "\r\x1b[?7l{line}\x1b[K\x1b[?7h").and_then(|()| out.flush())
        } else {
            writeln!(out, "{line}")
        };
    }

    fn figures(&self) -> Figures {
        let totals = self.registry.totals().since(&self.before.0);
        let latencies = match (self.registry.distributions(), &self.before.1) {
            (Some(now), Some(before)) => Some(now.since(before).latency()),
            _ => None,
        };
        let reasons = self.failures.counts();
        Figures { requests: totals.requests(), failures: totals.failures(), reasons, latencies }
    }
}

fn per_second(requests: u64, elapsed: Duration) -> u64 {
    (requests as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)).round() as u64
}

/// Name and health of every running exporter; the errors themselves are shown as warnings, once.
fn states(exporters: &[ExporterStatus]) -> String {
    let health = |status: &ExporterStatus| if status.last_error.is_none() { "ok" } else { "failing" };
    let state = |status: &ExporterStatus| format!("{} {}", status.exporter, health(status));
    exporters.iter().map(state).collect::<Vec<_>>().join(", ")
}

/// The same in what a terminal of 80 columns has left.
fn short_states(exporters: &[ExporterStatus]) -> String {
    let failing = exporters.iter().filter(|status| status.last_error.is_some());
    let failing: Vec<_> = failing.map(|status| format!(", {}!", status.exporter)).collect();
    format!("{} ok{}", exporters.len() - failing.len(), failing.concat())
}

/// One line about a test that is over.
pub(crate) struct Summary<'a> {
    pub(crate) live: &'a Live,
    pub(crate) finished: Finished,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.live.figures();
        let elapsed = self.finished.elapsed;
        let rate = thousands(per_second(figures.requests, elapsed));
        write!(f, "{figures:#}, {rate}/s over {:.1} s", elapsed.as_secs_f64())?;
        match self.finished.abandoned {
            0 => Ok(()),
            abandoned => write!(f, ", {abandoned} abandoned at the end and not recorded"),
        }
    }
}

impl Summary<'_> {
    /// The same for programs.
    pub(crate) fn json(&self) -> Value {
        let Figures { requests, failures, reasons, latencies } = self.live.figures();
        let Finished { elapsed, abandoned, .. } = self.finished;
        let latency = |latencies: Distribution| -> Value {
            ALL_SHARES.iter().map(|(name, share)| ((*name).to_owned(), json!(latencies.quantile(*share)))).collect()
        };
        let reason = |(reason, count): &(String, u64)| json!({ "reason": reason, "requests": count });
        json!({
            "requests": requests,
            "failures": failures,
            "failure_reasons": reasons.iter().map(reason).collect::<Vec<_>>(),
            "abandoned": abandoned,
            "seconds": elapsed.as_secs_f64(),
            "latency_ns": latencies.map(latency),
        })
    }
}

struct Figures {
    requests: u64,
    failures: u64,
    /// What requests failed with, the most frequent first.
    reasons: Vec<(String, u64)>,
    /// `None` where the storage keeps no exponential histograms.
    latencies: Option<Distribution>,
}

impl Figures {
    /// Shares of the requests and the latency that each did not exceed.
    fn write_quantiles(&self, f: &mut fmt::Formatter<'_>, shares: &[(&str, f64)]) -> fmt::Result {
        for (name, share) in shares {
            if let Some(nanos) = self.latencies.and_then(|latencies| latencies.quantile(*share)) {
                write!(f, ", {name} {:.1} ms", nanos as f64 / 1e6)?;
            }
        }
        Ok(())
    }
}

/// Why requests failed, in brackets: so many reasons at the most, and how many failures have others.
struct Reasons<'a>(&'a [(String, u64)], usize);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(reasons, most) = self;
        let (shown, others) = reasons.split_at((*most).min(reasons.len()));
        let mut separator = " (";
        for (reason, count) in shown {
            write!(f, "{separator}{} {reason}", thousands(*count))?;
            separator = ", ";
        }
        match others.iter().map(|(_, count)| count).sum::<u64>() {
            0 => {}
            others => write!(f, "{separator}{} for other reasons", thousands(others))?,
        }
        if reasons.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} failed", thousands(self.requests), thousands(self.failures))?;
        if f.alternate() {
            write!(f, "{}", Reasons(&self.reasons, REASONS))?;
            return self.write_quantiles(f, &ALL_SHARES);
        }
        self.write_quantiles(f, &[("p50", 0.5), ("p99", 0.99)])
    }
}

/// How many reasons of failures the summary shows, and the live line.
const REASONS: usize = 12;
const REASONS_LIVE: usize = 2;

/// What the summary shows of the latencies. `min` and `max` are this test's, like the rest; where it is not the first in
/// its process, they are known to within 9 % (see [`Distribution::since`]).
const ALL_SHARES: [(&str, f64); 7] =
    [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_reasons_are_shown_and_the_others_counted() {
        let three = [("connection refused", 1_030), ("status 503", 5), ("timed out", 2)];
        let three = three.map(|(reason, count)| (reason.to_owned(), count));
        for (reasons, most, shown) in [
            (&three[..0], 2, ""),
            (&three[..1], 2, " (1,030 connection refused)"),
            (&three, 2, " (1,030 connection refused, 5 status 503, 2 for other reasons)"),
            (&three, 3, " (1,030 connection refused, 5 status 503, 2 timed out)"),
        ] {
            assert_eq!(Reasons(reasons, most).to_string(), shown);
        }
    }
}
