//! The opt-in label `error_type`: the failures of each series are counted by kind.

use core::fmt;

use crate::registry::Registry;
use crate::registry::decided_once::DecidedOnce;

/// The registry already counts without the label `error_type`. Set it before the first recorder, the first exporter and
/// the first reading of totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorLabelInUse;

impl fmt::Display for ErrorLabelInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the registry already counts without the label error_type; set it before the first recorder, the first \
             exporter and the first reading of totals",
        )
    }
}

impl core::error::Error for ErrorLabelInUse {}

const ON: u64 = DecidedOnce::OFF + 1;

impl Registry<'_> {
    /// Switches the label `error_type` on; it is off by default. From then on all formats show failures by their
    /// [`ErrorKind`](crate::ErrorKind), each failure in exactly one: the kind that its sample has; else `status` where its
    /// status is 400 or more, and `other` where it is not. It is a label of the counter of requests alone.
    ///
    /// Failures are counted in 64 bytes per series and recorder, which stay untouched where nothing fails. Recording a
    /// failure then takes a few nanoseconds longer, and in storage that is [`Classic`](crate::Classic) a success as well.
    ///
    /// ```
    /// use core::time::Duration;
    /// use loaddensity_metrics_core::{ErrorKind, Sample, Storage};
    ///
    /// static STORAGE: Storage<100, 4, 1024> = Storage::new();
    /// let registry = STORAGE.registry();
    /// registry.set_error_label()?;
    /// let series = registry.series("GET", "/items");
    /// let sample = Sample::failed(Duration::from_secs(5)).error(ErrorKind::Timeout);
    /// registry.recorder().record(series, sample);
    /// assert_eq!(registry.totals().failures_of(ErrorKind::Timeout), 1);
    /// # Ok::<(), loaddensity_metrics_core::ErrorLabelInUse>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorLabelInUse`] after the first recorder, the first exporter or the first reading of totals, unless the label
    /// is on already.
    pub fn set_error_label(self) -> Result<(), ErrorLabelInUse> {
        if self.parts.control.errors.settle(ON) == ON { Ok(()) } else { Err(ErrorLabelInUse) }
    }

    /// Whether the label `error_type` is on. After this call it can no longer be switched on.
    #[must_use]
    #[inline]
    pub fn has_error_label(self) -> bool {
        self.parts.control.errors.get() == ON
    }
}
