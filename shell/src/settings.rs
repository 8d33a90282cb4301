//! What the exporters as a whole are told at their start.

use std::time::Duration;

use loaddensity_metrics_core::{DefaultStorage, Registry};

use crate::config::configuration;
use crate::identity::Identity;
use crate::thread_settings::ThreadSettings;

/// The storage that [`Settings::default`] names: zero pages of the process until something is recorded.
static DEFAULT_STORAGE: DefaultStorage = DefaultStorage::new();

configuration! {
    without default:
    /// What [`Exporters::start`](crate::Exporters::start) works on.
    #[derive(Clone, Copy, Debug)]
    pub struct Settings {
        /// Whose requests are exported. Default: the registry of one process-wide [`DefaultStorage`].
        pub registry: Registry<'static>,
        /// How long a stop call waits for an exporter to flush, and dropping the exporters for all of them. Default
        /// 5 s; more than a day counts as a day.
        pub stop_deadline: Duration,
        /// Who sends, which tells several generators apart. Default nobody: then accidents between two of them are
        /// rare, but not ruled out (docs/generators.md).
        pub identity: Identity,
        /// The thread that they run on. Default: one that is named `loaddensity-metrics`, as the system makes it.
        pub thread: ThreadSettings,
    }
}

impl Settings {
    /// The defaults, on the registry of a storage of one's own.
    #[must_use]
    pub const fn on(registry: Registry<'static>) -> Self {
        Self {
            registry,
            stop_deadline: Duration::from_secs(5),
            identity: Identity::NOBODY,
            thread: ThreadSettings::DEFAULT,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::on(DEFAULT_STORAGE.registry())
    }
}
