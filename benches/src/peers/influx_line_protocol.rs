//! `influxdb-line-protocol`: the builder of InfluxDB 3. It escapes every key and value on every call; ours once.

use influxdb_line_protocol::LineProtocolBuilder;

use crate::batches::{BatchRequest, BatchWriter, ROOM, SeriesNames};

/// Lines through its builder, into a `Vec` that is used again.
#[derive(Debug)]
pub struct BuilderLines {
    names: SeriesNames,
    out: Vec<u8>,
}

impl BuilderLines {
    /// For these series.
    #[must_use]
    pub fn new(names: SeriesNames) -> Self {
        Self { names, out: Vec::with_capacity(ROOM) }
    }
}

impl BatchWriter for BuilderLines {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        self.out.clear();
        for request in batch {
            let (method, name) = self.names[request.number as usize];
            LineProtocolBuilder::new_with(&mut self.out)
                .measurement("loaddensity_request")
                .tag("method", method)
                .tag("name", name)
                .tag("outcome", request.event.outcome().as_str())
                .field("status_code", i64::from(request.event.status))
                .field("response_time_ms", request.millis)
                .field("response_length", request.event.response_bytes as i64)
                .timestamp(request.unix_nanos())
                .close_line();
        }
        deliver(&self.out);
    }
}
