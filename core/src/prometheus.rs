//! The Prometheus page: text exposition format 0.0.4, streamed line by line through a buffer of any size.
//!
//! A page shows the series that existed when it began. Each histogram is frozen before its first line, so that its
//! buckets and `_count` agree even while requests are recorded; `_sum` may then be a few requests ahead or behind.
//!
//! Source of the rules: prometheus/docs, exposition_formats.md, "Text-based format". `le` is written as LoadDensity
//! writes it (`5.0`, `1.048576e+06`), so that existing queries go on working.

mod status;

use heapless::Vec;

use crate::cell::{LATENCY_BUCKETS, Latencies, SIZE_BUCKETS, Sizes};
use crate::labels::prometheus as labels;
use crate::out::{Full, Out, TooSmall};
use crate::registry::Registry;
use crate::sample::Outcome;
use crate::series::Series;
use status::{STATUS, Status};

/// What the page is served as.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// A buffer of this many bytes holds any line.
pub const MAX_LINE: usize = labels::BYTES + 192;

const LATENCY_LE: [&str; LATENCY_BUCKETS] =
    ["5.0", "10.0", "25.0", "50.0", "100.0", "250.0", "500.0", "1000.0", "2500.0", "5000.0", "10000.0", "+Inf"];
const SIZE_LE: [&str; SIZE_BUCKETS] =
    ["64.0", "256.0", "1024.0", "4096.0", "16384.0", "65536.0", "262144.0", "1.048576e+06", "+Inf"];

/// One scrape in progress: constant memory, however many series there are.
///
/// ```
/// use loaddensity_metrics_core::{Storage, prometheus::Page};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let mut page = Page::new(STORAGE.registry());
/// let mut buffer = [0; 2048];
/// loop {
///     let bytes = page.fill(&mut buffer)?;
///     if bytes == 0 {
///         break;
///     }
///     // Send buffer[..bytes].
/// }
/// # Ok::<(), loaddensity_metrics_core::TooSmall>(())
/// ```
#[derive(Debug)]
pub struct Page<'a> {
    registry: Registry<'a>,
    /// Series below this are shown.
    end: u32,
    place: Place,
    /// Labels of the series whose lines are being written.
    labels: Vec<u8, { labels::BYTES }>,
    frozen: Frozen,
    requests: u64,
    status: Option<Status>,
}

impl<'a> Page<'a> {
    /// A page of what `registry` holds now.
    #[must_use]
    pub fn new(registry: Registry<'a>) -> Self {
        Self {
            registry,
            end: registry.series_end(),
            place: Place { section: Section::Family(Family::Requests), row: 0, line: HEADER },
            labels: Vec::new(),
            frozen: Frozen::None,
            requests: 0,
            status: None,
        }
    }

    /// Writes as many whole lines as fit to the front of `out`; returns their length in bytes, 0 when the page is
    /// complete.
    ///
    /// # Errors
    /// [`TooSmall`] where not even one line fits into `out`; nothing is lost by it. [`MAX_LINE`] bytes always suffice.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize, TooSmall> {
        let mut out = Out::new(out);
        while self.place.section != Section::End {
            let mark = out.len();
            if self.step(&mut out).is_err() {
                out.rewind(mark);
                return if mark == 0 { Err(TooSmall { needed: MAX_LINE }) } else { Ok(mark) };
            }
        }
        Ok(out.len())
    }

    /// Requests in the counter lines written so far: when the page is complete, the total that it shows.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Writes the next line, and only then moves on.
    fn step(&mut self, out: &mut Out<'_>) -> Result<(), Full> {
        match self.place.section {
            Section::Family(family) if self.place.line == HEADER => {
                family.header(out)?;
                self.place.line = 0;
            }
            Section::Family(family) if self.place.row == self.end => {
                self.place = Place { section: family.next(), row: 0, line: HEADER };
            }
            Section::Family(family) => self.series_line(family, out)?,
            Section::Status => self.status_line(out)?,
            Section::End => {}
        }
        Ok(())
    }

    fn series_line(&mut self, family: Family, out: &mut Out<'_>) -> Result<(), Full> {
        if self.place.line == 0 && !self.freeze(family) {
            self.place.row += 1;
            return Ok(());
        }
        let line = self.place.line as usize;
        match self.frozen {
            Frozen::Requests(counts) => {
                self.requests_line(Outcome::ALL[line], counts[line], out)?;
                self.requests += counts[line];
            }
            Frozen::Latency(sums) => {
                self.histogram_line(family, &LATENCY_LE, &sums.buckets, out, |out| out.put_millis(sums.sum_ns))?;
            }
            Frozen::Size(sums) => {
                self.histogram_line(family, &SIZE_LE, &sums.buckets, out, |out| out.put_integer(sums.sum))?;
            }
            Frozen::None => {}
        }
        self.place.line += 1;
        if self.place.line == family.lines() {
            self.place.line = 0;
            self.place.row += 1;
        }
        Ok(())
    }

    /// Freezes what the lines of this series in `family` show; says whether the series is shown at all.
    fn freeze(&mut self, family: Family) -> bool {
        let (registry, series) = (self.registry, Series::from_number(self.place.row));
        let entry = registry.entry(series);
        if !entry.is_published() {
            return false;
        }
        // The overflow series is there from birth but is news only when it is used.
        let is_used = || registry.series_totals(series).requests() != 0;
        if series == Series::OVERFLOW && !is_used() {
            return false;
        }
        self.labels = entry.prometheus().to_vec();
        self.frozen = match family {
            Family::Requests => {
                Frozen::Requests(Outcome::ALL.map(|outcome| registry.latencies(series, outcome).count()))
            }
            Family::Latency => {
                let [mut success, failure] = Outcome::ALL.map(|outcome| registry.latencies(series, outcome));
                add(&mut success.buckets, &failure.buckets);
                success.sum_ns = success.sum_ns.wrapping_add(failure.sum_ns);
                Frozen::Latency(success)
            }
            Family::Size => {
                let [mut success, failure] = Outcome::ALL.map(|outcome| registry.sizes(series, outcome));
                add(&mut success.buckets, &failure.buckets);
                success.sum = success.sum.wrapping_add(failure.sum);
                Frozen::Size(success)
            }
        };
        true
    }

    fn requests_line(&self, outcome: Outcome, count: u64, out: &mut Out<'_>) -> Result<(), Full> {
        out.put(Family::Requests.name())?;
        out.put(b"{")?;
        out.put(&self.labels)?;
        out.put(b",outcome=\"")?;
        out.put(outcome.as_str().as_bytes())?;
        out.put(b"\"} ")?;
        out.put_integer(count)?;
        out.put(b"\n")
    }

    /// Buckets in order of their bounds, then the sum, then the count, which equals the last bucket.
    fn histogram_line<'b>(
        &self,
        family: Family,
        bounds: &[&str],
        buckets: &[u64],
        out: &mut Out<'b>,
        sum: impl FnOnce(&mut Out<'b>) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let line = self.place.line as usize;
        match bounds.get(line) {
            Some(le) => self.bucket_line(family, le, cumulative(buckets, line), out),
            None if line == bounds.len() => self.value_line(family, "_sum{", sum, out),
            None => self.value_line(family, "_count{", |out| out.put_integer(buckets.iter().sum()), out),
        }
    }

    fn bucket_line(&self, family: Family, le: &str, count: u64, out: &mut Out<'_>) -> Result<(), Full> {
        out.put(family.name())?;
        out.put(b"_bucket{")?;
        out.put(&self.labels)?;
        out.put(b",le=\"")?;
        out.put(le.as_bytes())?;
        out.put(b"\"} ")?;
        out.put_integer(count)?;
        out.put(b"\n")
    }

    fn value_line<'b>(
        &self,
        family: Family,
        suffix: &str,
        value: impl FnOnce(&mut Out<'b>) -> Result<(), Full>,
        out: &mut Out<'b>,
    ) -> Result<(), Full> {
        out.put(family.name())?;
        out.put(suffix.as_bytes())?;
        out.put(&self.labels)?;
        out.put(b"} ")?;
        value(out)?;
        out.put(b"\n")
    }

    /// Writes the next line about the registry and the exporters themselves.
    fn status_line(&mut self, out: &mut Out<'_>) -> Result<(), Full> {
        let registry = self.registry;
        let status = self.status.get_or_insert_with(|| Status::of(registry));
        let Some(metric) = STATUS.get(self.place.row as usize) else {
            self.place.section = Section::End;
            return Ok(());
        };
        if self.place.line == HEADER {
            metric.header(out)?;
            self.place.line = 0;
            return Ok(());
        }
        let more = metric.line(status, self.place.line.into(), out)?;
        self.place.line += 1;
        if !more {
            self.place = Place { section: Section::Status, row: self.place.row + 1, line: HEADER };
        }
        Ok(())
    }
}

/// Where a page is: the next line to be written.
#[derive(Clone, Copy, Debug)]
struct Place {
    section: Section,
    /// The series of a family, or the metric of the status.
    row: u32,
    /// The line of that series or metric.
    line: u8,
}

/// The line of a family's or a metric's header.
const HEADER: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Family(Family),
    Status,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Requests,
    Latency,
    Size,
}

impl Family {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Requests => b"loaddensity_requests_total",
            Self::Latency => b"loaddensity_request_latency_ms",
            Self::Size => b"loaddensity_response_bytes",
        }
    }

    /// Lines of one series.
    const fn lines(self) -> u8 {
        match self {
            Self::Requests => 2,
            Self::Latency => LATENCY_BUCKETS as u8 + 2,
            Self::Size => SIZE_BUCKETS as u8 + 2,
        }
    }

    const fn next(self) -> Section {
        match self {
            Self::Requests => Section::Family(Self::Latency),
            Self::Latency => Section::Family(Self::Size),
            Self::Size => Section::Status,
        }
    }

    fn header(self, out: &mut Out<'_>) -> Result<(), Full> {
        out.put(match self {
            Self::Requests => {
                b"# HELP loaddensity_requests_total Completed requests\n# TYPE loaddensity_requests_total counter\n"
            }
            Self::Latency => {
                b"# HELP loaddensity_request_latency_ms Request latency in milliseconds\n# TYPE loaddensity_request_latency_ms histogram\n"
            }
            Self::Size => {
                b"# HELP loaddensity_response_bytes Response size in bytes\n# TYPE loaddensity_response_bytes histogram\n"
            }
        })
    }
}

/// What the lines of one series in one family show.
#[derive(Clone, Copy, Debug)]
enum Frozen {
    None,
    Requests([u64; 2]),
    Latency(Latencies),
    Size(Sizes),
}

fn cumulative(buckets: &[u64], line: usize) -> u64 {
    buckets.iter().take(line + 1).sum()
}

fn add(sums: &mut [u64], others: &[u64]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += other;
    }
}
