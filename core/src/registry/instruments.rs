//! Instruments of the engine's own: declared once, then recorded through the recorder that the engine has already.

pub(crate) mod declaration;
pub(crate) mod declared;
pub(crate) mod instrument_error;
pub(crate) mod observations;
pub(crate) mod reserved;

use core::time::Duration;

use self::declaration::{Declaration, InstrumentShape, Reach};
use self::declared::Instruments;
use self::instrument_error::InstrumentError;
use crate::metrics::InstrumentKind;
use crate::metrics::handles::{Counter, Histogram};
use crate::metrics::produced_names::{Named, NamedKind, clash, influxdb};
use crate::metrics::unit::{ShownUnit, Unit};
use crate::registry::Registry;

impl<'a> Registry<'a> {
    /// A counter of the engine's own for each series, declared now if it is new: the same name, unit and reach give the same
    /// handle, from any thread. All four backends show it (`docs/own-instruments.md`); in the process it is
    /// read with [`series_counter_total`](Self::series_counter_total) and [`instruments`](Self::instruments).
    ///
    /// Declare instruments before the load begins: this takes a lock of the storage for an instant.
    ///
    /// ```
    /// use loaddensity_metrics_core::{Exponential, Storage, Unit};
    ///
    /// // Room for one counter and no histogram.
    /// static STORAGE: Storage<100, 4, 1_024, Exponential, 1> = Storage::new();
    /// let registry = STORAGE.registry();
    /// let checks_failed = registry.counter("checks_failed", Unit::One, "Checks that failed")?;
    /// let series = registry.series("GET", "/items");
    /// registry.recorder().add(checks_failed, series, 2);
    /// assert_eq!(registry.series_counter_total(checks_failed, series).sum, 2);
    /// # Ok::<(), loaddensity_metrics_core::InstrumentError>(())
    /// ```
    ///
    /// # Errors
    /// A name or a description that cannot be shown, or that is somebody else's; no room: see [`InstrumentError`].
    pub fn counter(self, name: &str, unit: Unit, description: &str) -> Result<Counter, InstrumentError> {
        self.own_counter(name, unit, description, Reach::Series)
    }

    /// The same for the whole run: [`Recorder::add_to_run`](crate::Recorder::add_to_run) counts in it.
    ///
    /// # Errors
    /// As for [`counter`](Self::counter).
    pub fn run_counter(self, name: &str, unit: Unit, description: &str) -> Result<Counter, InstrumentError> {
        self.own_counter(name, unit, description, Reach::Run)
    }

    /// A histogram of times of the engine's own for each series, declared now if it is new, like
    /// [`counter`](Self::counter). It is read in nanoseconds.
    ///
    /// ```
    /// use core::time::Duration;
    /// use loaddensity_metrics_core::{Exponential, Storage};
    ///
    /// // Room for one histogram and no counter.
    /// static STORAGE: Storage<100, 4, 1_024, Exponential, 0, 1> = Storage::new();
    /// let registry = STORAGE.registry();
    /// let description = "From the request's last byte to the answer's first";
    /// let first_byte = registry.timer("time_to_first_byte", description)?;
    /// let series = registry.series("GET", "/items");
    /// registry.recorder().observe(first_byte, series, Duration::from_micros(850));
    /// let total = registry.series_histogram_total(first_byte, series);
    /// assert_eq!((total.count(), total.sum), (1, 850_000));
    /// # Ok::<(), loaddensity_metrics_core::InstrumentError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`counter`](Self::counter).
    pub fn timer(self, name: &str, description: &str) -> Result<Histogram<Duration>, InstrumentError> {
        self.own_histogram(name, ShownUnit::Milliseconds, description, Reach::Series).map(Histogram::from_bits)
    }

    /// The same for the whole run: [`Recorder::observe_in_run`](crate::Recorder::observe_in_run) counts in it.
    ///
    /// # Errors
    /// As for [`counter`](Self::counter).
    pub fn run_timer(self, name: &str, description: &str) -> Result<Histogram<Duration>, InstrumentError> {
        self.own_histogram(name, ShownUnit::Milliseconds, description, Reach::Run).map(Histogram::from_bits)
    }

    /// A histogram of numbers of the engine's own for each series, declared now if it is new, like
    /// [`counter`](Self::counter).
    ///
    /// # Errors
    /// As for [`counter`](Self::counter).
    pub fn histogram(self, name: &str, unit: Unit, description: &str) -> Result<Histogram<u64>, InstrumentError> {
        self.own_histogram(name, unit.into(), description, Reach::Series).map(Histogram::from_bits)
    }

    /// The same for the whole run: [`Recorder::observe_in_run`](crate::Recorder::observe_in_run) counts in it.
    ///
    /// # Errors
    /// As for [`counter`](Self::counter).
    pub fn run_histogram(self, name: &str, unit: Unit, description: &str) -> Result<Histogram<u64>, InstrumentError> {
        self.own_histogram(name, unit.into(), description, Reach::Run).map(Histogram::from_bits)
    }

    fn own_counter(self, name: &str, unit: Unit, text: &str, reach: Reach) -> Result<Counter, InstrumentError> {
        let shape = InstrumentShape { kind: InstrumentKind::Counter, unit: unit.into(), reach };
        self.declare(&Declaration::new(name, text, shape)?).map(Counter::from_bits)
    }

    fn own_histogram(self, name: &str, unit: ShownUnit, text: &str, reach: Reach) -> Result<u32, InstrumentError> {
        let shape = InstrumentShape { kind: InstrumentKind::Histogram, unit, reach };
        self.declare(&Declaration::new(name, text, shape)?)
    }

    fn declare(self, wanted: &Declaration<'_>) -> Result<u32, InstrumentError> {
        let named = wanted.named();
        if reserved::is_reserved(&named) {
            return Err(InstrumentError::Reserved);
        }
        self.own_instruments().declare(wanted, || self.gauge_names().all(|name| !clash(&gauge(&name), &named)))
    }

    /// Whether some format would call an instrument what it calls a gauge of this name.
    pub(crate) fn is_instrument(self, name: &str) -> bool {
        self.own_instruments().each().any(|declared| clash(&declared.named(), &gauge(name)))
    }

    /// Whether a declared instrument has a field of this name in InfluxDB, of which version 3 refuses points with a tag of the
    /// same name.
    #[must_use]
    pub fn is_influxdb_field(self, name: &str) -> bool {
        let has_it = |named: Named<'_>| influxdb(&named).of(&named).any(|field| field.is(name));
        self.own_instruments().each().any(|declared| has_it(declared.named()))
    }

    pub(crate) fn own_instruments(self) -> Instruments<'a> {
        Instruments { control: &self.parts.control.instruments, words: self.parts.seldom.declared() }
    }
}

/// A gauge of this name.
pub(crate) const fn gauge(name: &str) -> Named<'_> {
    Named { name, kind: NamedKind::Gauge, unit: ShownUnit::One }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::metrics::produced_names::{dogstatsd, otlp, prometheus};
    use crate::random::Random;
    use crate::registry::storage::{Classic, Storage};
    use std::boxed::Box;
    use std::collections::BTreeSet;
    use std::string::{String, ToString};
    use std::vec::Vec;

    /// What the exporters show of requests and of themselves, as their documents spell it, without what all names begin with.
    const PROMETHEUS: &str = "requests requests_total requests_created request_latency_ms request_latency_ms_bucket \
         request_latency_ms_sum request_latency_ms_count response_bytes response_bytes_bucket response_bytes_sum \
         response_bytes_count run run_info exporter_held registry_series";
    const OTLP: &str = "requests request.latency response.size";
    const DOGSTATSD: &str = "requests request.latency response.size";
    const INFLUXDB: &str = "time method name outcome status error_type";

    /// Names that meet in many ways.
    const NAMES: [&str; 22] = [
        "a",
        "a_count",
        "a_sum",
        "a_max",
        "a_p99",
        "a_bucket",
        "a_created",
        "a_ms",
        "a_bytes",
        "a_ms_sum",
        "a_bytes_total",
        "a_total",
        "b",
        "b_count",
        "requests",
        "request_latency",
        "response",
        "run",
        "time",
        "name",
        "exporter_held",
        "registry_series",
    ];

    fn declare_any(registry: Registry<'_>, name: &str, kind: usize) -> bool {
        match kind {
            0 => registry.counter(name, Unit::One, "").is_ok(),
            1 => registry.run_counter(name, Unit::Bytes, "").is_ok(),
            2 => registry.timer(name, "").is_ok(),
            3 => registry.histogram(name, Unit::One, "").is_ok(),
            4 => registry.run_histogram(name, Unit::Bytes, "").is_ok(),
            _ => registry.gauge(name).is_ok(),
        }
    }

    /// All names of a format must be different.
    fn check_names(registry: Registry<'_>) {
        let gauges: Vec<_> = registry.gauge_names().collect();
        let declared: Vec<_> = registry.own_instruments().each().collect();
        for (format, own) in [
            (prometheus as fn(&Named<'_>) -> _, PROMETHEUS),
            (otlp, OTLP),
            (dogstatsd, DOGSTATSD),
            (influxdb, INFLUXDB),
        ] {
            let mut seen: BTreeSet<String> = own.split_whitespace().map(ToString::to_string).collect();
            let all = declared.iter().map(|it| it.named()).chain(gauges.iter().map(|name| gauge(name)));
            for named in all {
                for produced in format(&named).of(&named) {
                    assert!(seen.insert(produced.to_string()), "{produced} twice: {declared:?}, {gauges:?}");
                }
            }
        }
    }

    #[test]
    fn whatever_is_declared_no_format_has_one_name_for_two() {
        let (mut random, mut most) = (Random::new(7), 0);
        for _ in 0..300 {
            let storage = Box::<Storage<2, 1, 2, Classic, 16, 16>>::default();
            let registry = storage.registry();
            let accepted = (0..40).filter(|_| declare_any(registry, NAMES[random.below(NAMES.len())], random.below(6)));
            most = accepted.count().max(most);
            check_names(registry);
        }
        assert!(most > 8, "hardly anything was accepted: {most}");
    }
}
