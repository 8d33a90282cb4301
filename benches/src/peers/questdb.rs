//! `questdb-rs`: its buffer in the text form of line protocol, as its client fills it. It checks and escapes names and
//! values on every call, and its floats take any `f64`; ours does both once, or not at all.

use questdb::ingress::{Buffer, ColumnName, ProtocolVersion, TableName, TimestampNanos};

use crate::batches::{BatchRequest, BatchWriter, ROOM, SeriesNames};

/// Lines through its buffer.
#[derive(Debug)]
pub struct QuestdbLines {
    names: SeriesNames,
    buffer: Buffer,
    keys: Keys,
}

/// Table and column names, checked at every use or taken as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As `&str`: what its documents show.
    Checked,
    /// As `new_unchecked`: the fastest that it offers.
    Unchecked,
}

impl QuestdbLines {
    /// For these series.
    #[must_use]
    pub fn new(names: SeriesNames, keys: Keys) -> Self {
        let mut buffer = Buffer::new(ProtocolVersion::V1);
        buffer.reserve(ROOM);
        Self { names, buffer, keys }
    }

    fn checked(&mut self, request: &BatchRequest) -> questdb::Result<()> {
        let (method, name) = self.names[request.number as usize];
        self.buffer
            .table("loaddensity_request")?
            .symbol("method", method)?
            .symbol("name", name)?
            .symbol("outcome", request.event.outcome().as_str())?
            .column_i64("status_code", request.event.status.into())?
            .column_f64("response_time_ms", request.millis)?
            .column_i64("response_length", request.event.response_bytes as i64)?
            .at(TimestampNanos::new(request.unix_nanos()))
    }

    fn unchecked(&mut self, request: &BatchRequest) -> questdb::Result<()> {
        let (method, name) = self.names[request.number as usize];
        self.buffer
            .table(TableName::new_unchecked("loaddensity_request"))?
            .symbol(ColumnName::new_unchecked("method"), method)?
            .symbol(ColumnName::new_unchecked("name"), name)?
            .symbol(ColumnName::new_unchecked("outcome"), request.event.outcome().as_str())?
            .column_i64(ColumnName::new_unchecked("status_code"), request.event.status.into())?
            .column_f64(ColumnName::new_unchecked("response_time_ms"), request.millis)?
            .column_i64(ColumnName::new_unchecked("response_length"), request.event.response_bytes as i64)?
            .at(TimestampNanos::new(request.unix_nanos()))
    }
}

impl BatchWriter for QuestdbLines {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        self.buffer.clear();
        for request in batch {
            let fits = match self.keys {
                Keys::Checked => self.checked(request),
                Keys::Unchecked => self.unchecked(request),
            };
            fits.expect("names and values that it takes");
        }
        deliver(self.buffer.as_bytes());
    }
}
