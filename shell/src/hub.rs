//! The hub of the per-request exporters: one pump task that empties the recorders' rings into each exporter's own feed.
//!
//! It runs only while a feed is attached, as often as [`pace`] says. A feed that
//! is full drops and counts; it never holds up the others. The mutexes here are between exporter tasks; no recorder
//! ever meets one.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event as Notify;
use loaddensity_metrics_core::export::pace;
use loaddensity_metrics_core::{Cause, Event, Exporter, Phase, Pump, Sampler, Sink};

use crate::clock::ExporterClock;
use crate::runtime::Runtime;

/// A sink's bounded buffer, with a sign that something came in.
pub(crate) struct Feed {
    exporter: Exporter,
    sink: Mutex<FeedSink>,
    filled: Notify,
}

/// The buffer of a feed; its memory is allocated when the exporter starts.
pub(crate) type FeedSink = Sink<'static, Box<[Event]>>;

impl Feed {
    /// The buffer itself. Never to be held while waiting.
    pub(crate) fn lock(&self) -> MutexGuard<'_, FeedSink> {
        lock(&self.sink)
    }

    /// Waits until it holds `events` or more.
    pub(crate) async fn holds(&self, events: usize) {
        loop {
            let filled = self.filled.listen();
            if self.lock().len() >= events {
                return;
            }
            filled.await;
        }
    }
}

/// The owner of the pump and of its task.
pub(crate) struct Hub<R: Runtime> {
    runtime: R,
    clock: ExporterClock<R>,
    shared: Arc<Mutex<HubState>>,
    task: Option<R::Task>,
    /// The last second that DogStatsD counters said, in this run or in an earlier one.
    pub(crate) counted_second: Arc<AtomicU64>,
}

struct HubState {
    pump: Pump<'static>,
    feeds: Vec<Arc<Feed>>,
}

impl<R: Runtime> Hub<R> {
    pub(crate) fn new(runtime: R, clock: ExporterClock<R>, mut pump: Pump<'static>, phase: Phase) -> Self {
        pump.set_phase(phase);
        let shared = Arc::new(Mutex::new(HubState { pump, feeds: Vec::new() }));
        Self { runtime, clock, shared, task: None, counted_second: Arc::default() }
    }

    /// Opens the account of `exporter`; from now on every event goes into the feed that is returned as well, or those that
    /// `sampler` keeps.
    pub(crate) fn attach(&mut self, exporter: Exporter, buffer_events: usize, sampler: Option<Sampler>) -> Arc<Feed> {
        let mut shared = lock(&self.shared);
        // What was recorded before belongs to the others.
        shared.drain(&self.clock);
        let ledger = shared.pump.attach(exporter);
        let buffer = vec![Event::default(); buffer_events].into_boxed_slice();
        let mut sink = Sink::new(buffer, ledger);
        if let Some(sampler) = sampler {
            sink.set_sampler(sampler);
        }
        let feed = Arc::new(Feed { exporter, sink: Mutex::new(sink), filled: Notify::new() });
        shared.feeds.push(feed.clone());
        drop(shared);
        if self.task.is_none() {
            self.task = Some(self.runtime.spawn(pump(self.runtime.clone(), self.clock.clone(), self.shared.clone())));
        }
        feed
    }

    /// Hands over what was recorded until now, then ends the feeding. What the feed holds is still to be sent.
    pub(crate) fn detach(&mut self, exporter: Exporter) {
        let mut shared = lock(&self.shared);
        shared.drain(&self.clock);
        shared.pump.detach(exporter);
        shared.feeds.retain(|feed| feed.exporter != exporter);
        if shared.feeds.is_empty() {
            self.task = None;
        }
    }
}

impl HubState {
    /// Empties the rings into all feeds; returns how many events there were.
    fn drain<R: Runtime>(&mut self, clock: &ExporterClock<R>) -> u64 {
        let Self { pump, feeds } = self;
        let mut sinks: Vec<_> = feeds.iter().map(|feed| feed.lock()).collect();
        pump.set_now(clock.now());
        let taken = pump.drain_slices(|events| {
            for sink in &mut sinks {
                sink.offer_all(events);
            }
        });
        drop(sinks);
        if taken != 0 {
            for feed in feeds {
                feed.filled.notify(usize::MAX);
            }
        }
        taken
    }
}

/// Drops what a feed still holds, for `cause`.
pub(crate) fn abandon(feed: &Feed, cause: Cause) {
    feed.lock().abandon(cause);
}

async fn pump<R: Runtime>(runtime: R, clock: ExporterClock<R>, shared: Arc<Mutex<HubState>>) {
    loop {
        let taken = lock(&shared).drain(&clock);
        runtime.sleep(pace::pause_after(taken)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
