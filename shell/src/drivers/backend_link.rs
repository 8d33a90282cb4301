//! What both drivers that send bodies need: the client, the memory of a body, and inputs for the machine.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use loaddensity_metrics_core::export::{Attempts, BodyInput, Id, Now, Tick};

use super::wakeup::{Waiter, Wakeup};
use crate::http_client::{ClientEvent, HttpBackend, HttpClient};
use crate::running::LaunchContext;
use crate::runtime::Runtime;
use crate::status::{HealthNote, StatusCell};
use crate::stop::StopSignal;

/// The client of a backend, and all else that its driver needs but the machine.
pub(crate) struct BackendLink<R: Runtime, B: HttpBackend> {
    waiter: Waiter<R>,
    client: HttpClient<R, B>,
    status_cell: Arc<StatusCell>,
    /// How it is told of health.
    note: HealthNote,
    /// How many attempts were noted in the status.
    told: u64,
    /// Whether a body that has failed may go out again.
    keeps_failed: bool,
    /// Bytes that are lent to the machine for a body.
    room: usize,
    /// Where a body is written; empty while one is under way.
    memory: BytesMut,
    /// The memory of the body that was sent last.
    lent: Bytes,
    /// That body.
    body: Bytes,
}

impl<R: Runtime, B: HttpBackend> BackendLink<R, B> {
    /// A link to `backend`, whose calls take `timeout` at most. `room`: as many bytes as the first body has, or more.
    pub(crate) fn new(
        context: &LaunchContext<R>,
        (backend, timeout): (B, Duration),
        (status_cell, note): (Arc<StatusCell>, HealthNote),
        stop: StopSignal,
        room: usize,
    ) -> Self {
        let client = HttpClient::new(context.runtime.clone(), backend, timeout, status_cell.clone());
        let (waiter, memory) = (Waiter::new(context.clock.clone(), stop), BytesMut::zeroed(room));
        let (lent, body) = (Bytes::new(), Bytes::new());
        Self { waiter, client, status_cell, note, told: 0, keeps_failed: false, room, memory, lent, body }
    }

    /// The same for a machine that may send the same body again.
    #[cfg(feature = "periodic")]
    pub(crate) fn keeping_failed_bodies(self) -> Self {
        Self { keeps_failed: true, ..self }
    }

    /// Whether a body must come with gRPC's prefix.
    #[cfg(feature = "periodic")]
    pub(crate) fn wants_prefix(&self) -> bool {
        self.client.wants_prefix()
    }

    pub(super) fn now(&self) -> Now {
        self.waiter.now()
    }

    pub(super) fn memory(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    pub(super) const fn client(&mut self) -> &mut HttpClient<R, B> {
        &mut self.client
    }

    /// Notes the outcome of each attempt in the status, once, in the words of the other side.
    pub(super) fn tell(&mut self, attempts: Attempts, learned_bytes: Option<usize>) {
        if std::mem::replace(&mut self.told, attempts.count) != attempts.count {
            (self.note)(&self.status_cell, attempts.health, self.client.words());
            self.status_cell.learned(learned_bytes);
        }
    }

    /// Lends so many bytes from now on.
    #[cfg(feature = "periodic")]
    pub(super) fn lend(&mut self, room: usize) {
        self.room = room;
        self.memory.resize(room, 0);
    }

    pub(super) fn send(&mut self, id: Id, range: Range<usize>) {
        self.lent = std::mem::take(&mut self.memory).freeze();
        self.body = self.lent.slice(range);
        self.client.send(id, self.body.clone());
    }

    /// The body that was sent last goes out again.
    #[cfg(feature = "periodic")]
    pub(super) fn send_again(&mut self, id: Id) {
        self.client.send(id, self.body.clone());
    }

    /// Gives up what is under way. Returns the input for the machine, and its time.
    pub(super) async fn cancel(&mut self) -> (Now, BodyInput<'_>) {
        self.client.cancel();
        let event = self.client.next().await;
        (self.now(), self.input(event))
    }

    /// Waits for what comes first: a stop, an event of the client, the moment, or that enough is `filled`. Returns the input
    /// for the machine, and its time.
    pub(super) async fn wait(
        &mut self,
        until: Tick,
        filled: impl Future<Output = ()> + Send,
    ) -> Option<(Now, BodyInput<'_>)> {
        let Self { waiter, client, .. } = self;
        let wakeup = waiter.first(client.next(), until, filled).await;
        let now = self.now();
        match wakeup {
            Wakeup::Stop { deadline } => Some((now, BodyInput::Stop { deadline })),
            Wakeup::Event(event) => Some((now, self.input(event))),
            Wakeup::Due => None,
        }
    }

    /// The input for the machine that an event of the client makes.
    fn input(&mut self, event: ClientEvent) -> BodyInput<'_> {
        match event {
            ClientEvent::Resolved { id } => BodyInput::Resolved { id, addresses: self.client.addresses() },
            ClientEvent::Connected { id } => BodyInput::Connected { id },
            ClientEvent::Answer { id, said } => {
                self.reclaim();
                BodyInput::Answer { id, said }
            }
            ClientEvent::Failed { id, began, kept } => {
                self.keep_or_reclaim();
                BodyInput::Failed { id, began, kept }
            }
        }
    }

    /// Takes the memory of the last body back; of one that may go out again, a copy is kept.
    fn keep_or_reclaim(&mut self) {
        if !self.keeps_failed {
            self.reclaim();
        } else if !self.lent.is_empty() {
            self.body = Bytes::copy_from_slice(&self.body);
            self.take_back();
        }
    }

    /// Takes the memory of the last body back, which does not go out again.
    fn reclaim(&mut self) {
        self.body = Bytes::new();
        self.take_back();
    }

    /// Takes the memory back. Where the connection still uses it, the next body gets new memory.
    fn take_back(&mut self) {
        if self.memory.len() < self.room {
            self.memory = std::mem::take(&mut self.lent).try_into_mut().unwrap_or_default();
            self.memory.resize(self.room, 0);
        }
    }
}
