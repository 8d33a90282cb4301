//! What one writes without a library: `write!` into a `String` that is used again. Nothing is escaped, and a name with
//! a space, a comma or a newline breaks the batch.

use std::fmt::Write as _;

use crate::batches::{BatchRequest, BatchWriter, ROOM, SeriesNames};

/// InfluxDB lines.
#[derive(Debug)]
pub struct WriteLines {
    names: SeriesNames,
    out: String,
}

/// DogStatsD messages, latencies in exact decimals.
#[derive(Debug)]
pub struct WriteMessages {
    names: SeriesNames,
    out: String,
}

impl WriteLines {
    /// For these series.
    #[must_use]
    pub fn new(names: SeriesNames) -> Self {
        Self { names, out: String::with_capacity(ROOM) }
    }
}

impl WriteMessages {
    /// For these series.
    #[must_use]
    pub fn new(names: SeriesNames) -> Self {
        Self { names, out: String::with_capacity(ROOM) }
    }
}

impl BatchWriter for WriteLines {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        self.out.clear();
        for request in batch {
            let (method, name) = self.names[request.number as usize];
            let outcome = request.event.outcome().as_str();
            let fits = writeln!(
                self.out,
                "loaddensity_request,method={method},name={name},outcome={outcome} status_code={}i,response_time_ms={},response_length={}i {}",
                request.event.status,
                request.millis,
                request.event.response_bytes,
                request.unix_nanos(),
            );
            fits.expect("a String takes anything");
        }
        deliver(self.out.as_bytes());
    }
}

impl BatchWriter for WriteMessages {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        self.out.clear();
        for request in batch {
            self.one(request).expect("a String takes anything");
        }
        deliver(self.out.as_bytes());
    }
}

impl WriteMessages {
    fn one(&mut self, request: &BatchRequest) -> std::fmt::Result {
        let (method, name) = self.names[request.number as usize];
        let outcome = request.event.outcome().as_str();
        let (millis, bytes) = (request.millis, request.event.response_bytes);
        writeln!(self.out, "loaddensity.requests:1|c|#method:{method},name:{name},outcome:{outcome}")?;
        writeln!(self.out, "loaddensity.request.latency:{millis}|ms|#method:{method},name:{name},outcome:{outcome}")?;
        writeln!(self.out, "loaddensity.response.size:{bytes}|h|#method:{method},name:{name},outcome:{outcome}")
    }
}
