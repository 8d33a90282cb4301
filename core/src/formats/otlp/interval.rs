//! Delta temporality: what came in one interval, frozen, so that it can be sent in several requests and again.
//!
//! Source: OpenTelemetry metrics data model, "Temporality"; start and end of intervals touch.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;

use super::export::PointRow;
use super::{Export, ExportOptions, HistogramAggregation, OwnExport, Resource, Sources};
use crate::aggregates::observed_rows::ObservedRows;
use crate::aggregates::row::RowShape;
use crate::aggregates::rows::{Rows, TooFewWords};
use crate::registry::Registry;
use crate::request::sample::Timestamp;

/// One interval after another over what a registry counts, in memory of the caller's.
///
/// Nothing is lost or told twice: what was settled is, together with what is not yet, what the registry counted since
/// [`new`](Self::new).
///
/// ```
/// use loaddensity_metrics_core::otlp::{DeltaInterval, ExportOptions, Resource, Sources};
/// use core::time::Duration;
/// use loaddensity_metrics_core::{Sample, Storage, Timestamp};
///
/// static STORAGE: Storage<10, 1, 16> = Storage::new();
/// let (registry, at) = (STORAGE.registry(), Timestamp::from_unix_nanos);
/// let options = ExportOptions::default();
/// let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, options)];
/// let (mut interval, _counted_before) = DeltaInterval::new(registry, options, memory, at(1))?;
/// registry.recorder().record(registry.series("GET", "/x"), Sample::http(200, Duration::from_millis(3)));
/// assert_eq!(interval.end(registry, at(2)), 1);
/// let (resource, mut export, mut buffer) = (Resource::new("checkout"), interval.export(registry), [0; 4096]);
/// while let Some(part) = export.next_request(Sources::of_interval(registry, &resource, &interval), &mut buffer)? {
///     // Send `part.of(&buffer)`; when it has arrived, or is given up:
///     interval.settle(export, part.next);
///     export = part.next;
/// }
/// assert_eq!((interval.unsettled(), interval.end(registry, at(3))), (0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DeltaInterval<M> {
    rows: Rows<M>,
    /// Of own instruments, where they are sent. The interval is one of both.
    observed: Option<ObservedRows<M>>,
    options: ExportOptions,
    start: Timestamp,
    end: Timestamp,
    /// Whether any of it was settled since it ended.
    is_begun: bool,
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> DeltaInterval<M> {
    /// Words of memory that a registry needs: with the contract's bounds 768 bytes for each series of its capacity, 16,640
    /// with exponential histograms. Those of series and outcomes that count nothing are never written.
    #[must_use]
    pub fn words(registry: Registry<'_>, options: ExportOptions) -> usize {
        Rows::<M>::words(registry, shape(registry, options))
    }

    /// Intervals from `now` on, and how many requests had been counted before. `memory` has [`words`](Self::words) words
    /// or more; what it holds is overwritten.
    ///
    /// # Errors
    /// [`TooFewWords`] where the memory is smaller.
    pub fn new(
        registry: Registry<'_>,
        options: ExportOptions,
        memory: M,
        now: Timestamp,
    ) -> Result<(Self, u64), TooFewWords> {
        let (rows, before) = Rows::new(registry, shape(registry, options), memory)?;
        Ok((Self::over(rows, options, now), before))
    }

    const fn over(rows: Rows<M>, options: ExportOptions, now: Timestamp) -> Self {
        Self { rows, observed: None, options, start: now, end: now, is_begun: false }
    }

    /// The same with what the engine's own instruments count, in these rows of the same registry. Their first interval should
    /// have begun as this one does.
    ///
    /// ```
    /// use loaddensity_metrics_core::otlp::{DeltaInterval, ExportOptions, Resource, Sources};
    /// use loaddensity_metrics_core::{Exponential, ObservedRows, Storage, Timestamp, Unit};
    ///
    /// static STORAGE: Storage<10, 1, 16, Exponential, 1> = Storage::new();
    /// let (registry, at) = (STORAGE.registry(), Timestamp::from_unix_nanos);
    /// let iterations = registry.run_counter("iterations", Unit::One, "Iterations that ended")?;
    /// let memory = vec![0; DeltaInterval::<Vec<u64>>::words(registry, ExportOptions::default())];
    /// let (interval, _) = DeltaInterval::new(registry, ExportOptions::default(), memory, at(1))?;
    /// let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
    /// let (rows, _observed_before) = ObservedRows::new(registry, memory)?;
    /// let mut interval = interval.with_instruments(rows);
    /// registry.recorder().add_to_run(iterations, 3);
    /// interval.end(registry, at(2));
    /// assert_eq!(interval.observations_unsettled(), 1);
    /// let (resource, mut buffer) = (Resource::new("checkout"), [0; 8192]);
    /// let mut export = interval.own_export(registry).expect("it has own instruments");
    /// while let Some(part) = export.next_request(Sources::of_interval(registry, &resource, &interval), &mut buffer)? {
    ///     // Send `part.of(&buffer)`; when it has arrived, or is given up:
    ///     interval.settle_instruments(registry, export, part.next);
    ///     export = part.next;
    /// }
    /// assert_eq!(interval.observations_unsettled(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_instruments(self, rows: ObservedRows<M>) -> Self {
        Self { observed: Some(rows), ..self }
    }

    /// Ends the interval at `now`, after which the next one begins; returns how many requests it has. What the one before
    /// has that was not settled is part of it; where nothing of that was settled, it is one with it.
    pub fn end(&mut self, registry: Registry<'_>, now: Timestamp) -> u64 {
        self.begin_to_end(now);
        self.read_some(registry, usize::MAX);
        self.unsettled()
    }

    /// The same, where what the interval has is read by [`read_some`](Self::read_some). Calling it again before all is read
    /// moves the end, and all is read again.
    pub fn begin_to_end(&mut self, now: Timestamp) {
        // Points of one series must not overlap in time.
        let is_settled = self.unsettled() == 0 && self.observations_unsettled() == 0;
        if !self.is_freezing() && (self.is_begun || is_settled) {
            self.start = self.end;
        }
        // A clock that was set back must not end an interval before it began.
        self.end = self.end.max(now);
        self.is_begun = false;
        self.rows.begin_to_freeze();
        if let Some(observed) = &mut self.observed {
            observed.begin_to_freeze();
        }
    }

    /// Reads what `most` of the series have counted, the next ones, so that other work can be done in between; after them as many
    /// rows of own instruments. Whether all are read now; until then, nothing is to be exported or settled. A request that is
    /// recorded meanwhile is part of this interval or of the next.
    pub fn read_some(&mut self, registry: Registry<'_>, most: usize) -> bool {
        let is_read = self.rows.freeze_some(registry, most);
        is_read && self.observed.as_mut().is_none_or(|observed| observed.freeze_some(registry, most))
    }

    fn is_freezing(&self) -> bool {
        self.rows.is_freezing() || self.observed.as_ref().is_some_and(ObservedRows::is_freezing)
    }

    /// Requests that were counted before the first interval.
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.rows.before()
    }

    /// What the interval has that is not settled, in requests.
    #[must_use]
    pub const fn unsettled(&self) -> u64 {
        self.rows.unsettled()
    }

    /// What the interval has of own instruments that is not settled, in observations.
    #[must_use]
    pub fn observations_unsettled(&self) -> u64 {
        self.observed.as_ref().map_or(0, ObservedRows::unsettled)
    }

    /// A cycle over what the interval has and is not settled. It can be begun any number of times. Buffers of the same
    /// lengths get the same bytes, apart from gauges.
    #[must_use]
    pub fn export(&self, registry: Registry<'_>) -> Export {
        Export::new(registry, self.start, self.end)
    }

    /// The same over what it has of own instruments; `None` where it has no rows of them.
    #[must_use]
    pub fn own_export(&self, registry: Registry<'_>) -> Option<OwnExport> {
        self.observed.as_ref().map(|_| OwnExport::new(registry, self.start, self.end))
    }

    /// The part of a cycle from `from` to `to` has arrived, or never will: the interval does not have its requests any
    /// more, and the next one will not. Returns how many those are.
    ///
    /// A series is settled with its point of the counter, which comes after all others of that series.
    pub fn settle(&mut self, from: Export, to: Export) -> u64 {
        self.is_begun = true;
        let settle = |row: PointRow| match row.kind {
            Some(kind) => self.rows.settle_kind(row.series, kind),
            None => self.rows.settle(row.series, row.outcome),
        };
        from.counted_until(to).map(settle).sum()
    }

    /// The same of own instruments: returns how many observations the interval does not have any more.
    pub fn settle_instruments(&mut self, registry: Registry<'_>, from: OwnExport, to: OwnExport) -> u64 {
        self.is_begun = true;
        let (observed, mut settled) = (&mut self.observed, 0_u64);
        if let Some(rows) = observed {
            from.each_until(to, registry, |instrument, series| {
                settled = settled.wrapping_add(rows.settle(instrument, series));
            });
        }
        settled
    }

    /// Moves the end of the interval to `now`, unless it is later already, and with it the beginning of the next one: for
    /// what is left when it gets a new time, by [`Export::at`]. Returns the end.
    pub fn postpone(&mut self, now: Timestamp) -> Timestamp {
        self.end = self.end.max(now);
        self.end
    }
}

impl<'a> Sources<'a> {
    /// What came in the interval that ended last and is not settled, of requests and of own instruments, with the interval's own
    /// options. Extremes and exemplars are left out, for those of an interval are not known.
    #[must_use]
    pub fn of_interval<M: AsRef<[u64]> + AsMut<[u64]>>(
        registry: Registry<'a>,
        resource: &'a Resource,
        interval: &'a DeltaInterval<M>,
    ) -> Self {
        let observed = interval.observed.as_ref().map(ObservedRows::frozen);
        Self::new(registry, resource).of_rows(interval.options, interval.rows.frozen(), observed)
    }
}

#[cfg(feature = "alloc")]
impl DeltaInterval<Vec<u64>> {
    /// As [`new`](Self::new), in memory of the allocator's. But what was counted before is read by
    /// [`read_some`](Self::read_some): until that says that all is read, no interval has begun.
    #[must_use]
    pub fn on_heap(registry: Registry<'_>, options: ExportOptions, now: Timestamp) -> Self {
        Self::over(Rows::on_heap(registry, shape(registry, options)), options, now)
    }
}

fn shape(registry: Registry<'_>, options: ExportOptions) -> RowShape {
    match options.histograms {
        HistogramAggregation::Exponential if registry.has_exponentials() => {
            RowShape::exponential().with_kinds(registry)
        }
        _ => RowShape::explicit(&registry.bounds()).with_kinds(registry),
    }
}
