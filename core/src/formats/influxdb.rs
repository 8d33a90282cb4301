//! InfluxDB line protocol: one line per request.
//!
//! Sources of the rules: influxdata/docs, line protocol reference; where the parsers of InfluxDB 1 and 3 differ, what
//! both take. In tags, `,`, `=` and space are escaped with a backslash; control characters, and a backslash that a
//! parser could read as an escape, become `_`.

use core::cell::Cell;
use core::fmt;

use heapless::Vec;

use crate::events::batch::EventEncoder;
use crate::events::event::Event;
use crate::labels::constant::ConstantLabels;
use crate::labels::influxdb as labels;
use crate::labels::influxdb::InfluxdbTags;
use crate::metrics::{LATENCY, SIZE};
use crate::registry::Registry;
use crate::wire::text::digits::{self, EIGHT_DIGITS};
use crate::wire::text::item::ItemWriter;
use crate::wire::text::item_start::ItemStart;
use crate::wire::text::joined::joined;
use crate::wire::text::out::Full;
use crate::wire::text::short_text::ShortText;

mod answer;
mod gauges;
mod instrument_rows;
mod instruments;
mod interval;
mod observations;
mod precision;
mod rows;
mod tags;
mod times;

pub use answer::{error_words, refused_lines};
pub use gauges::GaugeLineEncoder;
pub use instrument_rows::{InstrumentBody, InstrumentPlace, InstrumentRows, InstrumentTooLarge};
pub use instruments::InstrumentEncoder;
pub use interval::{IntervalEncoder, IntervalPoint};
pub use observations::ObservationEncoder;
pub use precision::Precision;
pub use rows::{BodyLimits, IntervalBody, IntervalRows, PointTooLarge, RowPlace};
pub use tags::StatusCode;
use tags::{AddedTags, OutcomeTag};
pub use times::IntervalTimes;

/// Longest measurement in bytes.
pub const MEASUREMENT_BYTES: usize = 128;

/// Largest value of an integer field.
const MAX_INTEGER: u64 = i64::MAX as u64;

/// Writes events as lines:
/// `loaddensity_request,method=GET,name=/x,outcome=success status_code=200i,response_time_ms=42,response_length=1024i 1700000000000000000`.
///
/// It keeps what the last timestamp began with, so each thread that encodes has one of its own.
#[derive(Clone, Debug)]
pub struct LineEncoder<'a> {
    registry: Registry<'a>,
    /// Escaped.
    measurement: Measurement,
    time: TimestampDigits,
    /// What a line has besides the contract's tags, if anything.
    tags: Option<AddedTags>,
}

/// The measurement, escaped.
type Measurement = ItemStart<{ 1 + 2 * MEASUREMENT_BYTES }>;

impl<'a> LineEncoder<'a> {
    /// An encoder for events of `registry` that writes points of `measurement`.
    ///
    /// # Errors
    /// A measurement that some version of InfluxDB could not store; see [`MeasurementError`].
    pub fn new(registry: Registry<'a>, measurement: &str) -> Result<Self, MeasurementError> {
        let measurement = escaped(measurement)?;
        let plain = Self { registry, measurement, time: TimestampDigits::default(), tags: None };
        Ok(plain.with_tags(&ConstantLabels::NONE, StatusCode::Field))
    }

    /// The same with `constant` tags on every line and the status code where `status` says. Tags stay in order of their
    /// keys; a series' own tag of the same key as a constant one wins.
    #[must_use]
    pub fn with_tags(self, constant: &ConstantLabels, status: StatusCode) -> Self {
        let is_contract = constant.is_empty() && status == StatusCode::Field;
        let has_kinds = self.registry.has_error_label();
        let added = || AddedTags::new(constant, status).with_kinds(has_kinds, is_contract);
        Self { tags: (!is_contract || has_kinds).then(added), ..self }
    }

    #[inline(always)]
    fn line(&self, event: &Event, line: &mut ItemWriter<'_>) -> Result<(), Full> {
        match &self.tags {
            Some(added) => self.line_with(added, event, line),
            None => self.contract_line(event, line),
        }
    }

    #[inline(always)]
    fn contract_line(&self, event: &Event, line: &mut ItemWriter<'_>) -> Result<(), Full> {
        let (tags, outcome_at) = self.registry.shown_entry(event.series).labels::<InfluxdbTags>();
        self.measurement.begin(line)?;
        line.put_text_with(tags, outcome_at, labels::OUTCOMES[event.outcome().index()])?;
        line.put_piece(|fields| self.put_fields(event, event.status.into(), fields))
    }

    /// The same with tags besides the contract's, if such a request has any. Out of line: a choice in the middle of
    /// [`line`](Self::line) costs the contract's 2 % of its instructions.
    #[inline(never)]
    fn line_with(&self, added: &AddedTags, event: &Event, line: &mut ItemWriter<'_>) -> Result<(), Full> {
        if !added.has_any(event.outcome()) {
            return self.contract_line(event, line);
        }
        let (tags, outcome_at) = self.registry.shown_entry(event.series).labels::<InfluxdbTags>();
        let outcome = OutcomeTag::Says(outcome_at, labels::OUTCOMES[event.outcome().index()]);
        self.measurement.begin(line)?;
        added.put(tags, outcome, event.status, event.error_kind(), line)?;
        let status = if added.has_status_field() { event.status.into() } else { NO_STATUS };
        line.put_piece(|fields| self.put_fields(event, status, fields))
    }

    /// What follows the tags: the fields, with this status code unless it is [`NO_STATUS`], and the timestamp.
    #[inline(always)]
    fn put_fields(&self, event: &Event, status: u32, fields: &mut ShortText<'_, FIELDS_BYTES>) {
        let Event { latency_ns, response_bytes, completed_at, .. } = *event;
        if (100..1_000).contains(&status) {
            // One copy for all that does not change.
            const STATUS_AND_TIME: &[u8; 40] = joined!(" status_code=000i,", LATENCY.influxdb, "=     ");
            fields.put(STATUS_AND_TIME, STATUS_AND_TIME.len() - 5);
            fields.put_over(13, &digits::three(status, b'i'));
        } else if status != NO_STATUS {
            fields.put_all(b" status_code=");
            fields.put_integer(status.into());
            fields.put_all(joined!("i,", LATENCY.influxdb, "="));
        } else {
            fields.put_all(joined!(" ", LATENCY.influxdb, "="));
        }
        fields.put_millis(latency_ns);
        const LENGTH: &[u8; 24] = joined!(",", SIZE.influxdb, "=       ");
        fields.put(LENGTH, LENGTH.len() - 7);
        fields.put_integer(response_bytes.min(MAX_INTEGER));
        fields.put_all(b"i ");
        self.time.put(completed_at.as_unix_nanos().min(MAX_INTEGER - 1), fields);
    }
}

/// In place of a status code that is no field.
const NO_STATUS: u32 = u32::MAX;

impl EventEncoder for LineEncoder<'_> {
    const ITEMS: u8 = 1;

    /// InfluxDB (models/points.go), Telegraf and VictoriaMetrics read over empty lines.
    fn fills_with_newlines(&self) -> bool {
        true
    }

    #[inline]
    fn encode(&self, event: &Event, _: u8, out: &mut [u8]) -> Result<usize, Full> {
        let room = out.len();
        let mut line = ItemWriter::new(out);
        self.line(event, &mut line)?;
        Ok(room - line.room())
    }
}

/// Why a measurement cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeasurementError {
    /// It is empty.
    Empty,
    /// It is longer than [`MEASUREMENT_BYTES`].
    TooLong,
    /// It begins with `#` or holds a backslash or a control character.
    Character,
}

impl fmt::Display for MeasurementError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the measurement is empty; give it a name such as loaddensity_request"),
            Self::TooLong => write!(f, "the measurement is longer than {MEASUREMENT_BYTES} bytes; shorten it"),
            Self::Character => f.write_str(
                "the measurement begins with # or holds a backslash or a control character, which InfluxDB cannot store; use letters, digits and _",
            ),
        }
    }
}

impl core::error::Error for MeasurementError {}

/// The measurement as lines begin with it.
fn escaped(measurement: &str) -> Result<Measurement, MeasurementError> {
    if measurement.is_empty() {
        return Err(MeasurementError::Empty);
    }
    if measurement.len() > MEASUREMENT_BYTES {
        return Err(MeasurementError::TooLong);
    }
    if measurement.starts_with('#') || measurement.contains(|c: char| c == '\\' || c.is_control()) {
        return Err(MeasurementError::Character);
    }
    let mut escaped: Vec<u8, { 2 * MEASUREMENT_BYTES }> = Vec::new();
    for byte in measurement.bytes() {
        let fits = escape_one(&mut escaped, byte, b", ");
        debug_assert_eq!(fits, Ok(()));
    }
    Ok(ItemStart::new(&[&escaped]))
}

fn escape_one<const N: usize>(text: &mut Vec<u8, N>, byte: u8, special: &[u8]) -> Result<(), Full> {
    if special.contains(&byte) {
        text.push(b'\\').map_err(|_| Full)?;
    }
    text.push(byte).map_err(|_| Full)
}

/// Room for the longest fields, 115 bytes, and what is copied with them.
const FIELDS_BYTES: usize = 128;

/// The digits that timestamps begin with, all but the last eight: for a tenth of a second they are the same.
#[derive(Clone, Debug)]
struct TimestampDigits {
    /// What the digits show.
    value: Cell<u64>,
    /// Padded for one move.
    digits: Cell<[u8; 16]>,
}

impl Default for TimestampDigits {
    fn default() -> Self {
        // No timestamp begins with this value.
        Self { value: Cell::new(u64::MAX), digits: Cell::default() }
    }
}

impl TimestampDigits {
    /// Digits of timestamps since 2001 before the last eight.
    const DIGITS: usize = 11;

    #[inline(always)]
    fn put<const N: usize>(&self, nanos: u64, piece: &mut ShortText<'_, N>) {
        let (front, last) = (nanos / EIGHT_DIGITS, nanos % EIGHT_DIGITS);
        if self.value.get() == front || self.renew(front) {
            piece.put(&self.digits.get(), Self::DIGITS);
            piece.put(&digits::padded(last as u32), 8);
        } else {
            piece.put_long(nanos);
        }
    }

    /// Keeps the digits of `front`; `false` where they are fewer.
    #[cold]
    #[inline(never)]
    fn renew(&self, front: u64) -> bool {
        let (text, length) = digits::long(front);
        let (true, Some(digits)) = (length == Self::DIGITS, text.first_chunk()) else { return false };
        self.digits.set(*digits);
        self.value.set(front);
        true
    }
}
