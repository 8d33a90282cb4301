//! LoadDensity's calls as free functions over exporters that the whole process shares.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::StartError;
use crate::exporters::Exporters;
use crate::report::Report;
use crate::runtime::Runtime;
use crate::settings::Settings;

/// The process-wide exporters; what [`process_wide!`](crate::process_wide!) makes its `static` from.
#[derive(Debug)]
pub struct ProcessWide<R: Runtime> {
    running: Mutex<Option<&'static Exporters<R>>>,
}

impl<R: Runtime> ProcessWide<R> {
    /// Nothing runs yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { running: Mutex::new(None) }
    }

    /// The exporters, started with [`Settings::default`] on first use.
    ///
    /// # Errors
    /// See [`Exporters::start`].
    pub fn started(&self) -> Result<&'static Exporters<R>, StartError> {
        let mut running = self.lock();
        match *running {
            Some(exporters) => Ok(exporters),
            None => Self::start(&mut running, Settings::default()),
        }
    }

    /// The exporters, started with `settings`: an identity, for instance.
    ///
    /// # Errors
    /// [`StartError::StorageInUse`] where they have been started already; see also [`Exporters::start`].
    pub fn started_with(&self, settings: Settings) -> Result<&'static Exporters<R>, StartError> {
        let mut running = self.lock();
        if running.is_some() { Err(StartError::StorageInUse) } else { Self::start(&mut running, settings) }
    }

    /// The exporters, if they have been started.
    pub fn running(&self) -> Option<&'static Exporters<R>> {
        *self.lock()
    }

    /// Stops and flushes everything within `deadline`; `None` where nothing was ever started. The next start begins
    /// anew.
    pub fn shutdown(&self, deadline: Duration) -> Option<Report> {
        // Taken out first, so that a start meanwhile gets an error for the storage in use, not a handle that is shut down.
        let exporters = self.lock().take()?;
        Some(exporters.shutdown_in_place(deadline))
    }

    fn start(
        running: &mut Option<&'static Exporters<R>>,
        settings: Settings,
    ) -> Result<&'static Exporters<R>, StartError> {
        // A static reference is the point; each shutdown and new start leaks a hundred bytes.
        let exporters = &*Box::leak(Box::new(Exporters::start(settings)?));
        Ok(running.insert(exporters))
    }

    fn lock(&self) -> MutexGuard<'_, Option<&'static Exporters<R>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Runtime> Default for ProcessWide<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes, in the crate of a runtime, LoadDensity's eight calls and `exporters`, `shutdown` as free functions over
/// exporters that the whole process shares.
///
/// ```ignore
/// loaddensity_metrics_shell::process_wide!(Tokio);
/// ```
#[macro_export]
macro_rules! process_wide {
    ($runtime:ty) => {
        static PROCESS_WIDE: $crate::process_wide::ProcessWide<$runtime> = $crate::process_wide::ProcessWide::new();

        /// The process-wide exporters, started on first use with the default settings, on a thread of their own.
        ///
        /// # Errors
        /// Those of `Exporters::start`.
        pub fn exporters() -> Result<&'static $crate::Exporters<$runtime>, $crate::StartError> {
            PROCESS_WIDE.started()
        }

        /// The process-wide exporters, started with `settings` (an identity, for instance), before anything else here is
        /// called.
        ///
        /// # Errors
        /// `StartError::StorageInUse` where they have been started already, and those of `Exporters::start`.
        pub fn exporters_with(
            settings: $crate::Settings,
        ) -> Result<&'static $crate::Exporters<$runtime>, $crate::StartError> {
            PROCESS_WIDE.started_with(settings)
        }

        /// Stops and flushes every process-wide exporter within `deadline`. Nothing does this at the end of the
        /// process by itself. An empty report: none was ever started.
        pub fn shutdown(deadline: ::core::time::Duration) -> $crate::Report {
            PROCESS_WIDE.shutdown(deadline).unwrap_or_default()
        }

        $crate::each_exporter!($crate::process_wide_calls);
    };
}

/// A start and a stop call for each exporter, on what [`process_wide!`](crate::process_wide!) makes.
#[doc(hidden)]
#[macro_export]
macro_rules! process_wide_calls {
    ($($exporter:ident: $folder:ident, feature $feature:literal {
        $(#[$start_doc:meta])* fn $start:ident($config:ident) -> $answer:ty = $Start:ident;
        $(#[$stop_doc:meta])* fn $stop:ident() = $Stop:ident;
    })*) => {$(
        /// The call of this name on the process-wide exporters, which are started if need be.
        ///
        /// # Errors
        /// As there, or those of starting the exporters.
        pub fn $start(config: $crate::$config) -> Result<$answer, $crate::StartError> {
            exporters()?.$start(config)
        }

        /// The call of this name on the process-wide exporters. `None`: it was not running.
        ///
        /// # Errors
        /// As there.
        pub fn $stop() -> Result<Option<$crate::Account>, $crate::StopError> {
            PROCESS_WIDE.running().map_or(Ok(None), |exporters| exporters.$stop())
        }
    )*};
}
