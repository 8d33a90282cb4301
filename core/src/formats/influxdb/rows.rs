//! Points per interval: what came of each series, frozen, packed into bodies and settled by position.

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

use super::{IntervalEncoder, IntervalPoint};
use crate::aggregates::row::RowShape;
use crate::aggregates::rows::{Rows, TooFewWords};
use crate::formats::weights::Weights;
use crate::registry::Registry;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;

/// One interval after another over what a registry counts, for points of both outcomes together, in memory of the
/// caller's.
///
/// Nothing is lost or told twice: what was settled is, together with what is not yet, what the registry counted since
/// [`new`](Self::new). Packing changes nothing, so that a body can be made again: the same points at another time, or
/// fewer of them.
///
/// ```
/// use loaddensity_metrics_core::influxdb::{BodyLimits, IntervalEncoder, IntervalRows, Precision, RowPlace};
/// use core::time::Duration;
/// use loaddensity_metrics_core::{ConstantLabels, Sample, Storage, Timestamp};
///
/// static STORAGE: Storage<10, 1, 16> = Storage::new();
/// let registry = STORAGE.registry();
/// let encoder = IntervalEncoder::new(registry, "load_interval", &ConstantLabels::default(), Precision::Nanosecond)?;
/// let memory = vec![0; IntervalRows::<Vec<u64>>::words(registry)];
/// let (mut rows, _counted_before) = IntervalRows::new(registry, memory)?;
/// registry.recorder().record(registry.series("GET", "/x"), Sample::http(200, Duration::from_millis(3)));
/// assert_eq!(rows.freeze(registry), 1);
/// let (mut from, at, mut buffer) = (RowPlace::FIRST, Timestamp::from_unix_nanos(1), [0; 1_400]);
/// loop {
///     let body = rows.pack(&encoder, from, at, BodyLimits::NONE, &mut buffer)?;
///     if body.points == 0 {
///         break;
///     }
///     // Send `buffer[..body.bytes]`; when it has arrived:
///     rows.settle(from, body.next);
///     from = body.next;
/// }
/// assert_eq!(rows.unsettled(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IntervalRows<M> {
    rows: Rows<M>,
}

/// A place among the rows of [`IntervalRows`]: that of a series, in the order in which series were interned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowPlace(u32);

impl RowPlace {
    /// Where the rows begin.
    pub const FIRST: Self = Self(0);

    /// The place with this number of rows before it: to begin somewhere between the first and [`IntervalRows::end`].
    #[must_use]
    pub const fn after(rows: u32) -> Self {
        Self(rows)
    }

    /// Rows before this place.
    #[must_use]
    pub const fn rows(self) -> u32 {
        self.0
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What bounds a body of several points. A single one may be longer than `bytes`: it goes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Most points; 0 counts as 1.
    pub points: usize,
    /// Most bytes.
    pub bytes: usize,
}

impl BodyLimits {
    /// As many as the buffer holds.
    pub const NONE: Self = Self { points: usize::MAX, bytes: usize::MAX };
}

/// What one body holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalBody {
    /// Bytes at the front of the buffer.
    pub bytes: usize,
    /// Points in it, joined by newlines; 0 where nothing is left to be sent.
    pub points: usize,
    /// The requests of the points.
    pub weights: Weights,
    /// Where the next body begins.
    pub next: RowPlace,
}

/// A point that is longer than the whole buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointTooLarge {
    /// Its requests.
    pub requests: u64,
    /// The place after it.
    pub next: RowPlace,
}

impl fmt::Display for PointTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, .. } = self;
        write!(
            f,
            "the buffer does not hold the point of {requests} requests; give a larger one, or leave the point out"
        )
    }
}

impl core::error::Error for PointTooLarge {}

impl<M: AsRef<[u64]> + AsMut<[u64]>> IntervalRows<M> {
    /// Words of memory that a registry needs: 3,952 bytes for each series of its capacity, 64 where it keeps no exponential
    /// histograms. Those of series that count nothing are never written.
    #[must_use]
    pub fn words(registry: Registry<'_>) -> usize {
        Rows::<M>::words(registry, RowShape::merged(registry))
    }

    /// Intervals from now on, and how many requests had been counted before. `memory` has [`words`](Self::words) words or
    /// more; what it holds is overwritten.
    ///
    /// # Errors
    /// [`TooFewWords`] where the memory is smaller.
    pub fn new(registry: Registry<'_>, memory: M) -> Result<(Self, u64), TooFewWords> {
        let (rows, before) = Rows::new(registry, RowShape::merged(registry), memory)?;
        Ok((Self { rows }, before))
    }

    /// Ends an interval: adds what came since the last one to what is not settled, and returns how many requests that are.
    pub fn freeze(&mut self, registry: Registry<'_>) -> u64 {
        self.rows.freeze(registry)
    }

    /// The same, where what came is read by [`freeze_some`](Self::freeze_some). Calling it again begins anew.
    pub fn begin_to_freeze(&mut self) {
        self.rows.begin_to_freeze();
    }

    /// Reads what `most` of the series have counted, the next ones, so that other work can be done in between. Whether all
    /// are read now; until then, nothing is to be packed or settled. A request that is recorded meanwhile is part of this
    /// interval or of the next.
    pub fn freeze_some(&mut self, registry: Registry<'_>, most: usize) -> bool {
        self.rows.freeze_some(registry, most)
    }

    /// Requests that were counted before the first interval.
    #[must_use]
    pub const fn before(&self) -> u64 {
        self.rows.before()
    }

    /// Requests that are frozen and not settled.
    #[must_use]
    pub const fn unsettled(&self) -> u64 {
        self.rows.unsettled()
    }

    /// The place after the last row.
    #[must_use]
    pub fn end(&self) -> RowPlace {
        RowPlace(self.rows.frozen().end())
    }

    /// Writes the points of the rows from `from` on that are not settled, with the time `at`, joined by newlines, to the
    /// front of `out`: as many as fit and as `limits` allow, and at least one, if there is any.
    ///
    /// # Errors
    /// [`PointTooLarge`] where not even the first fits into `out`.
    pub fn pack(
        &self,
        encoder: &IntervalEncoder<'_>,
        from: RowPlace,
        at: Timestamp,
        limits: BodyLimits,
        out: &mut [u8],
    ) -> Result<IntervalBody, PointTooLarge> {
        let mut body = IntervalBody { next: from, ..IntervalBody::default() };
        while let Some((place, interval)) = self.first_unsettled(body.next) {
            let start = body.bytes + usize::from(body.points != 0);
            let end = if body.points == 0 { out.len() } else { out.len().min(limits.bytes) };
            let room = out.get_mut(start..end).filter(|_| body.points < limits.points.max(1));
            let length = room.and_then(|room| encoder.encode(Series::from_number(place.0), &interval, at, room).ok());
            match length {
                Some(length) => body.add((start, length), interval.requests, place, out),
                None if body.points == 0 => {
                    return Err(PointTooLarge { requests: interval.requests, next: place.next() });
                }
                None => break,
            }
        }
        Ok(body)
    }

    /// The points from `from` to before `to` have arrived or are lost: no interval has them any more. Returns their
    /// requests.
    pub fn settle(&mut self, from: RowPlace, to: RowPlace) -> u64 {
        let (mut requests, mut from) = (0, from);
        // A row without requests has no point; what else it has is shown with the next that it has.
        while let Some((place, _)) = self.first_with_requests(from).filter(|(place, _)| *place < to) {
            requests += self.rows.settle(Series::from_number(place.0), Outcome::Success);
            from = place.next();
        }
        requests
    }

    /// The places of the points from `from` on that are not settled, and their requests.
    pub(crate) fn points(&self, from: RowPlace) -> impl Iterator<Item = (RowPlace, u64)> {
        let rows = self.rows.frozen();
        let row = move |number| (RowPlace(number), rows.row(Series::from_number(number), Outcome::Success));
        (from.0..rows.end())
            .map(row)
            .map(move |(place, row)| (place, rows.shape().requests(row)))
            .filter(|(_, requests)| *requests != 0)
    }

    fn first_unsettled(&self, from: RowPlace) -> Option<(RowPlace, IntervalPoint)> {
        let (place, row) = self.first_with_requests(from)?;
        Some((place, IntervalPoint::of_row(self.rows.shape(), row)))
    }

    fn first_with_requests(&self, from: RowPlace) -> Option<(RowPlace, &[u64])> {
        let rows = self.rows.frozen();
        let row = |number| (RowPlace(number), rows.row(Series::from_number(number), Outcome::Success));
        (from.0..rows.end()).map(row).find(|(_, row)| rows.shape().requests(row) != 0)
    }
}

impl IntervalBody {
    fn add(&mut self, (start, length): (usize, usize), requests: u64, place: RowPlace, out: &mut [u8]) {
        if let Some(newline) = start.checked_sub(1).and_then(|before| out.get_mut(before)) {
            *newline = b'\n';
        }
        self.bytes = start + length;
        self.points += 1;
        self.weights.add(requests);
        self.next = place.next();
    }
}

#[cfg(feature = "alloc")]
impl IntervalRows<Vec<u64>> {
    /// As [`new`](Self::new), in memory of the allocator's. But what was counted before is read by
    /// [`freeze_some`](Self::freeze_some): until that says that all is read, no interval has begun.
    #[must_use]
    pub fn on_heap(registry: Registry<'_>) -> Self {
        Self { rows: Rows::on_heap(registry, RowShape::merged(registry)) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::*;
    use crate::formats::influxdb::Precision;
    use crate::labels::constant::ConstantLabels;
    use crate::registry::storage::{Classic, Storage};
    use crate::request::sample::Sample;
    use core::time::Duration;
    use std::string::String;
    use std::vec::Vec;

    const AT: Timestamp = Timestamp::from_unix_nanos(7);

    fn encoder(registry: Registry<'_>) -> IntervalEncoder<'_> {
        IntervalEncoder::new(registry, "m", &ConstantLabels::default(), Precision::Nanosecond)
            .expect("a plain measurement")
    }

    /// Series with 1 to 5 requests, of which the third has none, beside rows that are frozen.
    fn frozen(registry: Registry<'_>) -> IntervalRows<Vec<u64>> {
        let memory = std::vec![0; IntervalRows::<Vec<u64>>::words(registry)];
        let (mut rows, before) = IntervalRows::new(registry, memory).expect("as many words as it asks for");
        assert_eq!(before, 0);
        record(registry, [1, 2, 0, 4, 5]);
        assert_eq!(rows.freeze(registry), 12);
        rows
    }

    fn record(registry: Registry<'_>, times: [usize; 5]) {
        let mut recorder = registry.recorder();
        for (number, times) in times.into_iter().enumerate() {
            let series = registry.series("GET", &std::format!("/{number}"));
            (0..times).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO).response_bytes(10)));
        }
    }

    /// All bodies from `from` on: their lines, and what each of them says.
    fn bodies(
        rows: &IntervalRows<Vec<u64>>,
        registry: Registry<'_>,
        limits: BodyLimits,
        room: usize,
    ) -> Vec<(String, IntervalBody)> {
        let (mut from, mut all, mut out) = (RowPlace::FIRST, Vec::new(), std::vec![0xff; room]);
        loop {
            let body = rows.pack(&encoder(registry), from, AT, limits, &mut out).expect("a point fits");
            if body.points == 0 {
                return all;
            }
            from = body.next;
            all.push((String::from_utf8(out[..body.bytes].to_vec()).expect("a text"), body));
        }
    }

    #[test]
    fn bodies_hold_each_point_once_and_no_more_than_the_limits_allow() {
        let storage = Storage::<9, 1, 2, Classic>::new();
        let registry = storage.registry();
        let rows = frozen(registry);
        let whole = bodies(&rows, registry, BodyLimits::NONE, 4_096);
        assert_eq!(whole.len(), 1);
        let lines: Vec<&str> = whole[0].0.lines().collect();
        let line = lines[0].len();
        assert_eq!(
            lines[1],
            "m,method=GET,name=/1 requests=2i,failures=0i,response_time_ms_sum=0,response_length_sum=20i 7"
        );
        for (points, bytes, room, expected) in [
            (2, usize::MAX, 4_096, &[3, 9][..]),
            (1, usize::MAX, 4_096, &[1, 2, 4, 5]),
            // None is no bound that anything could keep.
            (0, 0, 4_096, &[1, 2, 4, 5]),
            (3, 2 * line + 1, 4_096, &[3, 9]),
            (9, 2 * line, 4_096, &[1, 2, 4, 5]),
            (9, 3 * line + 2, 4_096, &[7, 5]),
            (9, usize::MAX, 2 * line + 1, &[3, 9]),
            (9, usize::MAX, line, &[1, 2, 4, 5]),
        ] {
            let bodies = bodies(&rows, registry, BodyLimits { points, bytes }, room);
            let requests: Vec<u64> = bodies.iter().map(|(_, body)| body.weights.all()).collect();
            assert_eq!(requests, expected, "{points} points, {bytes} bytes, room of {room}");
            assert_eq!(bodies.iter().flat_map(|(text, _)| text.lines()).collect::<Vec<_>>(), lines);
            assert!(bodies.iter().all(|(text, body)| text.lines().count() == body.points));
        }
        assert_eq!(whole[0].1.weights.heaviest(2), 9);
    }

    #[test]
    fn a_point_that_the_buffer_does_not_hold_is_told_and_can_be_passed_over() {
        let storage = Storage::<9, 1, 2>::new();
        let registry = storage.registry();
        let mut rows = frozen(registry);
        let (encoder, mut small) = (encoder(registry), [0; 20]);
        let too_large = rows.pack(&encoder, RowPlace::FIRST, AT, BodyLimits::NONE, &mut small).expect_err("20 bytes");
        assert_eq!((too_large.requests, rows.settle(RowPlace::FIRST, too_large.next)), (1, 1));
        let next = rows.pack(&encoder, too_large.next, AT, BodyLimits::NONE, &mut small).expect_err("20 bytes");
        assert_eq!((next.requests, rows.unsettled()), (2, 11));
    }

    #[test]
    fn a_body_is_the_same_again_until_it_is_settled_or_frozen_anew() {
        let storage = Storage::<9, 1, 2>::new();
        let registry = storage.registry();
        let mut rows = frozen(registry);
        let first = bodies(&rows, registry, BodyLimits { points: 2, ..BodyLimits::NONE }, 4_096);
        record(registry, [1, 0, 1, 0, 0]);
        assert_eq!(bodies(&rows, registry, BodyLimits { points: 2, ..BodyLimits::NONE }, 4_096), first);
        assert_eq!(rows.settle(RowPlace::FIRST, first[0].1.next), 3);
        let rest = bodies(&rows, registry, BodyLimits::NONE, 4_096);
        assert_eq!(rest.iter().map(|(text, _)| text).collect::<Vec<_>>(), [&first[1].0]);
        // What came meanwhile, and what was not settled.
        assert_eq!(rows.freeze(registry), 9 + 2);
        let each = bodies(&rows, registry, BodyLimits { points: 1, ..BodyLimits::NONE }, 4_096);
        assert_eq!(each.iter().map(|(_, body)| body.weights.all()).collect::<Vec<_>>(), [1, 1, 4, 5]);
        assert_eq!(rows.settle(each[1].1.next, each[3].1.next), 9);
        assert_eq!((rows.settle(RowPlace::FIRST, rows.end()), rows.unsettled()), (2, 0));
        // The overflow series and five others, none of which waits.
        assert_eq!((rows.end(), rows.settle(RowPlace::after(3), RowPlace::after(u32::MAX))), (RowPlace(6), 0));
    }
}
