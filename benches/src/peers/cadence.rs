//! `cadence`: a DogStatsD client. Its timings are whole milliseconds; it does no cleaning of tag values. A sink of its
//! own would send or pack the messages; here one keeps them, behind a lock because sinks are shared.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cadence::{Counted as _, Histogrammed as _, MetricError, MetricSink, StatsdClient, Timed as _};

use crate::batches::{BatchRequest, BatchWriter, ROOM, SeriesNames};

/// Messages through its client.
#[derive(Debug)]
pub struct CadenceMessages {
    names: SeriesNames,
    client: StatsdClient,
    kept: Arc<Mutex<Vec<u8>>>,
}

impl CadenceMessages {
    /// For these series.
    #[must_use]
    pub fn new(names: SeriesNames) -> Self {
        let kept = Arc::new(Mutex::new(Vec::with_capacity(ROOM)));
        Self { names, client: StatsdClient::from_sink("loaddensity", CapturingSink(Arc::clone(&kept))), kept }
    }

    fn one(&self, request: &BatchRequest) -> Result<(), MetricError> {
        let (method, name) = self.names[request.number as usize];
        let outcome = request.event.outcome().as_str();
        self.client
            .count_with_tags("requests", 1)
            .with_tag("method", method)
            .with_tag("name", name)
            .with_tag("outcome", outcome)
            .try_send()?;
        self.client
            .time_with_tags("request.latency", u64::from(request.micros / 1_000))
            .with_tag("method", method)
            .with_tag("name", name)
            .with_tag("outcome", outcome)
            .try_send()?;
        self.client
            .histogram_with_tags("response.size", request.event.response_bytes)
            .with_tag("method", method)
            .with_tag("name", name)
            .with_tag("outcome", outcome)
            .try_send()?;
        Ok(())
    }
}

impl BatchWriter for CadenceMessages {
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8])) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
        for request in batch {
            self.one(request).expect("a sink that takes anything");
        }
        deliver(&self.kept.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[derive(Debug)]
struct CapturingSink(Arc<Mutex<Vec<u8>>>);

impl MetricSink for CapturingSink {
    fn emit(&self, message: &str) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(message.as_bytes());
        kept.push(b'\n');
        Ok(message.len())
    }
}
