//! The client itself: it starts what it is told to do, and gives one event for each thing that it started.
//!
//! It decides nothing: it has no timeout, makes no second attempt and chooses no address. A machine of the core tells it:
//! [`resolve`](HttpClient::resolve), [`connect`](HttpClient::connect), [`send`](HttpClient::send), one at a time, and
//! [`cancel`](HttpClient::cancel); [`next`](HttpClient::next) is the outcome.

use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use loaddensity_metrics_core::export::Id;
use loaddensity_metrics_core::verdict::Said;

use super::{Encoding, Exchanged, HttpBackend, HttpConnection, SendState, ServerAnswer};
use crate::boxed::BoxedFuture;
use crate::network_errors::{cannot_connect, no_answer, no_connection};
use crate::runtime::Runtime;
use crate::status::StatusCell;

/// The error of a request that finds no connection, or one that was closed meanwhile.
const CLOSED: &str = "the connection was closed";

/// Pause between two slices of a body that is compressed. It is slept: tokio looks at its timers and sockets only after 61
/// turns of tasks that merely give way, which takes longer than a ring has room.
#[cfg(feature = "gzip")]
const PAUSE: Duration = Duration::from_micros(100);

/// The client of one backend, over one connection at a time.
pub(crate) struct HttpClient<R: Runtime, B: HttpBackend> {
    runtime: R,
    backend: Arc<B>,
    status_cell: Arc<StatusCell>,
    addresses: Vec<SocketAddr>,
    /// Between two requests.
    connection: Option<HttpConnection>,
    has_connected: bool,
    started: Option<CallUnderWay>,
    /// How long the machine waits for an answer, from the name to its end, and since when; for the texts.
    timeout: Duration,
    since: Instant,
    words: String,
}

/// The outcome of what was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientEvent {
    /// The name was resolved to [`addresses`](HttpClient::addresses): to none where it has none, or the resolver failed.
    Resolved { id: Id },
    /// There is a connection.
    Connected { id: Id },
    /// The server answered the body.
    Answer { id: Id, said: Said },
    /// No connection was made, or there was no answer to the body. There is no connection any more.
    Failed {
        id: Id,
        /// Whether the body may have gone out.
        began: bool,
        /// Whether the connection broke after an earlier body was answered over it: that says nothing about a new one.
        kept: bool,
    },
}

/// What is under way.
struct CallUnderWay {
    id: Id,
    began: SendState,
    kept: bool,
    /// The text for when it takes too long.
    late: fn(Duration) -> String,
    work: PendingCall,
}

type PendingCall = BoxedFuture<'static, CallEnd>;

/// How it ended.
enum CallEnd {
    Resolved(Vec<SocketAddr>),
    Unresolved(String),
    Connected(HttpConnection),
    /// With the connection, if it can be used again.
    Answered(ServerAnswer, Option<HttpConnection>),
    Failed(String),
}

impl<R: Runtime, B: HttpBackend> HttpClient<R, B> {
    /// Nothing is started yet. What takes longer than `timeout` is not cut short here, but texts name no longer time.
    /// Connections that are made anew are counted in `status_cell`.
    pub(crate) fn new(runtime: R, backend: B, timeout: Duration, status_cell: Arc<StatusCell>) -> Self {
        Self {
            since: runtime.now(),
            timeout,
            runtime,
            backend: Arc::new(backend),
            status_cell,
            addresses: Vec::new(),
            connection: None,
            has_connected: false,
            started: None,
            words: String::new(),
        }
    }

    /// Whether a body must come with gRPC's prefix (a flag of zero and the length).
    pub(crate) fn wants_prefix(&self) -> bool {
        self.backend.encoding() == Encoding::Framed
    }

    /// The addresses of the first hop, as they were resolved last.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The text about the last event, without secrets; empty where all is well.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Starts to ask for the addresses of the first hop: of the proxy, or of the server itself.
    pub(crate) fn resolve(&mut self, id: Id) {
        self.since = self.runtime.now();
        let (runtime, backend) = (self.runtime.clone(), self.backend.clone());
        let work = async move {
            match backend.server().resolve(&runtime).await {
                Ok(addresses) => CallEnd::Resolved(addresses),
                Err(error) => CallEnd::Unresolved(cannot_connect(&error)),
            }
        };
        self.start(CallUnderWay {
            id,
            began: SendState::default(),
            kept: false,
            late: no_connection,
            work: Box::pin(work),
        });
    }

    /// Starts to connect to the first hop at `address`, and from there to the server. The connection before, if any, is
    /// closed.
    pub(crate) fn connect(&mut self, id: Id, address: SocketAddr) {
        self.connection = None;
        let (runtime, backend, status_cell) = (self.runtime.clone(), self.backend.clone(), self.status_cell.clone());
        let work = async move {
            match HttpConnection::open(&runtime, (backend.server(), backend.protocol()), address, status_cell).await {
                Ok(connection) => CallEnd::Connected(connection),
                Err(words) => CallEnd::Failed(words),
            }
        };
        self.start(CallUnderWay {
            id,
            began: SendState::default(),
            kept: false,
            late: no_connection,
            work: Box::pin(work),
        });
    }

    /// Starts to post `body`, and to read the whole answer.
    pub(crate) fn send(&mut self, id: Id, body: Bytes) {
        let began = SendState::default();
        // One that was closed after an answer is gone by now.
        let kept = self.connection.as_ref().is_none_or(|connection| connection.is_kept);
        if kept {
            self.since = self.runtime.now();
        }
        // A new one that is closed already is used all the same: that fails with what its server has said.
        let open = self.connection.take().filter(|connection| !(connection.is_kept && connection.is_closed()));
        let work: PendingCall = match open {
            None => Box::pin(future::ready(CallEnd::Failed(CLOSED.into()))),
            Some(connection) => {
                let (runtime, backend) = (self.runtime.clone(), self.backend.clone());
                Box::pin(exchange(runtime, backend, connection, body, began.clone()))
            }
        };
        self.start(CallUnderWay { id, began, kept, late: no_answer, work });
    }

    /// Gives up what is under way, if anything is, and closes the connection. That it failed is the next event, at once.
    pub(crate) fn cancel(&mut self) {
        self.connection = None;
        if let Some(CallUnderWay { id, began, late, work, .. }) = self.started.take() {
            // With it goes the connection.
            drop(work);
            began.withdraw();
            let elapsed = self.runtime.now().saturating_duration_since(self.since);
            let failed = future::ready(CallEnd::Failed(late(waited(elapsed, self.timeout))));
            self.start(CallUnderWay { id, began, kept: false, late, work: Box::pin(failed) });
        }
    }

    /// The outcome of what was started; pending for ever where nothing was. It may be dropped and called again.
    pub(crate) async fn next(&mut self) -> ClientEvent {
        let Some(CallUnderWay { id, began, kept, work, .. }) = &mut self.started else {
            return future::pending().await;
        };
        let ending = work.as_mut().await;
        let (id, began, kept) = (*id, began.has_begun(), *kept);
        self.started = None;
        self.event(id, ending, began, kept)
    }

    fn start(&mut self, started: CallUnderWay) {
        debug_assert!(self.started.is_none(), "one at a time");
        self.started = Some(started);
    }

    fn event(&mut self, id: Id, ending: CallEnd, began: bool, kept: bool) -> ClientEvent {
        self.words.clear();
        match ending {
            CallEnd::Resolved(addresses) => {
                self.addresses = addresses;
                ClientEvent::Resolved { id }
            }
            CallEnd::Unresolved(words) => {
                self.addresses.clear();
                self.words = self.backend.secrets().hide_in(&words);
                ClientEvent::Resolved { id }
            }
            CallEnd::Connected(connection) => {
                if std::mem::replace(&mut self.has_connected, true) {
                    self.status_cell.reconnected();
                }
                self.connection = Some(connection);
                ClientEvent::Connected { id }
            }
            CallEnd::Answered(ServerAnswer { said, words }, connection) => {
                (self.connection, self.words) = (connection, words);
                ClientEvent::Answer { id, said }
            }
            CallEnd::Failed(words) => {
                self.words = self.backend.secrets().hide_in(&words);
                ClientEvent::Failed { id, began, kept }
            }
        }
    }
}

async fn exchange<R: Runtime, B: HttpBackend>(
    runtime: R,
    backend: Arc<B>,
    mut connection: HttpConnection,
    body: Bytes,
    began: SendState,
) -> CallEnd {
    let body = began.track(encoded(&runtime, body, backend.encoding()).await);
    match backend.exchange(&runtime, &mut connection, &body).await {
        Ok(Exchanged { mut answer, is_over }) => {
            answer.words = backend.server().told(answer.words);
            connection.is_kept = true;
            CallEnd::Answered(answer, Some(connection).filter(|_| is_over))
        }
        Err(words) => CallEnd::Failed(words),
    }
}

/// `body` as it goes out.
#[cfg(feature = "gzip")]
async fn encoded<R: Runtime>(runtime: &R, body: Bytes, encoding: Encoding) -> Bytes {
    match encoding {
        Encoding::Plain | Encoding::Framed => body,
        Encoding::Gzip | Encoding::FramedGzip => {
            let is_framed = encoding == Encoding::FramedGzip;
            crate::gzip::compressed_in_slices(&body, is_framed, || runtime.sleep(PAUSE)).await.into()
        }
    }
}

/// The same in a build that takes no settings which ask for compression.
#[cfg(not(feature = "gzip"))]
async fn encoded<R: Runtime>(_: &R, body: Bytes, _: Encoding) -> Bytes {
    body
}

/// For how long an answer was waited, as it is shown: the `timeout`, or the milliseconds of less.
fn waited(elapsed: Duration, timeout: Duration) -> Duration {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    timeout.min(Duration::from_millis(millis))
}

#[cfg(all(test, feature = "prometheus", feature = "influxdb", feature = "opentelemetry", feature = "gzip"))]
mod cases;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_that_is_told_is_never_longer_than_the_real_one() {
        let millis = Duration::from_millis;
        for (elapsed, shown) in [
            (Duration::from_micros(49_700), millis(49)),
            (millis(2_000), millis(2_000)),
            (Duration::from_micros(2_000_300), millis(2_000)),
            (Duration::MAX, millis(2_000)),
        ] {
            assert_eq!(waited(elapsed, millis(2_000)), shown);
        }
    }
}
