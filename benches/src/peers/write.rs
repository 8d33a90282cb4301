//! What one writes without a library: `write!` into a `String` that is used again. Nothing is escaped, and a name with
//! a space, a comma or a newline breaks the batch.

use std::fmt::Write as _;

use crate::contests::batches::{BatchWriter, Names, ROOM, Request};

/// InfluxDB lines.
#[derive(Debug)]
pub struct Lines {
    names: Names,
    out: String,
}

/// DogStatsD messages, latencies in exact decimals.
#[derive(Debug)]
pub struct Messages {
    names: Names,
    out: String,
}

impl Lines {
    /// For these series.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names, out: String::with_capacity(ROOM) }
    }
}

impl Messages {
    /// For these series.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names, out: String::with_capacity(ROOM) }
    }
}

impl BatchWriter for Lines {
    fn write(&mut self, batch: &[Request], deliver: &mut dyn FnMut(&[u8])) {
        self.out.clear();
        for request in batch {
            let (method, name) = self.names[request.number as usize];
            let outcome = request.event.outcome.as_str();
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

impl BatchWriter for Messages {
    fn write(&mut self, batch: &[Request], deliver: &mut dyn FnMut(&[u8])) {
        self.out.clear();
        for request in batch {
            self.one(request).expect("a String takes anything");
        }
        deliver(self.out.as_bytes());
    }
}

impl Messages {
    fn one(&mut self, request: &Request) -> std::fmt::Result {
        let (method, name) = self.names[request.number as usize];
        let outcome = request.event.outcome.as_str();
        let (millis, bytes) = (request.millis, request.event.response_bytes);
        writeln!(self.out, "loaddensity.requests:1|c|#method:{method},name:{name},outcome:{outcome}")?;
        writeln!(self.out, "loaddensity.request.latency:{millis}|ms|#method:{method},name:{name},outcome:{outcome}")?;
        writeln!(self.out, "loaddensity.response.size:{bytes}|h|#method:{method},name:{name},outcome:{outcome}")
    }
}
