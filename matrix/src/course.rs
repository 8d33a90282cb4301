//! What a scenario is given, and what it tells.

use std::fmt;
use std::time::{Duration, Instant};

use loaddensity_metrics_core::export::Random;
use loaddensity_metrics_shell::{Account, DropReason};

/// Why a scenario failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The exporters did something that they must not.
    Broken(String),
    /// This machine cannot do what the scenario needs: which right or program it lacks.
    Lacks(String),
}

impl From<String> for Trouble {
    fn from(what: String) -> Self {
        Self::Broken(what)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(format!("the scenario itself: {error}"))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(what) => formatter.write_str(what),
            Self::Lacks(what) => write!(formatter, "NOT RUN: {what}"),
        }
    }
}

/// One run of one scenario: the chance that it uses, and what it has seen.
pub(crate) struct Course {
    pub(crate) random: Random,
    begun: Instant,
    seen: Vec<String>,
}

impl Course {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), begun: Instant::now(), seen: Vec::new() }
    }

    /// A time between the two, by chance.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.random.below((most - least) as usize) as u64)
    }

    /// Says on standard error what happens, for whoever looks for a fault.
    pub(crate) fn note(&self, what: impl fmt::Display) {
        eprintln!("{:>9.3} s  {what}", self.begun.elapsed().as_secs_f64());
    }

    /// A cell of the table.
    pub(crate) fn saw(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(&what);
        self.seen.push(what);
    }

    /// An exporter's account for the table.
    pub(crate) fn saw_account(&mut self, account: &Account) {
        let unconfirmed = account.dropped.get(DropReason::Unconfirmed);
        let dropped = account.dropped.total() - unconfirmed;
        let words =
            [(account.sent, "sent"), (unconfirmed, "unconfirmed"), (dropped, "dropped"), (account.held, "held")];
        let words: Vec<_> =
            words.iter().filter(|(count, _)| *count != 0).map(|(count, word)| format!("{count} {word}")).collect();
        self.saw(format!("{}: {}", account.exporter.as_str(), words.join(", ")));
    }

    pub(crate) fn seen(&self) -> String {
        self.seen.join("; ")
    }
}
