//! What is shown while a load test runs, and its summary at the end.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::{Distribution, Distributions, ExporterStatus, Registry, Totals};

use crate::engine::{EngineError, Finished, Running};
use crate::interrupt::Interrupt;
use crate::numbers::thousands;

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
    is_terminal: bool,
}

impl Live {
    pub(crate) fn start(registry: Registry<'static>) -> Self {
        let began = Instant::now();
        let before = (registry.totals(), registry.distributions());
        Self { registry, began, before, last: (began, 0), is_terminal: stderr().is_terminal() }
    }

    /// Shows the line until `running` has ended, which a signal makes it do early.
    ///
    /// # Errors
    /// The engine's.
    pub(crate) fn watch(
        &mut self,
        running: Running,
        interrupt: &Interrupt,
        mut status: impl FnMut() -> Vec<ExporterStatus>,
    ) -> Result<Finished, EngineError> {
        while !running.is_finished() {
            if interrupt.pressed() {
                running.stop();
            }
            self.show_when_due(&mut status);
            thread::sleep(LOOK);
        }
        if self.is_terminal {
            let _ = write!(stderr(), "\r\x1b[K");
        }
        running.join()
    }

    /// Shows a line if it is time for one. `status` is asked only then.
    fn show_when_due(&mut self, status: impl FnOnce() -> Vec<ExporterStatus>) {
        let every = if self.is_terminal { REWRITE } else { APPEND };
        let since = self.last.0.elapsed();
        if since < every {
            return;
        }
        let figures = self.figures();
        let rate = per_second(figures.requests - self.last.1, since);
        self.last = (Instant::now(), figures.requests);
        let states = if self.is_terminal { short_states(&status()) } else { states(&status()) };
        let elapsed = self.began.elapsed().as_secs_f64();
        let line = format!("{elapsed:.1} s  {figures}, {}/s  {states}", thousands(rate));
        let mut out = stderr().lock();
        // A terminal that cannot be written to is no reason to end a load test.
        let _ = if self.is_terminal {
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
        Figures { requests: totals.requests(), failures: totals.failures(), latencies }
    }
}

fn per_second(requests: u64, elapsed: Duration) -> u64 {
    (requests as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)).round() as u64
}

/// Name and health of every running exporter: the error where there is one.
fn states(exporters: &[ExporterStatus]) -> String {
    let state = |status: &ExporterStatus| match &status.last_error {
        None => format!("{} ok", status.exporter),
        Some(error) => format!("{}: {error}", status.exporter),
    };
    exporters.iter().map(state).collect::<Vec<_>>().join(", ")
}

/// The same in what a terminal of 80 columns has left; the errors themselves are shown as warnings.
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

struct Figures {
    requests: u64,
    failures: u64,
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

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} failed", thousands(self.requests), thousands(self.failures))?;
        if f.alternate() {
            return self.write_quantiles(f, &ALL_SHARES);
        }
        self.write_quantiles(f, &[("p50", 0.5), ("p99", 0.99)])
    }
}

/// What the summary shows of the latencies. `min` and `max` are this test's, like the rest; where it is not the first in
/// its process, they are known to within 9 % (see [`Distribution::since`]).
const ALL_SHARES: [(&str, f64); 7] =
    [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];
