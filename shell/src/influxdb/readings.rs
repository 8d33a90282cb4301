//! What the registry has beyond what points of earlier intervals held, series by series.

use std::collections::HashMap;

use loaddensity_metrics_core::influxdb::{Interval, IntervalEncoder};
use loaddensity_metrics_core::{Distribution, Registry, Series, Timestamp, Totals};

/// What a series had counted when a point of it was last settled: 3 KB, for points show sums and latencies only, of the
/// 17 KB that [`Intervals`](loaddensity_metrics_core::Intervals) keep.
struct Kept {
    totals: Totals,
    latencies: Option<Distribution>,
}

impl Kept {
    fn read(registry: Registry<'static>, series: Series) -> Self {
        let latencies = registry.series_distributions(series).map(|both| both.latency());
        Self { totals: registry.series_totals(series), latencies }
    }

    /// What came since `earlier`.
    fn since(&self, earlier: Option<&Self>) -> Interval {
        let Some(earlier) = earlier else { return Interval::new(&self.totals, self.latencies.as_ref()) };
        let latencies = self.latencies.as_ref().zip(earlier.latencies.as_ref());
        let latencies = latencies.map(|(now, then)| now.since(then));
        Interval::new(&self.totals.since(&earlier.totals), latencies.as_ref())
    }
}

/// The readings of one exporter.
pub(super) struct Readings {
    registry: Registry<'static>,
    encoder: IntervalEncoder<'static>,
    /// Only of series that have requests.
    kept: HashMap<Series, Box<Kept>>,
}

/// The points of one body.
#[derive(Default)]
pub(super) struct Points {
    /// Bytes at the front of the memory.
    pub(super) bytes: usize,
    pub(super) lines: usize,
    /// Requests in the lines; where there are no lines, those of a series whose line does not fit.
    pub(super) requests: u64,
    /// Series that were looked at.
    pub(super) looked_at: usize,
    read: Vec<(Series, Box<Kept>)>,
}

impl Readings {
    /// Begins now; returns how many requests the registry has counted before.
    pub(super) fn begin(registry: Registry<'static>, encoder: IntervalEncoder<'static>) -> (Self, u64) {
        let mut readings = Self { registry, encoder, kept: HashMap::new() };
        let mut before = 0;
        for series in registry.each_series() {
            let read = Kept::read(registry, series);
            if read.totals.requests() != 0 {
                before += read.totals.requests();
                readings.kept.insert(series, Box::new(read));
            }
        }
        (readings, before)
    }

    /// The series of the registry.
    pub(super) fn series(&self) -> Vec<Series> {
        self.registry.each_series().collect()
    }

    /// Writes the points of as many of `series` as have news and fit, at most `most` of them, joined by newlines.
    pub(super) fn fill(&self, series: &[Series], at: Timestamp, most: usize, memory: &mut [u8]) -> Points {
        let mut points = Points::default();
        for &one in series {
            let read = Kept::read(self.registry, one);
            let interval = read.since(self.kept.get(&one).map(Box::as_ref));
            if interval.requests != 0 {
                let start = points.bytes + usize::from(points.lines != 0);
                let room = memory.get_mut(start..).filter(|_| points.lines < most);
                let length = room.and_then(|room| self.encoder.encode(one, &interval, at, room).ok());
                match length {
                    Some(length) => points.add(start, length, memory),
                    None if points.lines != 0 => return points,
                    None => {
                        points.take(one, read, &interval);
                        points.looked_at += 1;
                        return points;
                    }
                }
                points.take(one, read, &interval);
            }
            points.looked_at += 1;
        }
        points
    }

    /// The points have arrived or are lost: the next ones begin where they end.
    pub(super) fn settle(&mut self, points: Points) {
        self.kept.extend(points.read);
    }
}

impl Points {
    fn add(&mut self, start: usize, length: usize, memory: &mut [u8]) {
        if let Some(newline) = start.checked_sub(1).and_then(|before| memory.get_mut(before)) {
            *newline = b'\n';
        }
        self.bytes = start + length;
        self.lines += 1;
    }

    fn take(&mut self, series: Series, read: Kept, interval: &Interval) {
        self.requests += interval.requests;
        self.read.push((series, Box::new(read)));
    }
}
