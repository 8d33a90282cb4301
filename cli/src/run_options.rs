//! How documents are run: the flags that every command takes.

use std::time::Duration;

use clap::{Args, ValueEnum};
use loaddensity_metrics_shell::StatusLabel;
use loaddensity_metrics_shell::environment::Environment;

use crate::identity::IdentityArgs;

/// A flag is one field; who runs documents reads it from there.
#[derive(Debug, Args)]
#[command(next_help_heading = "How documents are run (run, run-dir, run-str)")]
pub(crate) struct RunOptions {
    /// Let the backends' standard environment variables (DD_*, OTEL_*, INFLUX*, …) say what an action leaves out.
    ///
    /// Without it no variable is read, so that a document means the same on every host. What an action gives wins.
    #[arg(long, global = true)]
    pub(crate) env: bool,

    /// Tell requests apart by status too, in a label "status" of every backend: its class (2xx) or the code (200).
    #[arg(long, value_enum, value_name = "HOW", global = true)]
    pub(crate) status_label: Option<StatusLabelName>,

    /// Tell failures apart by kind too, in a label "error_type" of the request counter in every backend: connect, timeout,
    /// reset, tls, protocol, status, other.
    #[arg(long, global = true)]
    pub(crate) error_label: bool,

    /// Let metrics pages serve on after their stop until one scrape has had the last values, for so long at most (0 to
    /// 86400), where their actions say nothing (linger_seconds). The program ends after that.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, global = true)]
    pub(crate) linger: Option<Duration>,

    /// Exit with 0, not with 3, where something that was recorded was not delivered.
    #[arg(long, global = true)]
    pub(crate) allow_loss: bool,

    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
}

impl RunOptions {
    /// What says the rest of what an action leaves out.
    pub(crate) fn environment(&self) -> Environment {
        if self.env { Environment::process() } else { Environment::default() }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum StatusLabelName {
    Class,
    Code,
}

impl From<StatusLabelName> for StatusLabel {
    fn from(name: StatusLabelName) -> Self {
        match name {
            StatusLabelName::Class => Self::Class,
            StatusLabelName::Code => Self::Code,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "expected seconds from 0 to 86400, such as 60".to_owned())
}
