//! The flags that say who sends.

use clap::{Args, ValueEnum};
use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::{Identity, IdentityError};

/// Which run and worker this process is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct IdentityArgs {
    /// The name of this run, the same for all workers of a test: up to 64 letters, digits and _ - . : /
    #[arg(long, value_name = "NAME", value_parser = run_name, global = true)]
    run: Option<String>,

    /// Which of how many workers this process is, counted from 0: the fourth of forty is 3/40. Tells them apart at every
    /// backend.
    #[arg(long, value_name = "I/N", value_parser = worker, global = true)]
    worker: Option<Identity>,

    /// How many workers there are, where --env says which one this is (JOB_COMPLETION_INDEX, NOMAD_ALLOC_INDEX,
    /// SLURM_ARRAY_TASK_ID).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "worker",
          requires = "env", global = true)]
    of: Option<u32>,

    /// Show the run, the worker or both in labels of everything. Each new value makes new series.
    #[arg(long, value_enum, value_name = "LABELS", value_delimiter = ',', global = true)]
    identity_labels: Vec<IdentityLabel>,
}

/// What of an identity is shown everywhere.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum IdentityLabel {
    Run,
    Worker,
}

impl IdentityArgs {
    /// Who sends, as the flags say, or else `environment`, of which it is warned where it cannot be used.
    pub(crate) fn read(&self, environment: &Environment) -> Identity {
        let worker = self.worker.unwrap_or_else(|| Identity::from_env(environment, self.of));
        // The name was looked at when the arguments were read.
        let named = self.run.as_deref().and_then(|run| worker.with_run(run).ok()).unwrap_or(worker);
        self.identity_labels.iter().fold(named, |identity, label| match label {
            IdentityLabel::Run => identity.with_run_label(),
            IdentityLabel::Worker => identity.with_worker_label(),
        })
    }
}

fn run_name(text: &str) -> Result<String, IdentityError> {
    Identity::default().with_run(text).map(|_| text.to_owned())
}

fn worker(text: &str) -> Result<Identity, IdentityError> {
    Identity::default().with_worker_text(text)
}
