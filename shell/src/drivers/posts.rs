//! Serves the machine that posts points to InfluxDB.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::Cause;
use loaddensity_metrics_core::export::posts::{Action, Input, Items, Posts};
use loaddensity_metrics_core::export::{Id, Tick};

use crate::clock::Clock;
use crate::condition::{Condition, Voice};
use crate::http_client::{Backend, Client, News};
use crate::runtime::Runtime;
use crate::stop::StopSignal;

/// What items are lent from, for one call at a time.
pub(crate) trait Source: Send + 'static {
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

/// What a driver works with.
pub(crate) struct Posting<R: Runtime, B: Backend> {
    pub(crate) clock: Clock<R>,
    pub(crate) client: Client<R, B>,
    pub(crate) condition: Arc<Condition>,
    /// How the condition is told.
    pub(crate) voice: Voice,
    pub(crate) stop: StopSignal,
}

/// The driver.
pub(crate) struct PostDriver<R: Runtime, B: Backend, S> {
    with: Posting<R, B>,
    machine: Posts,
    source: S,
    /// Most bytes of a body.
    body_bytes: usize,
    /// Where a body is written; empty while one is under way.
    memory: BytesMut,
    /// The memory of the body that is under way.
    lent: Bytes,
    /// The deadline that the machine knows of.
    deadline: Option<Instant>,
}

impl<R: Runtime, B: Backend, S: Source> PostDriver<R, B, S> {
    /// One whose bodies have at most `body_bytes`.
    pub(crate) fn new(with: Posting<R, B>, machine: Posts, source: S, body_bytes: usize) -> Self {
        let memory = BytesMut::zeroed(body_bytes);
        Self { with, machine, source, body_bytes, memory, lent: Bytes::new(), deadline: None }
    }

    /// Runs until a stop has been carried out; why whatever is left was not sent.
    pub(crate) async fn run(mut self) -> Cause {
        loop {
            match self.ask() {
                Action::Resolve { id } => self.with.client.resolve(id),
                Action::Connect { id, address } => self.with.client.connect(id, address),
                Action::Send { id, range } => self.send(id, range.start, range.end),
                Action::Cancel { .. } => self.cancel().await,
                Action::Wait { until, events } => self.wait(until, events).await,
                Action::Done { rest } => return rest,
            }
        }
    }

    fn ask(&mut self) -> Action {
        let Self { with, machine, source, memory, .. } = self;
        let now = with.clock.read();
        let action = source.lend(|items| machine.poll(now, items, memory));
        (with.voice)(&with.condition, machine.health(), with.client.words());
        with.condition.learned(machine.learned_bytes());
        action
    }

    fn send(&mut self, id: Id, start: usize, end: usize) {
        self.lent = std::mem::take(&mut self.memory).freeze();
        self.with.client.send(id, self.lent.slice(start..end));
    }

    async fn cancel(&mut self) {
        self.with.client.cancel();
        let news = self.with.client.next().await;
        self.hear(news);
    }

    /// Waits for what comes first: news, a stop, so many items, the moment.
    async fn wait(&mut self, until: Tick, items: usize) {
        let Self { with, source, deadline, .. } = self;
        let Posting { clock, client, stop, .. } = with;
        let stops = async { Heard::Stop(stop.nearer_than(*deadline).await) };
        let news = async { Heard::News(client.next().await) };
        let filled = async {
            source.holds(items).await;
            Heard::Nothing
        };
        let due = async {
            clock.sleep_until(until).await;
            Heard::Nothing
        };
        match stops.or(news).or(filled).or(due).await {
            Heard::Stop(deadline) => {
                self.deadline = Some(deadline);
                let deadline = self.with.clock.tick_of(deadline);
                self.machine.handle(self.with.clock.read(), Input::Stop { deadline });
            }
            Heard::News(news) => self.hear(news),
            Heard::Nothing => {}
        }
    }

    fn hear(&mut self, news: News) {
        let Self { with, machine, .. } = self;
        let input = match news {
            News::Resolved { id } => Input::Resolved { id, addresses: with.client.addresses() },
            News::Connected { id } => Input::Connected { id },
            News::Answer { id, said } => Input::Answer { id, said },
            News::Failed { id, began, kept } => Input::Failed { id, began, kept },
        };
        machine.handle(with.clock.read(), input);
        self.reclaim();
    }

    /// Takes the memory of a body back. Where the connection has not let go of it yet, the next one gets new memory.
    fn reclaim(&mut self) {
        if !self.lent.is_empty() {
            self.memory = std::mem::take(&mut self.lent).try_into_mut().unwrap_or_default();
            self.memory.resize(self.body_bytes, 0);
        }
    }
}

/// What came first.
enum Heard {
    Stop(Instant),
    News(News),
    Nothing,
}
