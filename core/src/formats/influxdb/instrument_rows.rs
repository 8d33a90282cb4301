//! Rows of own instruments, line by line: frozen, packed into bodies and settled by position.
//!
//! A line has all of a series' instruments that have news. Where not all of them fit into a body, the others make another line
//! in the next one: InfluxDB adds the fields of two points of one series and time. So many instruments never make a line that
//! fits nowhere, and what is lost with one that does are the values of that instrument alone.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use alloc::{vec, vec::Vec};
use core::fmt;

use super::instruments::InstrumentNews;
use super::{BodyLimits, InstrumentEncoder};
use crate::aggregates::observed_rows::ObservedRows;
use crate::aggregates::own_instrument::OwnInstrument;
use crate::aggregates::rows::TooFewWords;
use crate::formats::weights::Weights;
use crate::metrics::InstrumentKind;
use crate::registry::Registry;
use crate::registry::instruments::declaration::Reach;
use crate::request::sample::Timestamp;
use crate::request::series::Series;

/// In the time in which one row is read, so many can be looked at for news.
const COUNTED_AS_ONE: usize = 16;

/// One interval after another over what own instruments count, in memory of the caller's: [`ObservedRows`] in the order of
/// lines, that of the run first, then series by series, in each instrument by instrument.
///
/// Packing changes nothing, so that a body can be made again: the same rows at another time, or fewer of them.
///
/// ```
/// use loaddensity_metrics_core::influxdb::{BodyLimits, InstrumentEncoder, InstrumentPlace, InstrumentRows, Precision};
/// use loaddensity_metrics_core::{ConstantLabels, Exponential, ObservedRows, Storage, Timestamp, Unit};
///
/// static STORAGE: Storage<10, 1, 16, Exponential, 1> = Storage::new();
/// let registry = STORAGE.registry();
/// let failed = registry.counter("checks_failed", Unit::One, "Checks that failed")?;
/// let encoder = InstrumentEncoder::new(registry, "load_instruments", &ConstantLabels::default(), Precision::Nanosecond)?;
/// let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
/// let (rows, _counted_before) = ObservedRows::new(registry, memory)?;
/// let mut rows = InstrumentRows::new(registry, rows, vec![0; InstrumentRows::<Vec<u64>>::words(registry)])?;
/// registry.recorder().add(failed, registry.series("GET", "/x"), 2);
/// assert_eq!(rows.freeze(), 1);
/// let (mut from, at, mut buffer) = (InstrumentPlace::FIRST, Timestamp::from_unix_nanos(1), [0; 1_400]);
/// loop {
///     let body = rows.pack(&encoder, from, at, BodyLimits::NONE, &mut buffer)?;
///     if body.rows == 0 {
///         break;
///     }
///     assert_eq!(&buffer[..body.bytes], b"load_instruments,method=GET,name=/x checks_failed=2i 1");
///     // Send it; when it has arrived:
///     rows.settle(from, body.next);
///     from = body.next;
/// }
/// assert_eq!(rows.unsettled(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InstrumentRows<'a, M> {
    registry: Registry<'a>,
    rows: ObservedRows<M>,
    /// What each line has that is not settled, in observations.
    news: M,
    /// Lines in it.
    lines: u32,
    /// Rows that were not settled when the interval ended.
    waiting: usize,
    /// The instrument and the series that are looked at next, while not all were since an interval ended.
    next: Option<(usize, u32)>,
}

/// A place among [`InstrumentRows`]: that of an instrument in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstrumentPlace {
    /// 0 is that of the run; then come the series, by number.
    line: u32,
    /// In the order of declaring.
    instrument: u32,
}

impl InstrumentPlace {
    /// Where the rows begin.
    pub const FIRST: Self = Self { line: 0, instrument: 0 };
    /// After all rows.
    pub const END: Self = Self { line: u32::MAX, instrument: u32::MAX };

    const fn next(self) -> Self {
        Self { instrument: self.instrument.saturating_add(1), ..self }
    }

    const fn next_line(self) -> Self {
        Self { line: self.line.saturating_add(1), instrument: 0 }
    }

    /// The series of the line; none for that of the run.
    fn series(self) -> Option<Series> {
        self.line.checked_sub(1).map(Series::from_number)
    }
}

/// What one body holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstrumentBody {
    /// Bytes at the front of the buffer.
    pub bytes: usize,
    /// Rows in it, each an instrument in a line; 0 where nothing is left to be sent.
    pub rows: usize,
    /// Where the next body begins.
    pub next: InstrumentPlace,
}

/// The fields of an instrument that the whole buffer does not hold in a line of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentTooLarge {
    /// Its observations.
    pub observations: u64,
    /// The place after it.
    pub next: InstrumentPlace,
}

impl fmt::Display for InstrumentTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { observations, .. } = self;
        write!(
            f,
            "the buffer does not hold the fields of {observations} observations of an instrument; give a larger one, or leave them out"
        )
    }
}

impl core::error::Error for InstrumentTooLarge {}

impl<'a, M: AsRef<[u64]> + AsMut<[u64]>> InstrumentRows<'a, M> {
    /// Words of memory that a registry needs besides those of [`ObservedRows`]: 8 bytes for each series of its capacity, and 8
    /// for the run. Those beyond the series that there are are never written.
    #[must_use]
    pub const fn words(registry: Registry<'_>) -> usize {
        registry.parts.entries.len() + 1
    }

    /// The `rows` of `registry`, line by line. `memory` has [`words`](Self::words) words or more; what it holds is overwritten.
    ///
    /// # Errors
    /// [`TooFewWords`] where the memory is smaller.
    pub fn new(registry: Registry<'a>, rows: ObservedRows<M>, memory: M) -> Result<Self, TooFewWords> {
        let (needed, given) = (Self::words(registry), memory.as_ref().len());
        if given < needed {
            return Err(TooFewWords { needed, given });
        }
        Ok(Self::of(registry, rows, memory))
    }

    const fn of(registry: Registry<'a>, rows: ObservedRows<M>, news: M) -> Self {
        Self { registry, rows, news, lines: 0, waiting: 0, next: None }
    }

    /// Ends an interval: adds what came since the last one to what is not settled, and returns how many observations that are.
    pub fn freeze(&mut self) -> u64 {
        self.begin_to_freeze();
        while !self.freeze_some(usize::MAX) {}
        self.unsettled()
    }

    /// The same, where what came is read by [`freeze_some`](Self::freeze_some). Calling it again begins anew.
    pub fn begin_to_freeze(&mut self) {
        self.rows.begin_to_freeze();
        (self.lines, self.waiting, self.next) = (0, 0, Some((0, 0)));
    }

    /// Reads `most` of the rows, the next ones, so that other work can be done in between. Whether all are read now; until
    /// then, nothing is to be packed or settled. An observation that is recorded meanwhile is part of this interval or of the
    /// next.
    pub fn freeze_some(&mut self, most: usize) -> bool {
        if !self.rows.is_freezing() {
            return self.count_some(most.saturating_mul(COUNTED_AS_ONE));
        }
        if self.rows.freeze_some(self.registry, most) {
            self.lines = self.registry.series_end().saturating_add(1);
            let lines = self.news.as_mut().iter_mut().take(self.lines as usize);
            lines.for_each(|news| *news = 0);
        }
        false
    }

    /// Adds up the observations of lines, from so many rows.
    fn count_some(&mut self, most: usize) -> bool {
        let mut left = u32::try_from(most).unwrap_or(u32::MAX).max(1);
        while let Some((instrument, first)) = self.next {
            let Some((shape, index)) = self.registry.own_instruments().shape_at(instrument) else {
                self.next = None;
                break;
            };
            if left == 0 {
                break;
            }
            let all = self.registry.series_end_of(shape.reach).min(self.lines.saturating_sub(1));
            let end = first.saturating_add(left).min(all);
            for series in first..end {
                let at = self.registry.cell_place(index as u32, Series::from_number(series));
                let number = at.map_or(0, |at| self.rows.observations_at(shape.kind, at));
                let line = if shape.reach == Reach::Run { 0 } else { series as usize + 1 };
                if let Some(news) = self.news.as_mut().get_mut(line).filter(|_| number != 0) {
                    *news = news.wrapping_add(number);
                    self.waiting += 1;
                }
            }
            left -= end.saturating_sub(first);
            self.next = Some(if end < all { (instrument, end) } else { (instrument + 1, 0) });
        }
        self.next.is_none()
    }

    /// Observations that were counted before the first interval.
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.rows.before()
    }

    /// Observations that are frozen and not settled.
    #[must_use]
    pub const fn unsettled(&self) -> u64 {
        self.rows.unsettled()
    }

    /// Rows that are frozen and not settled.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Writes the rows from `from` on that are not settled, with the time `at`, as lines that are joined by newlines, to the
    /// front of `out`: as many as fit and as `limits` allow, where each row counts as a point, and at least one, if there is any.
    ///
    /// # Errors
    /// [`InstrumentTooLarge`] where not even the first fits into `out`.
    pub fn pack(
        &self,
        encoder: &InstrumentEncoder<'_>,
        from: InstrumentPlace,
        at: Timestamp,
        limits: BodyLimits,
        out: &mut [u8],
    ) -> Result<InstrumentBody, InstrumentTooLarge> {
        let line_end = encoder.end(at);
        let mut body = LineBody { encoder, end: line_end.as_bytes(), out, bytes: 0, line: None };
        let mut packed = InstrumentBody { next: from, ..InstrumentBody::default() };
        while let Some((place, observations)) = self.first_unsettled(packed.next) {
            let room = if packed.rows == 0 { usize::MAX } else { limits.bytes };
            let fits = packed.rows < limits.points.max(1) && self.put(place, &mut body, room);
            match fits {
                true => (packed.rows, packed.next) = (packed.rows + 1, place.next()),
                false if packed.rows == 0 => return Err(InstrumentTooLarge { observations, next: place.next() }),
                false => break,
            }
        }
        packed.bytes = body.end();
        Ok(packed)
    }

    /// The rows from `from` to before `to` have arrived or are lost: no interval has them any more. Returns their observations.
    pub fn settle(&mut self, from: InstrumentPlace, to: InstrumentPlace) -> u64 {
        let (mut all, mut from) = (0_u64, from);
        while let Some((place, observations)) = self.first_unsettled(from).filter(|(place, _)| *place < to) {
            if let Some(instrument) = self.registry.instrument_at(place.instrument as usize) {
                self.rows.settle(&instrument, place.series().unwrap_or(Series::OVERFLOW));
            }
            if let Some(news) = self.news.as_mut().get_mut(place.line as usize) {
                *news = news.wrapping_sub(observations);
            }
            all = all.wrapping_add(observations);
            (self.waiting, from) = (self.waiting.saturating_sub(1), place.next());
        }
        all
    }

    /// The observations of the lines that the first `rows` rows from `from` on make, and the place after those. A server says
    /// how many lines it refused.
    #[must_use]
    pub fn weights(&self, from: InstrumentPlace, rows: usize) -> (Weights, InstrumentPlace) {
        let (mut weights, mut next, mut line, mut of_line) = (Weights::default(), from, None, 0);
        for (place, observations) in self.places(from).take(rows) {
            if line.replace(place.line).is_some_and(|before| before != place.line) {
                weights.add(core::mem::take(&mut of_line));
            }
            of_line += observations;
            next = place.next();
        }
        if line.is_some() {
            weights.add(of_line);
        }
        (weights, next)
    }

    /// The place of the row after so many that are not settled, from `from` on.
    pub(crate) fn place_after(&self, from: InstrumentPlace, rows: usize) -> Option<InstrumentPlace> {
        self.places(from).nth(rows).map(|(place, _)| place)
    }

    /// The places of the rows from `from` on that are not settled, and their observations.
    fn places(&self, from: InstrumentPlace) -> impl Iterator<Item = (InstrumentPlace, u64)> {
        core::iter::successors(self.first_unsettled(from), |(place, _)| self.first_unsettled(place.next()))
    }

    fn first_unsettled(&self, from: InstrumentPlace) -> Option<(InstrumentPlace, u64)> {
        let mut from = from;
        loop {
            let lines = self.news.as_ref().get(from.line as usize..self.lines as usize)?;
            match lines.iter().position(|news| *news != 0)? {
                0 => {}
                silent => from = InstrumentPlace { line: from.line + silent as u32, instrument: 0 },
            }
            if let Some(found) = self.first_in_line(from) {
                return Some(found);
            }
            from = from.next_line();
        }
    }

    fn first_in_line(&self, from: InstrumentPlace) -> Option<(InstrumentPlace, u64)> {
        let instruments = self.registry.own_instruments();
        let (reach, series) = match from.series() {
            Some(series) => (Reach::Series, series),
            None => (Reach::Run, Series::OVERFLOW),
        };
        let shapes = (from.instrument..).map_while(|at| Some((at, instruments.shape_at(at as usize)?)));
        let mut rows = shapes.filter(|(_, (shape, _))| shape.reach == reach).filter_map(|(at, (shape, index))| {
            let cell = self.registry.cell_place(index as u32, series)?;
            Some((InstrumentPlace { instrument: at, ..from }, self.rows.observations_at(shape.kind, cell)))
        });
        rows.find(|(_, observations)| *observations != 0)
    }

    /// Adds a row to a body; whether it fitted.
    fn put(&self, place: InstrumentPlace, body: &mut LineBody<'_, '_, '_>, room: usize) -> bool {
        let Some(instrument) = self.registry.instrument_at(place.instrument as usize) else { return false };
        let news = self.news_of(&instrument, place.series().unwrap_or(Series::OVERFLOW));
        news.is_some_and(|news| body.put(place, &instrument, &news, room).is_some())
    }

    fn news_of(&self, instrument: &OwnInstrument<'_>, series: Series) -> Option<InstrumentNews> {
        match instrument.kind() {
            InstrumentKind::Counter => self.rows.counter(instrument, series).map(InstrumentNews::of_counter),
            InstrumentKind::Histogram => {
                self.rows.histogram(instrument, series).as_ref().map(InstrumentNews::of_histogram)
            }
        }
    }
}

#[cfg(feature = "alloc")]
impl<'a> InstrumentRows<'a, Vec<u64>> {
    /// As [`new`](Self::new), in memory of the allocator's.
    #[must_use]
    pub fn on_heap(registry: Registry<'a>, rows: ObservedRows<Vec<u64>>) -> Self {
        Self::of(registry, rows, vec![0; Self::words(registry)])
    }
}

/// A body that is written. Its last line lacks its end as long as fields may follow, for which there is room.
struct LineBody<'e, 'a, 'b> {
    encoder: &'e InstrumentEncoder<'a>,
    end: &'b [u8],
    out: &'b mut [u8],
    /// Without the end of the last line.
    bytes: usize,
    /// The last line.
    line: Option<u32>,
}

impl LineBody<'_, '_, '_> {
    /// Adds fields to the line of this place, where the body has no more bytes than `room` then. `None` where they do not fit;
    /// nothing has changed then.
    fn put(
        &mut self,
        place: InstrumentPlace,
        instrument: &OwnInstrument<'_>,
        news: &InstrumentNews,
        room: usize,
    ) -> Option<()> {
        let is_same = self.line == Some(place.line);
        // Before another line are the end of this one and a newline.
        let between = if is_same || self.line.is_none() { 0 } else { self.end.len() + 1 };
        let start = self.bytes + between;
        let last = self.out.len().min(room).checked_sub(self.end.len())?;
        let begun = match is_same {
            true => start,
            false => start + self.encoder.begin(place.series(), self.out.get_mut(start..last)?).ok()?,
        };
        let first = if is_same { b',' } else { b' ' };
        let length = news.put(instrument, first, self.out.get_mut(begun..last)?).ok()?;
        if between != 0 {
            self.put_end();
            *self.out.get_mut(start - 1)? = b'\n';
        }
        (self.bytes, self.line) = (begun + length, Some(place.line));
        Some(())
    }

    fn put_end(&mut self) {
        if let Some(room) = self.out.get_mut(self.bytes..self.bytes + self.end.len()) {
            room.iter_mut().zip(self.end).for_each(|(to, from)| *to = *from);
        }
    }

    /// Ends the last line. Returns the length of the body in bytes.
    fn end(mut self) -> usize {
        if self.line.is_none() {
            return 0;
        }
        self.put_end();
        self.bytes + self.end.len()
    }
}
