//! The floor of an InfluxDB line: what precedes the first number is made once for each series and outcome.

use std::marker::PhantomData;

use loaddensity_metrics_core::Outcome;

use super::decimal::{self, MillisFormat};
use crate::batches::{BatchRequest, BatchWriter, ROOM, SeriesNames};

/// Writes lines with latencies as `M` has them.
#[derive(Debug)]
pub struct FloorLines<M> {
    heads: Vec<[Vec<u8>; 2]>,
    out: Vec<u8>,
    millis: PhantomData<M>,
}

impl<M: MillisFormat> FloorLines<M> {
    /// For these series.
    #[must_use]
    pub fn new(names: SeriesNames) -> Self {
        let head = |&(method, name): &(&str, &str)| {
            Outcome::ALL.map(|outcome| {
                let outcome = outcome.as_str();
                format!("loaddensity_request,method={method},name={name},outcome={outcome} status_code=").into_bytes()
            })
        };
        Self { heads: names.iter().map(head).collect(), out: Vec::with_capacity(ROOM), millis: PhantomData }
    }
}

impl<M: MillisFormat> BatchWriter for FloorLines<M> {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        let out = &mut self.out;
        out.clear();
        for request in batch {
            out.extend_from_slice(&self.heads[request.number as usize][request.event.outcome() as usize]);
            decimal::put(out, request.event.status);
            out.extend_from_slice(b"i,response_time_ms=");
            M::put(out, request);
            out.extend_from_slice(b",response_length=");
            decimal::put(out, request.event.response_bytes);
            out.extend_from_slice(b"i ");
            decimal::put(out, request.unix_nanos());
            out.push(b'\n');
        }
        deliver(out);
    }
}
