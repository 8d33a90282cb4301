//! What all parts of a simulation share: the registry, the pump, the time, the weather and the choices.

use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::{Account, AccountKind, Event, Exporter, Pump, Registry, Sink};

use crate::choices::Choices;
use crate::clock::VirtualClock;
use crate::weather::Weather;

/// The queue of an exporter that sends each request.
pub(crate) type Queue<'a> = Sink<'a, Box<[Event]>>;

/// See the module.
pub(crate) struct Shared<'a> {
    pub(crate) registry: Registry<'a>,
    pub(crate) pump: Pump<'a>,
    /// The queues that the pump fills.
    pub(crate) queues: Vec<(Exporter, Queue<'a>)>,
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
        let Self { pump, queues, .. } = self;
        pump.set_now(now.wall);
        pump.drain_slices(|events| {
            for (_, queue) in &mut *queues {
                queue.offer_all(events);
            }
        })
    }

    /// Opens the account of an exporter that sends each request; its queue has room for so many.
    pub(crate) fn attach(&mut self, exporter: Exporter, capacity: usize) {
        self.drain();
        let ledger = self.pump.attach(exporter);
        self.queues.push((exporter, Sink::new(vec![Event::default(); capacity].into_boxed_slice(), ledger)));
    }

    /// Hands over what was recorded until now, and takes the queue of that exporter out: nothing more comes into it.
    pub(crate) fn detach(&mut self, exporter: Exporter) -> Option<Queue<'a>> {
        self.drain();
        self.pump.detach(exporter);
        let at = self.queues.iter().position(|(owner, _)| *owner == exporter)?;
        Some(self.queues.remove(at).1)
    }

    /// Notes what has happened.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        let tick = self.tick().as_nanos();
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>12}.{:06} ms {}", tick / 1_000_000, tick % 1_000_000, what()));
        }
    }
}
