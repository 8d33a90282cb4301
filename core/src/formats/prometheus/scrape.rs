//! What one scrape shows, and in which order, whatever it is written in. The two writers differ in how they stop: text
//! after any line, protobuf after a metric, once the length of its family is known.

use super::family::Family;
use super::options::ScrapeOptions;
use super::own_family::OwnFamily;
use super::series::SeriesLines;
use super::status::{STATUS, Status};
use crate::aggregates::observed::HistogramTotal;
use crate::counts::bounds::Bounds;
use crate::labels::prometheus::PrometheusLabels;
use crate::registry::Registry;
use crate::registry::gauges::GAUGES;
use crate::registry::linger::PageTotals;
use crate::request::series::Series;

/// What a page shows, and how far it has come.
#[derive(Debug)]
pub(super) struct Scrape<'a> {
    pub(super) registry: Registry<'a>,
    pub(super) bounds: Bounds,
    pub(super) options: ScrapeOptions,
    pub(super) section: PageSection,
    /// The series of a family, or the point of another metric, that is written next.
    pub(super) row: u32,
    /// What that series shows, frozen.
    pub(super) lines: SeriesLines,
    /// What was written so far.
    totals: PageTotals,
    /// Observations in what is frozen of an instrument of the engine's own.
    frozen_observations: u64,
    /// Series below this are shown.
    end: u32,
    /// Whether series may have observations and no requests. It is asked once: to ask the storage takes long.
    may_observe: bool,
    status: Option<Status>,
}

/// A part of a page, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PageSection {
    Family(Family),
    /// The instrument of the engine's own in this place.
    Own(usize),
    /// The gauge in this place.
    Gauge(usize),
    /// Which run it is of.
    Info,
    /// One of the metrics about the exporters and the registry.
    Status(usize),
    End,
}

/// What comes of seeking the next series that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    Found(Series),
    /// It was not among those that were looked at; others are left.
    Later,
    /// There is none.
    None,
}

impl<'a> Scrape<'a> {
    pub(super) fn new(registry: Registry<'a>) -> Self {
        Self {
            registry,
            bounds: registry.bounds(),
            options: ScrapeOptions::default(),
            section: PageSection::Family(Family::Requests),
            row: 0,
            lines: SeriesLines::NONE,
            totals: PageTotals::default(),
            frozen_observations: 0,
            end: registry.series_end(),
            may_observe: registry.has_room_for_instruments(),
            status: None,
        }
    }

    /// Freezes what the next series that is shown has in `family`, past at most `most` others.
    pub(super) fn freeze(&mut self, family: Family, most: usize) -> Sought {
        let Self { registry, row, end, may_observe, lines, options, bounds, .. } = self;
        let sought = seek(row, *end, most, |series| is_shown(registry, *may_observe, series));
        if let Sought::Found(series) = sought {
            let labels = registry.entry(series).labels::<PrometheusLabels>();
            lines.freeze(family, (&registry.shard_cells(), series), labels, options, bounds);
        }
        sought
    }

    /// Goes on after the series that was frozen.
    pub(super) fn pass_series(&mut self) {
        self.totals.requests += self.lines.requests();
        self.row += 1;
    }

    /// Freezes what an instrument of the engine's own counted of a series, or of the run. Returns all that a histogram has.
    pub(super) fn freeze_own(&mut self, own: &OwnFamily<'_>, series: Series) -> Option<HistogramTotal> {
        let (histogram, observations) = own.freeze(series, &mut self.lines, &self.options);
        self.frozen_observations = observations;
        histogram
    }

    /// Goes on after what was frozen of it.
    pub(super) fn pass_own(&mut self) {
        self.totals.observations = self.totals.observations.wrapping_add(self.frozen_observations);
        self.row += 1;
    }

    pub(super) const fn totals(&self) -> PageTotals {
        self.totals
    }

    /// Goes on to the next series that an instrument of the engine's own is shown of, past at most `most` others.
    pub(super) fn seek_own(&mut self, own: &OwnFamily<'_>, most: usize) -> Sought {
        seek(&mut self.row, own.end(self.end), most, |series| own.is_shown(series))
    }

    /// Passes over at most `series`, and at least one, of which nothing is shown; returns whether that was enough.
    pub(super) fn look_ahead(&mut self, series: usize) -> bool {
        // Who calls this until it is enough must get on.
        let most = series.max(1);
        let Self { registry, section, row, end, may_observe, .. } = self;
        let sought = match section {
            PageSection::Family(_) => seek(row, *end, most, |series| is_shown(registry, *may_observe, series)),
            PageSection::Own(place) => {
                OwnFamily::read(*registry, *place).map_or(Sought::None, |own| self.seek_own(&own, most))
            }
            _ => Sought::None,
        };
        sought != Sought::Later
    }

    pub(super) fn next_section(&mut self) {
        self.section = match self.section.next() {
            PageSection::Own(place) if self.registry.instrument_at(place).is_none() => PageSection::Gauge(0),
            next => next,
        };
        self.row = 0;
    }

    /// The exporters and the registry as they were when a page first asked, and the options.
    pub(super) fn status(&mut self) -> (&Status, &ScrapeOptions) {
        (self.status.get_or_insert_with(|| Status::read(self.registry, self.totals.observations)), &self.options)
    }
}

impl Sought {
    pub(super) const fn series(self) -> Option<Series> {
        match self {
            Self::Found(series) => Some(series),
            Self::Later | Self::None => None,
        }
    }
}

impl PageSection {
    fn next(self) -> Self {
        match self {
            Self::Family(family) => family.next().map_or(Self::Own(0), Self::Family),
            // Until there is none in that place.
            Self::Own(place) => Self::Own(place + 1),
            Self::Gauge(number) if number + 1 < GAUGES => Self::Gauge(number + 1),
            Self::Gauge(_) => Self::Info,
            Self::Info => Self::Status(0),
            Self::Status(number) if number + 1 < STATUS.len() => Self::Status(number + 1),
            Self::Status(_) | Self::End => Self::End,
        }
    }
}

/// Goes on from `row` to the next one before `end` that is shown, past at most `most` others.
#[inline(always)]
fn seek(row: &mut u32, end: u32, most: usize, is_shown: impl Fn(Series) -> bool) -> Sought {
    let mut left = most;
    while *row < end {
        let series = Series::from_number(*row);
        if is_shown(series) {
            return Sought::Found(series);
        }
        if left == 0 {
            return Sought::Later;
        }
        left -= 1;
        *row += 1;
    }
    Sought::None
}

/// Whether a page shows requests of `series`.
fn is_shown(registry: &Registry<'_>, may_observe: bool, series: Series) -> bool {
    // The overflow series always exists, and is shown once it is used.
    registry.entry(series).is_published()
        && match series {
            Series::OVERFLOW => registry.requests_of(series) != 0,
            _ => !(may_observe && registry.has_observations_alone(series)),
        }
}
