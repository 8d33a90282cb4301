//! What is shown while a load test runs, and its summary at the end.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::{ExporterStatus, Registry, Totals};

use crate::engine::{EngineError, Finished, Running};
use crate::interrupt::Interrupt;
use crate::numbers::thousands;

/// How often a running test is looked at.
const LOOK: Duration = Duration::from_millis(50);
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
    before: Totals,
    /// When a line was last shown, and the requests by then.
    last: (Instant, u64),
    is_terminal: bool,
}

impl Live {
    pub(crate) fn start(registry: Registry<'static>) -> Self {
        let began = Instant::now();
        Self { registry, began, before: registry.totals(), last: (began, 0), is_terminal: stderr().is_terminal() }
    }

    /// Shows the line until `running` has ended, which Ctrl-C makes it do early.
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
        let totals = since(&self.registry.totals(), &self.before);
        Figures {
            requests: totals.requests(),
            failures: totals.failures(),
            p50: totals.latency_quantile(0.5),
            p99: totals.latency_quantile(0.99),
        }
    }
}

fn per_second(requests: u64, elapsed: Duration) -> u64 {
    (requests as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)).round() as u64
}

/// The difference of two totals, as far as it is shown: latencies.
fn since(now: &Totals, before: &Totals) -> Totals {
    let mut totals = *now;
    for (side, old) in totals.latencies.iter_mut().zip(&before.latencies) {
        for (bucket, old) in side.buckets.iter_mut().zip(&old.buckets) {
            *bucket -= old;
        }
    }
    totals
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
        write!(f, "{figures}, {rate}/s over {:.1} s", elapsed.as_secs_f64())?;
        match self.finished.abandoned {
            0 => Ok(()),
            abandoned => write!(f, ", {abandoned} abandoned at the end and not recorded"),
        }
    }
}

struct Figures {
    requests: u64,
    failures: u64,
    p50: Option<Duration>,
    p99: Option<Duration>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} failed", thousands(self.requests), thousands(self.failures))?;
        for (name, quantile) in [("p50", self.p50), ("p99", self.p99)] {
            if let Some(quantile) = quantile {
                write!(f, ", {name} {:.1} ms", quantile.as_secs_f64() * 1e3)?;
            }
        }
        Ok(())
    }
}
