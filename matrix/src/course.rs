//! What a scenario is given, and what it tells.

use std::fmt;
use std::process::{self, Child, Command, Stdio};
use std::time::{Duration, Instant};

use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_core::export::Random;
use loaddensity_metrics_shell::{Account, DropReason};

use crate::items::word;

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
    freezes: Option<Child>,
}

impl Course {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), begun: Instant::now(), seen: Vec::new(), freezes: None }
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
    pub(crate) fn saw_account(&mut self, kind: AccountKind, account: &Account) {
        let unconfirmed = account.dropped.get(DropReason::Unconfirmed);
        let dropped = account.dropped.total() - unconfirmed;
        let words =
            [(account.sent, "sent"), (unconfirmed, "unconfirmed"), (dropped, "dropped"), (account.held, "held")];
        let words: Vec<_> =
            words.iter().filter(|(count, _)| *count != 0).map(|(count, word)| format!("{count} {word}")).collect();
        self.saw(format!("{} of {}: {}", word(kind), account.exporter.as_str(), words.join(", ")));
    }

    /// Soon this process stands still for a second, as one does on a machine that sleeps.
    pub(crate) fn freeze(&mut self) -> Result<(), Trouble> {
        const COMMANDS: &str = "sleep 0.1; kill -STOP $0; cat /proc/uptime; sleep 1; kill -CONT $0; cat /proc/uptime";
        let id = process::id().to_string();
        self.freezes = Some(Command::new("sh").args(["-c", COMMANDS, &id]).stdout(Stdio::piped()).spawn()?);
        Ok(())
    }

    /// How long this process stood still, if it was to: whoever wakes it up may be late on a busy machine.
    pub(crate) fn stood_still(&mut self) -> Result<Duration, Trouble> {
        let Some(freezes) = self.freezes.take() else { return Ok(Duration::ZERO) };
        let said = String::from_utf8_lossy(&freezes.wait_with_output()?.stdout).into_owned();
        let moments: Vec<f64> = said.lines().filter_map(|line| line.split(' ').next()?.parse().ok()).collect();
        match moments[..] {
            [stopped, went_on] => Ok(Duration::from_secs_f64((went_on - stopped).max(0.0))),
            _ => Err(Trouble::Broken(format!("the scenario itself: how long it stood still is {said:?}"))),
        }
    }

    pub(crate) fn seen(&self) -> String {
        self.seen.join("; ")
    }
}
