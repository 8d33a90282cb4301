//! Which runtimes a measurement is taken on.

use clap::ValueEnum;

/// What `--runtime` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RuntimeChoice {
    /// smol alone.
    Smol,
    /// tokio alone.
    Tokio,
    /// smol, then tokio.
    Both,
}

impl RuntimeChoice {
    /// Whether smol is one of them.
    #[must_use]
    pub const fn has_smol(self) -> bool {
        matches!(self, Self::Smol | Self::Both)
    }

    /// Whether tokio is one of them.
    #[must_use]
    pub const fn has_tokio(self) -> bool {
        matches!(self, Self::Tokio | Self::Both)
    }
}
