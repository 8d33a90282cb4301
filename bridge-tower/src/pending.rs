//! A request that has not ended: it is recorded when this is dropped, so that none is forgotten and none counts twice.

use std::time::Instant;

use http::{Method, Response, header};
use http_body::Body;
use loaddensity_metrics_shell::{ErrorKind, LocalRecorder, Outcome, Sample, Series, Timestamp};

use crate::completed::{Completed, Ending, OutcomeRule};

#[derive(Debug)]
pub(crate) struct Pending<O: OutcomeRule> {
    recorder: &'static LocalRecorder,
    series: Series,
    rule: O,
    clock: Option<fn() -> Timestamp>,
    is_head: bool,
    began: Instant,
    status: u16,
    bytes: u64,
    /// The body's length as the response's header says it.
    announced: Option<u64>,
    /// How the request ends if nothing more is heard of it.
    ending: Ending,
    /// What the service's error is.
    error: Option<ErrorKind>,
}

impl<O: OutcomeRule> Pending<O> {
    pub(crate) fn begin(
        recorder: &'static LocalRecorder,
        series: Series,
        rule: O,
        clock: Option<fn() -> Timestamp>,
        method: &Method,
    ) -> Self {
        Self {
            recorder,
            series,
            rule,
            clock,
            is_head: *method == Method::HEAD,
            began: Instant::now(),
            status: 0,
            bytes: 0,
            announced: None,
            ending: Ending::Cancelled,
            error: None,
        }
    }

    /// The response came. What is left to be recorded: nothing, if its body ends at once.
    pub(crate) fn responded<B: Body>(mut self, response: &Response<B>) -> Option<Self> {
        self.status = response.status().as_u16();
        let length = response.headers().get(header::CONTENT_LENGTH);
        self.announced = length.and_then(|length| length.to_str().ok()?.parse().ok());
        self.went_on(0, response.body())
    }

    /// So many bytes more came. What is left to be recorded: nothing, if that was all.
    pub(crate) fn went_on<B: Body>(mut self, bytes: u64, body: &B) -> Option<Self> {
        self.bytes += bytes;
        // HTTP libraries ask a body no more that has had all the bytes of its header, or that answers to HEAD: they drop it.
        let may_be_dropped = self.is_head || self.announced == Some(self.bytes);
        self.ending = if may_be_dropped { Ending::Whole } else { Ending::BodyDropped };
        if body.is_end_stream() {
            self.end(Ending::Whole);
            return None;
        }
        Some(self)
    }

    pub(crate) fn end(mut self, ending: Ending) {
        self.ending = ending;
    }

    /// The service answered with an error of this kind.
    pub(crate) fn failed(mut self, kind: ErrorKind) {
        (self.ending, self.error) = (Ending::ServiceError, Some(kind));
    }
}

impl<O: OutcomeRule> Drop for Pending<O> {
    fn drop(&mut self) {
        let latency = self.began.elapsed();
        let completed = Completed {
            series: self.series,
            status: self.status,
            response_bytes: self.bytes,
            latency,
            ending: self.ending,
            error: self.error.or_else(|| self.ending.error_kind(self.status)),
        };
        let outcome = (self.rule)(completed);
        let sample = Sample::new(outcome, latency).status(self.status).response_bytes(self.bytes);
        let sample = match completed.error {
            Some(kind) if outcome == Outcome::Failure => sample.error(kind),
            _ => sample,
        };
        let completed_at = self.clock.map_or_else(Timestamp::default, |clock| clock());
        self.recorder.record(self.series, sample.completed_at(completed_at));
    }
}
