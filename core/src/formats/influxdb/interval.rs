//! One point per series and interval, in place of one per request.

use super::tags::{AddedTags, OutcomeTag};
use super::{MAX_INTEGER, Measurement, MeasurementError, Precision, StatusCode, escaped};
use crate::aggregates::distribution::Distribution;
use crate::aggregates::row::RowShape;
use crate::aggregates::totals::Totals;
use crate::counts::bounds::Quantity;
use crate::labels::constant::ConstantLabels;
use crate::labels::influxdb::InfluxdbTags;
use crate::metrics::{LATENCY, REQUESTS, SIZE};
use crate::registry::Registry;
use crate::request::error_kind::{ErrorKind, KINDS};
use crate::request::sample::Timestamp;
use crate::request::series::Series;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::joined::{joined, joined_str};
use crate::wire::text::out::Full;
use crate::wire::text::short_text::ShortText;

/// What one series did in one interval, both outcomes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalPoint {
    /// Requests.
    pub requests: u64,
    /// Of those, the failures.
    pub failures: u64,
    /// Sum of the latencies in nanoseconds.
    pub latency_sum_ns: u64,
    /// Smallest, largest, and the ones that 50, 95 and 99 % did not exceed, in nanoseconds. `None` where the storage
    /// keeps no exponential histograms.
    pub latency_ns: Option<[u64; 5]>,
    /// Sum of the sizes in bytes.
    pub bytes: u64,
    /// The failures by kind, while the label `error_type` is on.
    kinds: [u64; KINDS],
}

impl IntervalPoint {
    /// Of the sums and, where they are kept, the latencies of one interval.
    #[must_use]
    pub fn new(totals: &Totals, latencies: Option<&Distribution>) -> Self {
        Self {
            requests: totals.requests(),
            failures: totals.failures(),
            latency_sum_ns: totals.latencies.iter().fold(0, |sum, side| sum.wrapping_add(side.sum_ns)),
            latency_ns: latencies.and_then(Distribution::extremes_and_percentiles),
            bytes: totals.sizes.iter().fold(0, |sum, side| sum.wrapping_add(side.sum)),
            kinds: totals.kinds,
        }
    }

    /// Of a row that has both outcomes.
    pub(super) fn of_row(shape: RowShape, row: &[u64]) -> Self {
        let [latencies, sizes] = shape.exponentials(row);
        let distribution = Distribution::of(Quantity::Latency, latencies.buckets, latencies.extremes);
        Self {
            requests: shape.requests(row),
            failures: shape.failures(row),
            latency_sum_ns: latencies.sum,
            // Without buckets there is nothing to be told.
            latency_ns: distribution.extremes_and_percentiles(),
            bytes: sizes.sum,
            kinds: ErrorKind::ALL.map(|kind| shape.failures_of(row, kind)),
        }
    }
}

/// Writes intervals as lines:
/// `loaddensity_request_interval,method=GET,name=/x requests=2i,failures=0i,response_time_ms_sum=84,response_time_ms_min=41,response_time_ms_max=43,response_time_ms_p50=41.9,response_time_ms_p95=43,response_time_ms_p99=43,response_length_sum=2048i 1700000000000000000`.
#[derive(Clone, Debug)]
pub struct IntervalEncoder<'a> {
    registry: Registry<'a>,
    measurement: Measurement,
    tags: AddedTags,
    precision: Precision,
}

impl<'a> IntervalEncoder<'a> {
    /// The names of the fields. No tag may have one of them: InfluxDB 3 refuses such points.
    pub const FIELDS: [&'static str; 9] = [
        REQUESTS.influxdb,
        "failures",
        joined_str!(LATENCY.influxdb, "_sum"),
        joined_str!(LATENCY.influxdb, "_min"),
        joined_str!(LATENCY.influxdb, "_max"),
        joined_str!(LATENCY.influxdb, "_p50"),
        joined_str!(LATENCY.influxdb, "_p95"),
        joined_str!(LATENCY.influxdb, "_p99"),
        joined_str!(SIZE.influxdb, "_sum"),
    ];
    /// The names of further fields, of the failures of each kind that occurred, while the label `error_type` is on.
    pub const KIND_FIELDS: [&'static str; KINDS] = [
        joined_str!("failures_", ErrorKind::Connect.as_str()),
        joined_str!("failures_", ErrorKind::Timeout.as_str()),
        joined_str!("failures_", ErrorKind::Reset.as_str()),
        joined_str!("failures_", ErrorKind::Tls.as_str()),
        joined_str!("failures_", ErrorKind::Protocol.as_str()),
        joined_str!("failures_", ErrorKind::Status.as_str()),
        joined_str!("failures_", ErrorKind::Other.as_str()),
    ];

    /// An encoder for intervals of `registry` that writes points of `measurement` with `constant` tags, and timestamps in
    /// `precision`.
    ///
    /// # Errors
    /// A measurement that some version of InfluxDB could not store; see [`MeasurementError`].
    pub fn new(
        registry: Registry<'a>,
        measurement: &str,
        constant: &ConstantLabels,
        precision: Precision,
    ) -> Result<Self, MeasurementError> {
        let tags = AddedTags::new(constant, StatusCode::Field);
        Ok(Self { registry, measurement: escaped(measurement)?, tags, precision })
    }

    /// Writes what `series` did in the interval that ended `at`, without a newline, to the front of `out`; returns the
    /// length in bytes.
    ///
    /// # Errors
    /// [`Full`] where it does not fit; `out` then holds nothing useful.
    pub fn encode(
        &self,
        series: Series,
        interval: &IntervalPoint,
        at: Timestamp,
        out: &mut [u8],
    ) -> Result<usize, Full> {
        let room = out.len();
        let mut line = ItemWriter::new(out);
        let (tags, outcome_at) = self.registry.shown_entry(series).labels::<InfluxdbTags>();
        self.measurement.begin(&mut line)?;
        self.tags.put(tags, OutcomeTag::LeftOut(outcome_at), 0, None, &mut line)?;
        let at = at.as_unix_nanos().min(MAX_INTEGER - 1) / self.precision.nanos();
        line.put_piece(|piece| interval.put_fields(piece))?;
        for (name, failures) in Self::KIND_FIELDS.iter().zip(interval.kinds).filter(|(_, failures)| *failures != 0) {
            line.put_exact(b",")?;
            line.put_exact(name.as_bytes())?;
            line.put_exact(b"=")?;
            line.put_integer(failures.min(MAX_INTEGER), b"i")?;
        }
        line.put_exact(b" ")?;
        line.put_integer(at, b"")?;
        Ok(room - line.room())
    }
}

/// Room for the longest of those fields, 358 bytes, and what is copied with them.
const FIELDS_BYTES: usize = 400;

impl IntervalPoint {
    /// Writes the fields of every point, after the tags.
    fn put_fields(&self, piece: &mut ShortText<'_, FIELDS_BYTES>) {
        let Self { requests, failures, latency_sum_ns, latency_ns, bytes, kinds: _ } = *self;
        piece.put_all(joined!(" ", REQUESTS.influxdb, "="));
        piece.put_integer(requests.min(MAX_INTEGER));
        piece.put_all(b"i,failures=");
        piece.put_integer(failures.min(MAX_INTEGER));
        piece.put_all(joined!("i,", LATENCY.influxdb, "_sum="));
        piece.put_millis(latency_sum_ns);
        for (name, nanos) in [b"min", b"max", b"p50", b"p95", b"p99"].into_iter().zip(latency_ns.into_iter().flatten())
        {
            piece.put_all(joined!(",", LATENCY.influxdb, "_"));
            piece.put_all(name);
            piece.put_all(b"=");
            piece.put_millis(nanos);
        }
        piece.put_all(joined!(",", SIZE.influxdb, "_sum="));
        piece.put_integer(bytes.min(MAX_INTEGER));
        piece.put_all(b"i");
    }
}
