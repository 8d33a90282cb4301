//! InfluxDB line protocol: one line per request.
//!
//! Sources of the rules: influxdata/docs, line protocol reference; where the parsers of InfluxDB 1 and 3 differ, what
//! both take. In tags, `,`, `=` and space are escaped with a backslash; control characters, and a backslash that a
//! parser could read as an escape, become `_`.

use core::fmt;

use heapless::Vec;

use crate::batch::EventEncoder;
use crate::event::Event;
use crate::labels::influxdb as labels;
use crate::out::{Full, Out};
use crate::registry::Registry;

/// Longest measurement in bytes.
pub const MEASUREMENT_BYTES: usize = 128;

/// Largest value of an integer field.
const MAX_INTEGER: u64 = i64::MAX as u64;

/// Writes events as lines:
/// `loaddensity_request,method=GET,name=/x,outcome=success status_code=200i,response_time_ms=42,response_length=1024i 1700000000000000000`.
#[derive(Clone, Debug)]
pub struct LineEncoder<'a> {
    registry: Registry<'a>,
    /// Escaped.
    measurement: Vec<u8, { 2 * MEASUREMENT_BYTES }>,
}

impl<'a> LineEncoder<'a> {
    /// An encoder for events of `registry` that writes points of `measurement`.
    ///
    /// # Errors
    /// A measurement that some version of InfluxDB could not store; see [`MeasurementError`].
    pub fn new(registry: Registry<'a>, measurement: &str) -> Result<Self, MeasurementError> {
        if measurement.is_empty() {
            return Err(MeasurementError::Empty);
        }
        if measurement.len() > MEASUREMENT_BYTES {
            return Err(MeasurementError::TooLong);
        }
        if measurement.starts_with('#') || measurement.contains(|c: char| c == '\\' || c.is_control()) {
            return Err(MeasurementError::Character);
        }
        let mut escaped = Vec::new();
        for byte in measurement.bytes() {
            let fits = escape_one(&mut escaped, byte, b", ");
            debug_assert_eq!(fits, Ok(()));
        }
        Ok(Self { registry, measurement: escaped })
    }

    fn line(&self, event: &Event, out: &mut Out<'_>) -> Result<(), Full> {
        let (tags, before_outcome) = self.registry.shown_entry(event.series).influxdb();
        out.put(&self.measurement)?;
        // Tags in order of their keys, which spares the server the sorting: `outcome` goes between them.
        let start = out.len();
        let room = out.room();
        let copied = tags.copy_to(room);
        if before_outcome == tags.len() {
            out.advance(copied)?;
            put_outcome(event, out)?;
        } else {
            copied.ok_or(Full)?;
            let mut rest: Vec<u8, { labels::BYTES }> = Vec::new();
            rest.extend_from_slice(&room[before_outcome..tags.len()]).map_err(|_| Full)?;
            out.advance(Some(before_outcome))?;
            put_outcome(event, out)?;
            out.put(&rest)?;
        }
        debug_assert!(out.len() > start);
        out.put(b" status_code=")?;
        out.put_integer(event.status.into())?;
        out.put(b"i,response_time_ms=")?;
        out.put_millis(event.latency_ns)?;
        out.put(b",response_length=")?;
        out.put_integer(event.response_bytes.min(MAX_INTEGER))?;
        out.put(b"i ")?;
        out.put_integer(event.completed_at.as_unix_nanos().min(MAX_INTEGER - 1))
    }
}

impl EventEncoder for LineEncoder<'_> {
    const ITEMS: u8 = 1;

    #[inline]
    fn encode(&self, event: &Event, _: u8, out: &mut [u8]) -> Result<usize, Full> {
        let mut out = Out::new(out);
        self.line(event, &mut out)?;
        Ok(out.len())
    }
}

/// Why a measurement cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

fn escape_one<const N: usize>(text: &mut Vec<u8, N>, byte: u8, special: &[u8]) -> Result<(), Full> {
    if special.contains(&byte) {
        text.push(b'\\').map_err(|_| Full)?;
    }
    text.push(byte).map_err(|_| Full)
}

fn put_outcome(event: &Event, out: &mut Out<'_>) -> Result<(), Full> {
    out.put(b",outcome=")?;
    out.put(event.outcome.as_str().as_bytes())
}
