//! How many observations there are of an engine's own instruments, and where shards count them.

use crate::atomics::Ordering;
use crate::counts::observed_cells::{ObservedCells, number_of, place};
use crate::counts::outcome_cell::OutcomeCell;
use crate::metrics::InstrumentKind;
use crate::metrics::unit::ShownUnit;
use crate::registry::Registry;
use crate::registry::instruments::declaration::{Declared, Reach};
use crate::request::series::Series;

/// Where all shards have the cell of one instrument and series.
#[derive(Clone, Copy)]
pub(crate) struct CellPlace(usize);

impl CellPlace {
    /// The place among those of its kind: instrument by instrument, in each series by series.
    pub(crate) const fn number(self) -> usize {
        self.0
    }
}

/// How often instruments of the engine's own were raised or got a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservationsByKind {
    /// How often counters were raised.
    pub counters: u64,
    /// Values of timers.
    pub timers: u64,
    /// Values of other histograms.
    pub histograms: u64,
}

impl ObservationsByKind {
    /// What came since `earlier`.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            counters: self.counters.saturating_sub(earlier.counters),
            timers: self.timers.saturating_sub(earlier.timers),
            histograms: self.histograms.saturating_sub(earlier.histograms),
        }
    }
}

impl<'a> Registry<'a> {
    /// Whether its storage was built with room for instruments of the engine's own.
    #[must_use]
    pub fn has_room_for_instruments(self) -> bool {
        let kinds = [InstrumentKind::Counter, InstrumentKind::Histogram];
        kinds.into_iter().any(|kind| self.own_instruments().room(kind) != 0)
    }

    /// How often instruments of the engine's own were raised or got a value, since the storage was made.
    #[must_use]
    pub fn observations(self) -> u64 {
        self.own_instruments().each().fold(0, |sum, declared| sum.wrapping_add(self.observations_of(&declared)))
    }

    /// The same by kind.
    #[must_use]
    pub fn observations_by_kind(self) -> ObservationsByKind {
        let mut all = ObservationsByKind::default();
        for declared in self.own_instruments().each() {
            let of_kind = match (declared.shape.kind, declared.shape.unit) {
                (InstrumentKind::Counter, _) => &mut all.counters,
                (InstrumentKind::Histogram, ShownUnit::Milliseconds) => &mut all.timers,
                (InstrumentKind::Histogram, ShownUnit::One | ShownUnit::Bytes) => &mut all.histograms,
            };
            *of_kind = of_kind.wrapping_add(self.observations_of(&declared));
        }
        all
    }

    fn observations_of(self, declared: &Declared) -> u64 {
        let all = (0..self.series_end_of(declared.shape.reach)).map(Series::from_number);
        let places = all.filter_map(|series| self.cell_place(declared.index as u32, series));
        places.fold(0, |sum, at| sum.wrapping_add(self.observations_at(declared.shape.kind, at)))
    }

    /// Series with this number or a higher one have counted nothing of an instrument. One of the run counts in the first
    /// alone.
    pub(crate) fn series_end_of(self, reach: Reach) -> u32 {
        match reach {
            Reach::Series => self.series_end(),
            Reach::Run => 1,
        }
    }

    /// The place of the cells of an instrument with this index among those of its kind. A handle of another registry names the
    /// overflow series where it names none.
    pub(crate) fn cell_place(self, index: u32, series: Series) -> Option<CellPlace> {
        let capacity = self.parts.entries.len();
        let series = if series.index() < capacity { series } else { Series::OVERFLOW };
        place(capacity, (index, series.number())).map(CellPlace)
    }

    /// Observations in the cells at a place. To be read before all else that they have.
    pub(crate) fn observations_at(self, kind: InstrumentKind, at: CellPlace) -> u64 {
        let mut number = 0_u64;
        self.each_observed(|cells| {
            let of_cell = match kind {
                InstrumentKind::Counter => cells.counters.get(at.0).map(number_of),
                InstrumentKind::Histogram => cells.histograms.cell(at.0).map(OutcomeCell::observations),
            };
            number = number.wrapping_add(of_cell.unwrap_or_default());
        });
        number
    }

    /// Calls `read` with what each shard counted that has ever been claimed.
    pub(crate) fn each_observed(self, mut read: impl FnMut(ObservedCells<'a>)) {
        let control = self.parts.control;
        // Acquire, twice: as in `shard_cells`.
        for shard in 0..control.shards_used.load(Ordering::Acquire) as usize {
            read(self.parts.seldom.own_observed(shard));
        }
        if control.spill_used.load(Ordering::Acquire) != 0 {
            read(self.parts.seldom.spill_observed());
        }
    }
}
