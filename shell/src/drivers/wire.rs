//! What the drivers of bodies have in common: the client, the memory of a body, and what is waited for.

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_lite::FutureExt as _;
use loaddensity_metrics_core::export::{Health, Id, Now, Tick};

use crate::clock::ExporterClock;
use crate::http_client::{ClientEvent, HttpBackend, HttpClient};
use crate::running::LaunchContext;
use crate::runtime::Runtime;
use crate::status::{HealthNote, StatusCell};
use crate::stop::StopSignal;

/// A driver's side of the way to a backend.
pub(crate) struct Wire<R: Runtime, B: HttpBackend> {
    clock: ExporterClock<R>,
    client: HttpClient<R, B>,
    status_cell: Arc<StatusCell>,
    /// How the status is told.
    note: HealthNote,
    /// The attempts that were told of.
    told: u64,
    stop: StopSignal,
    /// The deadline that the machine knows of.
    deadline: Option<Instant>,
    /// Bytes that are lent to the machine for a body.
    room: usize,
    /// Where a body is written; empty while one is under way.
    memory: BytesMut,
    /// The memory of the body that was sent last.
    lent: Bytes,
    /// That body.
    body: Bytes,
}

/// What a driver waited for and came first.
pub(super) enum WireEvent {
    Stop { deadline: Tick },
    Client(ClientEvent),
    Nothing,
}

impl<R: Runtime, B: HttpBackend> Wire<R, B> {
    /// The way to `backend`, whose calls take `timeout` at most. `room`: bytes of the first body, or more.
    pub(crate) fn new(
        place: &LaunchContext<R>,
        (backend, timeout): (B, Duration),
        (status_cell, note): (Arc<StatusCell>, HealthNote),
        stop: StopSignal,
        room: usize,
    ) -> Self {
        let client = HttpClient::new(place.runtime.clone(), backend, timeout, status_cell.clone());
        let (clock, memory) = (place.clock.clone(), BytesMut::zeroed(room));
        let (lent, body) = (Bytes::new(), Bytes::new());
        Self { clock, client, status_cell, note, told: 0, stop, deadline: None, room, memory, lent, body }
    }

    /// Whether a body must come with gRPC's prefix.
    #[cfg(feature = "opentelemetry-http")]
    pub(crate) fn wants_prefix(&self) -> bool {
        self.client.wants_prefix()
    }

    pub(super) fn now(&self) -> Now {
        self.clock.read()
    }

    pub(super) fn memory(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    pub(super) const fn client(&mut self) -> &mut HttpClient<R, B> {
        &mut self.client
    }

    /// Tells people how it goes after so many attempts, in the words of the other side, once for each attempt.
    pub(super) fn tell(&mut self, (health, attempts): (Health, u64), learned_bytes: Option<usize>) {
        if std::mem::replace(&mut self.told, attempts) != attempts {
            (self.note)(&self.status_cell, health, self.client.words());
            self.status_cell.learned(learned_bytes);
        }
    }

    /// Lends so many bytes from now on.
    #[cfg(feature = "opentelemetry-http")]
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
    #[cfg(feature = "opentelemetry-http")]
    pub(super) fn send_again(&mut self, id: Id) {
        self.client.send(id, self.body.clone());
    }

    /// Gives up what is under way; what came of it.
    pub(super) async fn cancel(&mut self) -> ClientEvent {
        self.client.cancel();
        self.client.next().await
    }

    /// Waits for what comes first: a stop, news, what is `filled`, the moment.
    pub(super) async fn wait(&mut self, until: Tick, filled: impl Future<Output = ()> + Send) -> WireEvent {
        let Self { clock, client, stop, deadline, .. } = self;
        let stops = async {
            let asked = stop.nearer_than(*deadline).await;
            *deadline = Some(asked);
            WireEvent::Stop { deadline: clock.tick_of(asked) }
        };
        let news = async { WireEvent::Client(client.next().await) };
        let due = async {
            clock.sleep_until(until).or(filled).await;
            WireEvent::Nothing
        };
        stops.or(news).or(due).await
    }

    /// Takes the memory of the last body back, with a copy of that body for [`send_again`](Self::send_again).
    #[cfg(feature = "opentelemetry-http")]
    pub(super) fn keep(&mut self) {
        if !self.lent.is_empty() {
            self.body = Bytes::copy_from_slice(&self.body);
            self.take_back();
        }
    }

    /// Takes the memory of the last body back, which does not go out again.
    pub(super) fn reclaim(&mut self) {
        self.body = Bytes::new();
        self.take_back();
    }

    /// Where the connection has not let go of it yet, the next body gets new memory.
    fn take_back(&mut self) {
        if self.memory.len() < self.room {
            self.memory = std::mem::take(&mut self.lent).try_into_mut().unwrap_or_default();
            self.memory.resize(self.room, 0);
        }
    }
}
