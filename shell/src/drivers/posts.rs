//! Serves the machine that posts points to InfluxDB.

use std::future::{Future, pending};

use loaddensity_metrics_core::Cause;
use loaddensity_metrics_core::export::Tick;
use loaddensity_metrics_core::export::posts::{Action, Input, Items, Posts};

use super::wire::{Wire, WireEvent};
use crate::http_client::{ClientEvent, HttpBackend};
use crate::runtime::Runtime;

/// What items are lent from, for one call at a time.
pub(crate) trait ItemSource: Send + 'static {
    /// What is lent.
    type Items<'a>: Items;

    /// Lends the items to `ask`.
    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Items<'_>) -> T) -> T;

    /// Waits until so many items wait.
    fn holds(&mut self, items: usize) -> impl Future<Output = ()> + Send {
        let _ = items;
        pending()
    }
}

/// The driver.
pub(crate) struct PostDriver<R: Runtime, B: HttpBackend, S> {
    wire: Wire<R, B>,
    machine: Posts,
    source: S,
}

impl<R: Runtime, B: HttpBackend, S: ItemSource> PostDriver<R, B, S> {
    pub(crate) const fn new(wire: Wire<R, B>, machine: Posts, source: S) -> Self {
        Self { wire, machine, source }
    }

    /// Runs until a stop has been carried out; why whatever is left was not sent.
    #[expect(clippy::manual_async_fn, reason = "the future of an `async fn` has room for its arguments twice")]
    pub(crate) fn run(mut self) -> impl Future<Output = Cause> + Send {
        async move {
            loop {
                match self.ask() {
                    Action::Resolve { id } => self.wire.client().resolve(id),
                    Action::Connect { id, address } => self.wire.client().connect(id, address),
                    Action::Send { id, range } => self.wire.send(id, range),
                    Action::Cancel { .. } => {
                        let news = self.wire.cancel().await;
                        self.hear(news);
                    }
                    Action::Wait { until, events } => self.wait(until, events).await,
                    Action::Done { rest } => return rest,
                }
            }
        }
    }

    fn ask(&mut self) -> Action {
        let Self { wire, machine, source } = self;
        let now = wire.now();
        let action = source.lend(|items| machine.poll(now, items, wire.memory()));
        wire.tell((machine.health(), machine.attempts()), machine.learned_bytes());
        action
    }

    async fn wait(&mut self, until: Tick, items: usize) {
        match self.wire.wait(until, self.source.holds(items)).await {
            WireEvent::Stop { deadline } => self.machine.handle(self.wire.now(), Input::Stop { deadline }),
            WireEvent::Client(news) => self.hear(news),
            WireEvent::Nothing => {}
        }
    }

    fn hear(&mut self, news: ClientEvent) {
        let now = self.wire.now();
        let input = match news {
            ClientEvent::Resolved { id } => Input::Resolved { id, addresses: self.wire.client().addresses() },
            ClientEvent::Connected { id } => Input::Connected { id },
            ClientEvent::Answer { id, said } => Input::Answer { id, said },
            ClientEvent::Failed { id, began, kept } => Input::Failed { id, began, kept },
        };
        self.machine.handle(now, input);
        self.wire.reclaim();
    }
}
