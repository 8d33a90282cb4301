//! What the contests of the event encoders share: the trace in batches of 1,000 requests, and writers that take one.

use std::hint::black_box;
use std::rc::Rc;

use loaddensity_metrics_core::{Event, Registry};

use crate::contest::{Contender, Role};
use crate::trace::{self, TraceWork};

/// Requests of one batch: what one pass of a contender writes.
pub const BATCH: usize = 1_000;
/// Room for the output of one batch with plenty to spare, in bytes.
pub const ROOM: usize = 1 << 20;
/// Batches whose answers are checked; the trace has ten times as many.
const CHECKED: usize = 10;

/// One request in every form in which a contender takes it, so that none pays for a conversion.
#[derive(Clone, Copy, Debug)]
pub struct BatchRequest {
    /// What our encoders take.
    pub event: Event,
    /// The latency in milliseconds.
    pub millis: f64,
    /// The latency in microseconds.
    pub micros: u32,
    /// Number of its series in [`TraceWork::names`].
    pub number: u32,
}

impl BatchRequest {
    /// Time of completion in nanoseconds since the Unix epoch.
    #[inline]
    #[must_use]
    pub const fn unix_nanos(&self) -> i64 {
        self.event.completed_at.as_unix_nanos() as i64
    }
}

/// Method and name of each series.
pub type SeriesNames = &'static [(&'static str, &'static str)];

/// Whatever turns a batch of requests into the bytes that a backend reads.
pub trait BatchWriter {
    /// Writes `batch` and hands over the bytes: in one piece, or in one for each body or datagram.
    fn write(&mut self, batch: &[BatchRequest], deliver: &mut dyn FnMut(&[u8]));
}

/// The whole trace as requests of series that `registry` knows.
#[must_use]
pub fn requests(work: &TraceWork, registry: Registry<'_>) -> Rc<[BatchRequest]> {
    let series: Vec<_> = work.names.iter().map(|(method, name)| registry.series(method, name)).collect();
    let request = |(position, event): (usize, &trace::TraceEvent)| BatchRequest {
        event: Event::of(series[event.series as usize], event.sample(trace::completed_at(position))),
        millis: event.millis,
        micros: event.micros,
        number: event.series,
    };
    work.events.iter().enumerate().map(request).collect()
}

/// A contender that writes the trace's batches one after the other, over and over. First its answers are checked:
/// `check` gets some batches with all bytes that it wrote for each, and panics where they do not say the same.
pub fn contender(
    name: &'static str,
    role: Role,
    mut writer: impl BatchWriter + 'static,
    requests: &Rc<[BatchRequest]>,
    check: impl Fn(&str, &[BatchRequest], &[Vec<u8>]),
) -> Contender {
    for batch in requests.chunks_exact(BATCH).take(CHECKED) {
        let mut pieces = Vec::new();
        writer.write(batch, &mut |piece| pieces.push(piece.to_vec()));
        check(name, batch, &pieces);
    }
    let (requests, mut position) = (Rc::clone(requests), 0);
    Contender::new(name, role, move || {
        let batch = &requests[position..position + BATCH];
        position = (position + BATCH) % requests.len();
        let mut bytes = 0;
        writer.write(black_box(batch), &mut |piece| bytes += black_box(piece).len());
        bytes
    })
}
