//! The dispatcher of events: one task empties the recorders' rings into a queue for each exporter that sends every request, or
//! every observation, by itself.
//!
//! The task runs only while there is a queue, as often as [`pace`] says. A queue that is full drops events and counts
//! them; it never holds up the others. Only exporter tasks lock the mutexes here; no recorder ever does.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event as Notify;
use loaddensity_metrics_core::export::pace;
use loaddensity_metrics_core::{DropReason, Event, Exporter, Ledger, Observation, Phase, Pump, Sampler, Sink};

use crate::clock::ExporterClock;
use crate::runtime::Runtime;

/// The bounded queue of events of one sink, which tells when events came in. They are requests, or observations.
pub(crate) struct EventQueue<T = Event> {
    exporter: Exporter,
    sink: Mutex<QueueSink<T>>,
    filled: Notify,
}

/// The buffer of a queue. Its memory is allocated when the exporter starts.
pub(crate) type QueueSink<T = Event> = Sink<'static, Box<[T]>, T>;

impl<T: Copy + Default> EventQueue<T> {
    fn new(
        exporter: Exporter,
        ledger: &'static Ledger,
        (buffer_events, sampler): (usize, Option<Sampler>),
    ) -> Arc<Self> {
        let mut sink = Sink::new(vec![T::default(); buffer_events].into_boxed_slice(), ledger);
        if let Some(sampler) = sampler {
            sink.set_sampler(sampler);
        }
        Arc::new(Self { exporter, sink: Mutex::new(sink), filled: Notify::new() })
    }

    /// Locks the buffer. The lock must not be kept across an `await`.
    pub(crate) fn lock(&self) -> MutexGuard<'_, QueueSink<T>> {
        lock(&self.sink)
    }

    /// Waits until it holds `events` or more.
    pub(crate) async fn wait_until_holds(&self, events: usize) {
        loop {
            let filled = self.filled.listen();
            if self.lock().len() >= events {
                return;
            }
            filled.await;
        }
    }

    /// Drops what is still in it, for `cause`.
    pub(crate) fn abandon(&self, cause: DropReason) {
        self.lock().abandon(cause);
    }
}

/// The dispatcher: it owns the pump and the task.
pub(crate) struct EventDispatcher<R: Runtime> {
    runtime: R,
    clock: ExporterClock<R>,
    shared: Arc<Mutex<DispatcherState>>,
    task: Option<R::Task>,
    /// The last second that DogStatsD counters said, in this run or in an earlier one.
    pub(crate) counted_second: Arc<AtomicU64>,
}

struct DispatcherState {
    pump: Pump<'static>,
    queues: Vec<Arc<EventQueue>>,
    observation_queues: Vec<Arc<EventQueue<Observation>>>,
}

impl<R: Runtime> EventDispatcher<R> {
    pub(crate) fn new(runtime: R, clock: ExporterClock<R>, mut pump: Pump<'static>, phase: Phase) -> Self {
        pump.set_phase(phase);
        let shared = Arc::new(Mutex::new(DispatcherState { pump, queues: Vec::new(), observation_queues: Vec::new() }));
        Self { runtime, clock, shared, task: None, counted_second: Arc::default() }
    }

    /// Opens the account of `exporter`, and a queue that every event goes into from now on, or those that `sampler` keeps.
    pub(crate) fn attach(
        &mut self,
        exporter: Exporter,
        buffer_events: usize,
        sampler: Option<Sampler>,
    ) -> Arc<EventQueue> {
        let mut shared = lock(&self.shared);
        // What was recorded before this goes to the other queues only.
        shared.drain(&self.clock);
        let queue = EventQueue::new(exporter, shared.pump.attach(exporter), (buffer_events, sampler));
        shared.queues.push(queue.clone());
        drop(shared);
        self.run();
        queue
    }

    /// The same for the account of observations, each of which goes into the queue.
    pub(crate) fn attach_observations(
        &mut self,
        exporter: Exporter,
        buffer_events: usize,
        sampler: Option<Sampler>,
    ) -> Arc<EventQueue<Observation>> {
        let mut shared = lock(&self.shared);
        shared.drain(&self.clock);
        let queue = EventQueue::new(exporter, shared.pump.attach_observations(exporter), (buffer_events, sampler));
        shared.observation_queues.push(queue.clone());
        drop(shared);
        self.run();
        queue
    }

    /// Hands over what was recorded until now; later events no longer go into the queue. What is in it is still to be sent.
    pub(crate) fn detach(&mut self, exporter: Exporter) {
        let mut shared = lock(&self.shared);
        shared.drain(&self.clock);
        shared.pump.detach(exporter);
        shared.queues.retain(|queue| queue.exporter != exporter);
        self.task.take_if(|_| shared.has_no_queues());
    }

    /// The same for observations.
    pub(crate) fn detach_observations(&mut self, exporter: Exporter) {
        let mut shared = lock(&self.shared);
        shared.drain(&self.clock);
        shared.pump.detach_observations(exporter);
        shared.observation_queues.retain(|queue| queue.exporter != exporter);
        self.task.take_if(|_| shared.has_no_queues());
    }

    fn run(&mut self) {
        if self.task.is_none() {
            self.task = Some(self.runtime.spawn(pump(self.runtime.clone(), self.clock.clone(), self.shared.clone())));
        }
    }
}

impl DispatcherState {
    const fn has_no_queues(&self) -> bool {
        self.queues.is_empty() && self.observation_queues.is_empty()
    }

    /// Empties the rings into all queues. Returns how many events there were.
    fn drain<R: Runtime>(&mut self, clock: &ExporterClock<R>) -> u64 {
        let Self { pump, queues, observation_queues } = self;
        pump.set_now(clock.now());
        let requests = fill(queues, |deliver| pump.drain_slices(deliver));
        requests + fill(observation_queues, |deliver| pump.drain_observations(deliver))
    }
}

/// Puts what `drain` delivers into all queues. Returns how many events there were.
fn fill<T: Copy + Default>(queues: &[Arc<EventQueue<T>>], drain: impl FnOnce(&mut dyn FnMut(&[T])) -> u64) -> u64 {
    let mut sinks: Vec<_> = queues.iter().map(|queue| queue.lock()).collect();
    let taken = drain(&mut |events| {
        for sink in &mut sinks {
            sink.offer_all(events);
        }
    });
    drop(sinks);
    if taken != 0 {
        for queue in queues {
            queue.filled.notify(usize::MAX);
        }
    }
    taken
}

async fn pump<R: Runtime>(runtime: R, clock: ExporterClock<R>, shared: Arc<Mutex<DispatcherState>>) {
    loop {
        let taken = lock(&shared).drain(&clock);
        runtime.sleep(pace::pause_after(taken)).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
