//! Who sends: what distinguishes the generators of a test from each other, and one test from another.

use std::error::Error;
use std::fmt;

use loaddensity_metrics_core::Phase;
use loaddensity_metrics_core::prometheus::RunInfo;

use crate::config::Labels;
use crate::environment::{Environment, EnvironmentError, ignored};

/// Longest name of a run in bytes.
pub const RUN_BYTES: usize = 64;

/// The run and the worker that the exporters of a process send for. By default there is neither, and nothing is shown.
///
/// | format | what shows it |
/// |---|---|
/// | InfluxDB | the tag `worker` on every point |
/// | OpenTelemetry | the resource attributes `run` and `worker`, in addition to `service.instance.id` |
/// | DogStatsD | the tag `worker` on gauges and on messages with a timestamp: others add up at the Agent |
/// | Prometheus | one series, `loaddensity_run_info{run,worker,of} 1` |
///
/// A tag, label or attribute of the same name that an exporter's own configuration gives wins, and so does a series' own.
///
/// ```
/// use loaddensity_metrics_shell::Identity;
///
/// let identity = Identity::default().with_run("nightly-7")?.with_worker(3, Some(40))?;
/// assert_eq!((identity.run(), identity.worker(), identity.of()), (Some("nightly-7"), Some(3), Some(40)));
/// assert!(Identity::default().with_worker(40, Some(40)).is_err());
/// # Ok::<(), loaddensity_metrics_shell::IdentityError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Padded with zeros.
    run: [u8; RUN_BYTES],
    worker: Option<u32>,
    of: Option<u32>,
    is_run_shown: bool,
    is_worker_shown: bool,
}

impl Identity {
    /// Neither run nor worker, as with the default.
    pub const NOBODY: Self =
        Self { run: [0; RUN_BYTES], worker: None, of: None, is_run_shown: false, is_worker_shown: false };

    /// The same with the name of the run, which all workers of a test share: 1 to [`RUN_BYTES`] ASCII letters, digits, and
    /// `_ - . : /`, which every format shows as they are.
    ///
    /// # Errors
    /// [`IdentityError`] for any other name.
    pub fn with_run(self, run: &str) -> Result<Self, IdentityError> {
        if run.is_empty() {
            return Err(IdentityError::RunEmpty);
        }
        if !run.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte)) {
            return Err(IdentityError::RunCharacter { run: run.chars().take(RUN_BYTES).collect() });
        }
        let mut room = [0; RUN_BYTES];
        room.get_mut(..run.len()).ok_or(IdentityError::RunTooLong)?.copy_from_slice(run.as_bytes());
        Ok(Self { run: room, ..self })
    }

    /// The same with the number of the worker, counted from 0, and how many there are, where that is known. No two
    /// processes of a run may have the same number.
    ///
    /// # Errors
    /// [`IdentityError`] for a worker beyond the last one.
    pub fn with_worker(self, worker: u32, of: Option<u32>) -> Result<Self, IdentityError> {
        match of {
            Some(of) if worker >= of => Err(IdentityError::WorkerBeyond { worker, of }),
            _ => Ok(Self { worker: Some(worker), of, ..self }),
        }
    }

    /// The same with the worker as people write it: `3/40`, or `3` where it is not known how many there are.
    ///
    /// # Errors
    /// [`IdentityError`] for anything else.
    pub fn with_worker_text(self, text: &str) -> Result<Self, IdentityError> {
        let refused = || IdentityError::WorkerText { worker: text.chars().take(RUN_BYTES).collect() };
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten().ok_or_else(refused)
        };
        match text.split_once('/') {
            Some((worker, of)) => self.with_worker(number(worker)?, Some(number(of)?)),
            None => self.with_worker(number(text)?, None),
        }
    }

    /// The same with the run as a label (tag, attribute) in every format but OpenTelemetry, whose resource has it anyway.
    /// Every run then makes new series of everything, which Prometheus keeps for as long as it keeps samples, and Datadog
    /// charges for.
    #[must_use]
    pub const fn with_run_label(self) -> Self {
        Self { is_run_shown: true, ..self }
    }

    /// The same with the worker as a label (tag) of everything at Prometheus and DogStatsD too. There are then as many
    /// series of each kind as there are workers.
    #[must_use]
    pub const fn with_worker_label(self) -> Self {
        Self { is_worker_shown: true, ..self }
    }

    /// The worker that a scheduler names in `JOB_COMPLETION_INDEX` (Kubernetes, indexed jobs), `NOMAD_ALLOC_INDEX`
    /// (Nomad) or `SLURM_ARRAY_TASK_ID` (Slurm, counted from `SLURM_ARRAY_TASK_MIN`), the first of them that is set; it is
    /// one `of` so many, where that is given. No worker where none is set.
    ///
    /// What cannot be used is warned of in the log and left out.
    #[must_use]
    pub fn from_env(environment: &Environment, of: Option<u32>) -> Self {
        const INDEXES: [&str; 3] = ["JOB_COMPLETION_INDEX", "NOMAD_ALLOC_INDEX", SLURM];
        let found = INDEXES.into_iter().find_map(|variable| Some((variable, index(environment, variable)?)));
        let Some((variable, number)) = found else { return Self::default() };
        let first = if variable == SLURM { index(environment, "SLURM_ARRAY_TASK_MIN").unwrap_or(0) } else { 0 };
        let worker = number.saturating_sub(first);
        Self::default().with_worker(worker, of).unwrap_or_else(|error| {
            tracing::warn!(variable, "environment variable {variable}: {error}; how many there are is left out");
            Self { worker: Some(worker), ..Self::default() }
        })
    }

    /// The name of the run.
    #[must_use]
    pub fn run(&self) -> Option<&str> {
        let length = self.run.iter().position(|byte| *byte == 0).unwrap_or(RUN_BYTES);
        self.run.get(..length).and_then(|run| str::from_utf8(run).ok()).filter(|run| !run.is_empty())
    }

    /// The number of the worker, counted from 0.
    #[must_use]
    pub const fn worker(&self) -> Option<u32> {
        self.worker
    }

    /// How many workers there are.
    #[must_use]
    pub const fn of(&self) -> Option<u32> {
        self.of
    }

    /// Where timestamps of a coarse clock are put within its step: at a `random` place, unless there is a worker.
    pub(crate) const fn phase(&self, random: u64) -> Phase {
        if self.worker.is_some() { Phase::NONE } else { Phase::drawn(random) }
    }

    /// The tags of InfluxDB's points, and of DogStatsD's gauges and messages with a timestamp: `given`, the worker, and the run on request. They keep
    /// points of one series and time apart.
    pub(crate) fn tags_of_points(&self, given: &Labels) -> Labels {
        merged(given, [("worker", self.worker_text()), ("run", self.run_label())])
    }

    /// The labels of every series of Prometheus and DogStatsD: `given`, and of worker and run those that the user asked for.
    pub(crate) fn labels(&self, given: &Labels) -> Labels {
        merged(given, [("worker", self.worker_text().filter(|_| self.is_worker_shown)), ("run", self.run_label())])
    }

    /// The series of the page that shows it.
    pub(crate) fn run_info(&self) -> Option<RunInfo> {
        // No run has a longer name.
        RunInfo::new(self.run(), self.worker, self.of).ok().flatten()
    }

    /// The attributes of the resource (OpenTelemetry): `given`, and run and worker.
    pub(crate) fn attributes(&self, given: &Labels) -> Labels {
        merged(given, [("run", self.run().map(Into::into)), ("worker", self.worker_text())])
    }

    fn worker_text(&self) -> Option<String> {
        self.worker.map(|worker| worker.to_string())
    }

    fn run_label(&self) -> Option<String> {
        self.run().filter(|_| self.is_run_shown).map(Into::into)
    }
}

impl Default for Identity {
    /// Neither run nor worker.
    fn default() -> Self {
        Self::NOBODY
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("run", &self.run())
            .field("worker", &self.worker)
            .field("of", &self.of)
            .field("is_run_shown", &self.is_run_shown)
            .field("is_worker_shown", &self.is_worker_shown)
            .finish()
    }
}

/// Why a run or a worker cannot be called this.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// The name of the run is empty.
    RunEmpty,
    /// The name of the run is longer than [`RUN_BYTES`].
    RunTooLong,
    /// The name of the run has a character that not every format shows.
    RunCharacter {
        /// The name, at most [`RUN_BYTES`] characters of it.
        run: String,
    },
    /// The worker is neither a number nor a number of so many.
    WorkerText {
        /// The worker, at most [`RUN_BYTES`] characters of it.
        worker: String,
    },
    /// There is no worker of this number.
    WorkerBeyond {
        /// The number.
        worker: u32,
        /// How many there are.
        of: u32,
    },
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RunEmpty => f.write_str("the name of the run is empty; give it one, or leave it out"),
            Self::RunTooLong => write!(f, "the name of the run is longer than {RUN_BYTES} bytes; shorten it"),
            Self::RunCharacter { run } => write!(
                f,
                "the name of the run, {run:?}, has a character that not every format shows; use letters, digits and \
                 _ - . : /"
            ),
            Self::WorkerText { worker } => write!(
                f,
                "the worker {worker:?} is not a number, or a number of so many; write 3/40 for the fourth of forty"
            ),
            Self::WorkerBeyond { worker, of } => write!(
                f,
                "there is no worker {worker}/{of}: they are counted from 0, so that the last number is one less than all"
            ),
        }
    }
}

impl Error for IdentityError {}

const SLURM: &str = "SLURM_ARRAY_TASK_ID";

fn index(environment: &Environment, variable: &'static str) -> Option<u32> {
    let index = environment.whole(variable, 0..=u32::MAX.into(), "a number");
    index.unwrap_or_else(|error: EnvironmentError| ignored(&error, None)).and_then(|index| u32::try_from(index).ok())
}

/// `given`, and those of `own` that have a value and a name that is not in `given`.
fn merged<const N: usize>(given: &Labels, own: [(&str, Option<String>); N]) -> Labels {
    let mut all = given.clone();
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    all.extend(own.filter(|(name, _)| !given.has(name)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(identity: Identity) -> (Option<u32>, Option<u32>) {
        (identity.worker(), identity.of())
    }

    #[test]
    fn names_that_every_format_shows_are_taken() {
        let longest = "x".repeat(RUN_BYTES);
        for run in ["7", "nightly_7-a.b", "2026-11-28T12:00:00Z", "feature/login", &longest] {
            assert_eq!(
                Identity::default().with_run(run).map(|identity| identity.run() == Some(run)),
                Ok(true),
                "{run}"
            );
        }
        let too_long = "x".repeat(RUN_BYTES + 1);
        for (run, says) in [
            ("", "is empty"),
            (&*too_long, "longer than 64 bytes"),
            ("a b", "\"a b\", has a character"),
            ("a,b", "use letters, digits"),
            ("a|b#c", "use letters, digits"),
            ("a\nb", "use letters, digits"),
            ("ä", "use letters, digits"),
            ("a\0", "use letters, digits"),
        ] {
            let error = Identity::default().with_run(run).expect_err(run).to_string();
            assert!(error.contains(says), "{run:?}: {error}");
        }
        assert_eq!(Identity::default().run(), None);
    }

    #[test]
    fn workers_are_counted_from_0() {
        let worker = |text: &str| Identity::default().with_worker_text(text);
        assert_eq!(worker("3/40").map(of), Ok((Some(3), Some(40))));
        assert_eq!(worker("39/40").map(of), Ok((Some(39), Some(40))));
        assert_eq!(worker("0/1").map(of), Ok((Some(0), Some(1))));
        assert_eq!(worker("7").map(of), Ok((Some(7), None)));
        for text in ["40/40", "0/0", "41/40"] {
            let error = worker(text).expect_err(text).to_string();
            assert!(error.contains(text) && error.contains("counted from 0"), "{error}");
        }
        for text in ["", "/", "3/", "/40", "a/b", "-1/4", "+1/4", "1/4/5", "1.5", "4294967296", " 3/40"] {
            let error = worker(text).expect_err(text).to_string();
            assert!(error.contains("write 3/40"), "{text}: {error}");
        }
    }

    #[test]
    fn variables_of_schedulers_give_the_number_of_the_worker() {
        let from = |variables: &[(&str, &str)], of| Identity::from_env(&Environment::of(variables.iter().copied()), of);
        let (job, nomad, slurm) = ("JOB_COMPLETION_INDEX", "NOMAD_ALLOC_INDEX", "SLURM_ARRAY_TASK_ID");
        for (variables, count, expected) in [
            (&[][..], Some(40), (None, None)),
            (&[(job, "3")], Some(40), (Some(3), Some(40))),
            (&[(job, "3"), (nomad, "4")], None, (Some(3), None)),
            (&[(nomad, "4"), (slurm, "5")], Some(40), (Some(4), Some(40))),
            (&[(slurm, "40"), ("SLURM_ARRAY_TASK_MIN", "1")], Some(40), (Some(39), Some(40))),
            (&[(slurm, "5"), ("SLURM_ARRAY_TASK_MIN", "x")], None, (Some(5), None)),
            // A variable that was meant for other programs, or is wrong, does not stop a start.
            (&[(job, "x"), (nomad, "4")], None, (Some(4), None)),
            (&[(job, "")], Some(40), (None, None)),
            (&[(job, "99999999999")], Some(40), (None, None)),
            (&[(job, "40")], Some(40), (Some(40), None)),
        ] {
            assert_eq!(of(from(variables, count)), expected, "{variables:?}");
        }
    }

    #[test]
    fn labels_given_to_an_exporter_win_over_the_identity() {
        let identity = Identity::default().with_run("7").and_then(|run| run.with_worker(3, None)).expect("an identity");
        let (none, given) = (Labels::new(), Labels::from([("worker", "mine"), ("a", "b")]));
        assert_eq!(identity.tags_of_points(&none), [("worker", "3")].into());
        assert_eq!(identity.tags_of_points(&given), given);
        assert_eq!(identity.labels(&given), given);
        assert_eq!(identity.labels(&none), none);
        assert_eq!(identity.attributes(&given), [("worker", "mine"), ("a", "b"), ("run", "7")].into());
        let shown = identity.with_run_label().with_worker_label();
        assert_eq!(shown.labels(&none), [("worker", "3"), ("run", "7")].into());
        assert_eq!(shown.tags_of_points(&none), [("worker", "3"), ("run", "7")].into());
        assert_eq!(Identity::default().with_run_label().labels(&given), given);
    }
}
