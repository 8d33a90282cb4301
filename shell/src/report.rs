//! The report at the end: what became of every request, for each run of an exporter.

use std::fmt;

use loaddensity_metrics_core::{Account, Exceeded, FullRing, Registry};

use crate::status::ExporterStatus;

/// What became of every request.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// One for each run of an exporter, from its start to its stop: an exporter that was started several times has
    /// several. In the order of [`Exporter::ALL`](loaddensity_metrics_core::Exporter::ALL), and for each exporter in
    /// the order of its runs. `recorded = sent + dropped` in each of them, once recording has paused.
    pub accounts: Vec<Account>,
    /// The same of observations, which instruments of the engine's own count, for the runs that sent any or had any to send.
    pub observations: Vec<Account>,
    /// Those of the runs that ended while something was wrong: where they sent to, and what was wrong last.
    pub troubles: Vec<ExporterStatus>,
    /// The recorders whose rings refused events since the storage was made, and the ring size that would have sufficed.
    pub full_rings: Vec<FullRing>,
    /// The limits of the storage that were exceeded since it was made: series that were folded into `overflow`, names that
    /// were cut, recorders that shared a shard. Each was warned of when it was first seen.
    pub exceeded: Exceeded,
}

impl Report {
    /// The report of `runs`, which are in the order of their ends, as
    /// [`ended_runs`](crate::Exporters::ended_runs) has them, and of what `registry` had no room for.
    #[must_use]
    pub fn new(mut runs: Vec<ExporterStatus>, registry: Registry<'_>) -> Self {
        runs.sort_by_key(|run| run.exporter);
        let accounts = runs.iter().map(|run| run.account).collect();
        let observations = runs.iter().filter_map(|run| run.observations).filter(|account| account.recorded != 0);
        let observations = observations.collect();
        runs.retain(|run| run.last_error.is_some());
        let (full_rings, exceeded) = (registry.full_rings().collect(), registry.exceeded());
        Self { accounts, observations, troubles: runs, full_rings, exceeded }
    }
}

impl fmt::Display for Report {
    /// A table: exporter, recorded, sent, dropped, and the drops by cause, a row for each run; the same of observations, where
    /// there were any; then what was wrong at the ends of runs, the full rings, and the limits that were exceeded, if any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.accounts.is_empty() {
            f.write_str("no exporter was running")?;
        } else {
            self.write_accounts(f)?;
        }
        let Exceeded { folded, cut, spilled, .. } = &self.exceeded;
        folded.iter().try_for_each(|folded| write!(f, "\nseries: {folded}"))?;
        cut.iter().try_for_each(|cut| write!(f, "\nnames: {cut}"))?;
        spilled.iter().try_for_each(|spilled| write!(f, "\nrecorders: {spilled}"))
    }
}

impl Report {
    fn write_accounts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_table(f, "exporter", &self.accounts)?;
        if !self.observations.is_empty() {
            f.write_str("\n")?;
            write_table(f, "observations", &self.observations)?;
        }
        self.troubles.iter().try_for_each(|run| write!(f, "\n{}: {}", run.exporter, run.state()))?;
        self.full_rings.iter().try_for_each(|ring| write!(f, "\n{ring}"))
    }
}

/// A row for each of `accounts`, under a head that begins with `title`.
fn write_table(f: &mut fmt::Formatter<'_>, title: &str, accounts: &[Account]) -> fmt::Result {
    write!(f, "{title:<14} {:>12} {:>12} {:>12}", "recorded", "sent", "dropped")?;
    accounts.iter().enumerate().try_for_each(|(at, account)| {
        write_row(f, account)?;
        match run(accounts, at) {
            (_, 1) => Ok(()),
            (run, runs) => write!(f, "  (run {run} of {runs})"),
        }
    })
}

/// Which run of its exporter the account `at` is, from 1, and how many there are.
fn run(accounts: &[Account], at: usize) -> (usize, usize) {
    let runs = |before: &[Account]| before.iter().filter(|account| account.exporter == accounts[at].exporter).count();
    (runs(&accounts[..=at]), runs(accounts))
}

fn write_row(f: &mut fmt::Formatter<'_>, account: &Account) -> fmt::Result {
    let dropped = account.dropped.total();
    write!(f, "\n{:<14} {:>12} {:>12} {:>12}", account.exporter.as_str(), account.recorded, account.sent, dropped)?;
    let mut separator = "  ";
    for (cause, count) in account.dropped.iter().filter(|&(_, count)| count > 0) {
        write!(f, "{separator}{} {count}", cause.as_str())?;
        separator = ", ";
    }
    if account.held > 0 {
        // After a stop only a page that lingers holds anything.
        write!(f, "{separator}held {}, lingers", account.held)?;
    }
    Ok(())
}
