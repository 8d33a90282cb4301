//! An engine's own instruments as readers and formats see them, in the order in which they were declared.

use crate::aggregates::observed::{CounterTotal, HistogramTotal};
use crate::counts::bounds::Quantity;
use crate::metrics::InstrumentKind;
use crate::metrics::produced_names::Named;
use crate::metrics::unit::ShownUnit;
use crate::registry::Registry;
use crate::registry::instruments::declaration::{Declared, Reach};
use crate::registry::instruments::observations::CellPlace;
use crate::request::series::Series;

/// An instrument of the engine's own: what was said of it, and what it counted.
///
/// ```
/// use loaddensity_metrics_core::{Exponential, Storage, Unit};
///
/// static STORAGE: Storage<100, 4, 1_024, Exponential, 2> = Storage::new();
/// let registry = STORAGE.registry();
/// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
/// registry.recorder().add_to_run(iterations, 3);
/// for instrument in registry.instruments() {
///     assert_eq!(instrument.name(), "iterations");
///     for series in instrument.series() {
///         assert_eq!(instrument.counter(series).map(|total| total.sum), Some(3));
///     }
/// }
/// # Ok::<(), loaddensity_metrics_core::InstrumentError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OwnInstrument<'a> {
    registry: Registry<'a>,
    declared: Declared,
}

impl<'a> OwnInstrument<'a> {
    /// Its name, as the engine said it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.declared.name
    }

    /// What it says of itself.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.declared.description
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> InstrumentKind {
        self.declared.shape.kind
    }

    /// The unit in which it is shown.
    #[must_use]
    pub const fn unit(&self) -> ShownUnit {
        self.declared.shape.unit
    }

    /// Whether it counts each series by itself or the whole run.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.declared.shape.reach
    }

    /// The series that formats show it of: for a counter those that have counted anything, requests or observations, so that
    /// it is 0 before it is raised; for a histogram those that have a value. For one of the run it is
    /// [`Series::OVERFLOW`], which then stands for the run: a counter's always, a histogram's once it has a value.
    pub fn series(&self) -> impl Iterator<Item = Series> {
        self.registry.series_among(0..self.series_end()).filter(|series| self.is_shown(*series))
    }

    /// Whether formats show it of a series, by the rules of [`series`](Self::series).
    #[must_use]
    pub fn is_shown(&self, series: Series) -> bool {
        match (self.kind(), self.reach()) {
            (InstrumentKind::Counter, Reach::Run) => true,
            // Most that are shown have counted something themselves: then nothing else is asked.
            (InstrumentKind::Counter, Reach::Series) => {
                self.observations(series) != 0 || self.registry.has_counted(series)
            }
            (InstrumentKind::Histogram, _) => self.observations(series) != 0,
        }
    }

    /// What it counted of a series, or of the run; `None` where it is a histogram.
    #[must_use]
    pub fn counter(&self, series: Series) -> Option<CounterTotal> {
        match self.kind() {
            InstrumentKind::Counter => self.place(series).map(|at| self.registry.counter_at(at)),
            InstrumentKind::Histogram => None,
        }
    }

    /// What it counted of a series, or of the run; `None` where it is a counter.
    #[must_use]
    pub fn histogram(&self, series: Series) -> Option<HistogramTotal> {
        match self.kind() {
            InstrumentKind::Counter => None,
            InstrumentKind::Histogram => self.place(series).map(|at| self.registry.histogram_at(at, self.quantity())),
        }
    }

    /// How often it was raised or got a value, of a series or of the run.
    #[must_use]
    pub fn observations(&self, series: Series) -> u64 {
        self.place(series).map_or(0, |at| self.registry.observations_at(self.kind(), at))
    }

    /// What formats make names of.
    pub(crate) fn named(&self) -> Named<'_> {
        self.declared.named()
    }

    /// Whether its values are times or numbers.
    pub(crate) const fn quantity(&self) -> Quantity {
        match self.declared.shape.unit {
            ShownUnit::Milliseconds => Quantity::Latency,
            ShownUnit::One | ShownUnit::Bytes => Quantity::Size,
        }
    }

    pub(crate) const fn registry(&self) -> Registry<'a> {
        self.registry
    }

    /// Series with this number or a higher one have counted nothing of it. One of the run counts in the first alone.
    pub(crate) fn series_end(&self) -> u32 {
        self.registry.series_end_of(self.reach())
    }

    /// Where it counts a series, or the run.
    pub(crate) fn place(&self, series: Series) -> Option<CellPlace> {
        let series = if self.reach() == Reach::Run { Series::OVERFLOW } else { series };
        self.registry.cell_place(self.declared.index as u32, series)
    }
}

impl<'a> Registry<'a> {
    /// The instruments of the engine's own, in the order in which they were declared.
    pub fn instruments(self) -> impl Iterator<Item = OwnInstrument<'a>> {
        self.own_instruments().each().map(move |declared| OwnInstrument { registry: self, declared })
    }

    /// The one at this place in that order, for readers that come back later.
    #[must_use]
    pub fn instrument_at(self, place: usize) -> Option<OwnInstrument<'a>> {
        self.own_instruments().nth(place).map(|declared| OwnInstrument { registry: self, declared })
    }

    /// Whether a series has requests or observations.
    fn has_counted(self, series: Series) -> bool {
        self.requests_of(series) != 0 || self.has_observations(series)
    }

    /// Whether a series has observations and no requests, so that formats show nothing of requests of it.
    pub(crate) fn has_observations_alone(self, series: Series) -> bool {
        self.requests_of(series) == 0 && self.has_observations(series)
    }

    fn has_observations(self, series: Series) -> bool {
        self.own_instruments().shapes().filter(|(shape, _)| shape.reach == Reach::Series).any(|(shape, index)| {
            self.cell_place(index as u32, series).is_some_and(|at| self.observations_at(shape.kind, at) != 0)
        })
    }
}
