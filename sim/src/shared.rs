//! What all parts of a simulation share: the registry, the pump, the time, the weather and the choices.

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::{Account, AccountKind, Event, Exporter, Ledger, Observation, Pump, Registry, Sink};

use crate::choices::Choices;
use crate::clock::VirtualClock;
use crate::weather::Weather;

/// The queue of an exporter that sends each request, or each observation.
pub(crate) type Queue<'a, T = Event> = Sink<'a, Box<[T]>, T>;
/// The queues that the pump fills, and whose they are.
pub(crate) type Queues<'a, T = Event> = Vec<(Exporter, Queue<'a, T>)>;

/// See the module.
pub(crate) struct Shared<'a> {
    pub(crate) registry: Registry<'a>,
    pub(crate) pump: Pump<'a>,
    pub(crate) queues: Queues<'a>,
    pub(crate) observation_queues: Queues<'a, Observation>,
    pub(crate) clock: VirtualClock,
    pub(crate) weather: Weather,
    pub(crate) choices: Choices,
    /// What the engine has recorded.
    pub(crate) recorded: RecordedTotals,
    /// What has happened, where somebody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
}

/// How many requests, and how many observations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RecordedTotals {
    pub(crate) requests: u64,
    pub(crate) observations: u64,
}

impl RecordedTotals {
    pub(crate) fn of(self, kind: AccountKind) -> u64 {
        if kind == AccountKind::Observations { self.observations } else { self.requests }
    }
}

impl<'a> Shared<'a> {
    pub(crate) fn tick(&self) -> Tick {
        self.clock.tick()
    }

    /// Whether the engine has instruments of its own.
    pub(crate) fn has_instruments(&self) -> bool {
        self.registry.has_room_for_instruments()
    }

    /// What the registry has counted.
    pub(crate) fn counted(&self) -> RecordedTotals {
        RecordedTotals { requests: self.registry.requests(), observations: self.registry.observations() }
    }

    /// An exporter's account of requests, or of observations.
    pub(crate) fn account(&self, kind: AccountKind, exporter: Exporter) -> Account {
        match kind {
            AccountKind::Observations => self.registry.observation_account(exporter),
            _ => self.registry.account(exporter),
        }
    }

    /// Empties the rings into all queues.
    pub(crate) fn drain(&mut self) -> u64 {
        let now = self.clock.now();
        let Self { pump, queues, observation_queues, .. } = self;
        pump.set_now(now.wall);
        let requests = pump.drain_slices(|events| offer(queues, events));
        requests + pump.drain_observations(|observations| offer(observation_queues, observations))
    }

    /// Opens the account of an exporter that sends each request; its queue has room for so many.
    pub(crate) fn attach(&mut self, exporter: Exporter, capacity: usize) {
        self.drain();
        self.queues.push((exporter, queue(capacity, self.pump.attach(exporter))));
    }

    /// The same for one that sends each observation.
    pub(crate) fn attach_observations(&mut self, exporter: Exporter, capacity: usize) {
        self.drain();
        self.observation_queues.push((exporter, queue(capacity, self.pump.attach_observations(exporter))));
    }

    /// Hands over what was recorded until now, and takes the queue of that exporter out: nothing more comes into it.
    pub(crate) fn detach(&mut self, exporter: Exporter) -> Option<Queue<'a>> {
        self.drain();
        self.pump.detach(exporter);
        take(&mut self.queues, exporter)
    }

    /// The same for observations.
    pub(crate) fn detach_observations(&mut self, exporter: Exporter) -> Option<Queue<'a, Observation>> {
        self.drain();
        self.pump.detach_observations(exporter);
        take(&mut self.observation_queues, exporter)
    }

    /// Whether the engine's storage has rings of observations.
    pub(crate) fn has_observation_rings(&self) -> bool {
        self.registry.ring_events(AccountKind::Observations) != 0
    }

    /// Notes what has happened.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let tick = self.tick().as_nanos();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12}.{:06} ms {}", tick / 1_000_000, tick % 1_000_000, what()));
        }
    }
}

/// The queue of an exporter, unless it was taken out.
pub(crate) fn of<'q, 'a, T>(queues: &'q mut Queues<'a, T>, exporter: Exporter) -> Option<&'q mut Queue<'a, T>> {
    queues.iter_mut().find(|(owner, _)| *owner == exporter).map(|(_, queue)| queue)
}

/// How many events wait in the queue of an exporter.
pub(crate) fn waiting<T: Copy>(queues: &Queues<'_, T>, exporter: Exporter) -> usize {
    queues.iter().find(|(owner, _)| *owner == exporter).map_or(0, |(_, queue)| queue.len())
}

fn queue<T: Copy + Default>(capacity: usize, ledger: &Ledger) -> Queue<'_, T> {
    Sink::new(vec![T::default(); capacity].into_boxed_slice(), ledger)
}

fn offer<T: Copy>(queues: &mut Queues<'_, T>, events: &[T]) {
    for (_, queue) in queues {
        queue.offer_all(events);
    }
}

fn take<'a, T>(queues: &mut Queues<'a, T>, exporter: Exporter) -> Option<Queue<'a, T>> {
    let at = queues.iter().position(|(owner, _)| *owner == exporter)?;
    Some(queues.remove(at).1)
}
