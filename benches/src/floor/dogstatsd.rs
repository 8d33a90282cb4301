//! The floor of a request's three DogStatsD messages: the tags are made once for each series and outcome.

use std::marker::PhantomData;

use loaddensity_metrics_core::Outcome;

use super::decimal::{self, MillisFormat};
use crate::batches::{BatchRequest, BatchWriter, ROOM, SeriesNames};

/// Writes messages with latencies as `M` has them.
#[derive(Debug)]
pub struct FloorMessages<M> {
    tags: Vec<[Vec<u8>; 2]>,
    out: Vec<u8>,
    millis: PhantomData<M>,
}

impl<M: MillisFormat> FloorMessages<M> {
    /// For these series.
    #[must_use]
    pub fn new(names: SeriesNames) -> Self {
        let tags = |&(method, name): &(&str, &str)| {
            Outcome::ALL
                .map(|outcome| format!("|#method:{method},name:{name},outcome:{}\n", outcome.as_str()).into_bytes())
        };
        Self { tags: names.iter().map(tags).collect(), out: Vec::with_capacity(ROOM), millis: PhantomData }
    }
}

impl<M: MillisFormat> BatchWriter for FloorMessages<M> {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        let out = &mut self.out;
        out.clear();
        for request in batch {
            let tags = &self.tags[request.number as usize][request.event.outcome() as usize];
            out.extend_from_slice(b"loaddensity.requests:1|c");
            out.extend_from_slice(tags);
            out.extend_from_slice(b"loaddensity.request.latency:");
            M::put(out, request);
            out.extend_from_slice(b"|ms");
            out.extend_from_slice(tags);
            out.extend_from_slice(b"loaddensity.response.size:");
            decimal::put(out, request.event.response_bytes);
            out.extend_from_slice(b"|h");
            out.extend_from_slice(tags);
        }
        deliver(out);
    }
}
