//! `influxdb-line-protocol`: the builder of InfluxDB 3. It escapes every key and value on every call; ours once.

use influxdb_line_protocol::LineProtocolBuilder;

use crate::contests::batches::{BatchWriter, Names, ROOM, Request};

/// Lines through its builder, into a `Vec` that is used again.
#[derive(Debug)]
pub struct Lines {
    names: Names,
    out: Vec<u8>,
}

impl Lines {
    /// For these series.
    #[must_use]
    pub fn new(names: Names) -> Self {
        Self { names, out: Vec::with_capacity(ROOM) }
    }
}

impl BatchWriter for Lines {
    fn write(&mut self, batch: &[Request], deliver: &mut dyn FnMut(&[u8])) {
        self.out.clear();
        for request in batch {
            let (method, name) = self.names[request.number as usize];
            LineProtocolBuilder::new_with(&mut self.out)
                .measurement("loaddensity_request")
                .tag("method", method)
                .tag("name", name)
                .tag("outcome", request.event.outcome.as_str())
                .field("status_code", i64::from(request.event.status))
                .field("response_time_ms", request.millis)
                .field("response_length", request.event.response_bytes as i64)
                .timestamp(request.unix_nanos())
                .close_line();
        }
        deliver(&self.out);
    }
}
