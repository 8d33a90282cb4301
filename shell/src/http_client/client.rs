//! The client itself: what it is told to do is started, and each thing that is started has one answer.
//!
//! It decides nothing: it knows no timeout, makes no second attempt and chooses no address. Whoever does so tells it:
//! [`resolve`](Client::resolve), [`connect`](Client::connect), [`send`](Client::send), one at a time, and
//! [`cancel`](Client::cancel); [`next`](Client::next) is what came of it.

use std::future::{self, Future};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use loaddensity_metrics_core::export::Id;
use loaddensity_metrics_core::verdict::Said;

use super::{Answer, Backend, Began, Connection, Encoding, Exchanged};
use crate::condition::Condition;
use crate::remedy::{cannot_connect, no_answer, no_connection};
use crate::runtime::Runtime;

/// What a request is told that finds no connection, or one that was closed meanwhile.
const CLOSED: &str = "the connection was closed";

/// The client of one backend, over one connection at a time.
pub(crate) struct Client<R: Runtime, B: Backend> {
    runtime: R,
    backend: Arc<B>,
    condition: Arc<Condition>,
    addresses: Vec<SocketAddr>,
    /// Between two requests.
    connection: Option<Connection<R>>,
    has_connected: bool,
    started: Option<Started<R>>,
    words: String,
}

/// What came of what was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The name was asked: [`addresses`](Client::addresses) are what it means; none where it means nothing, or nobody
    /// could be asked.
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
struct Started<R: Runtime> {
    id: Id,
    began: Began,
    kept: bool,
    since: Instant,
    /// What is said where it takes too long.
    late: fn(Duration) -> String,
    work: Work<R>,
}

type Work<R> = Pin<Box<dyn Future<Output = Outcome<R>> + Send>>;

/// How it ended.
enum Outcome<R: Runtime> {
    Resolved(Vec<SocketAddr>),
    Unresolved(String),
    Connected(Connection<R>),
    /// With the connection, if it can be used again.
    Answered(Answer, Option<Connection<R>>),
    Failed(String),
}

impl<R: Runtime, B: Backend> Client<R, B> {
    /// Nothing is started yet. Connections that are made anew are counted in `condition`.
    pub(crate) fn new(runtime: R, backend: B, condition: Arc<Condition>) -> Self {
        Self {
            runtime,
            backend: Arc::new(backend),
            condition,
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

    /// The addresses of the first hop on the way, as they were resolved last.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What is to be said of the last news, without secrets; empty where all is well.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Starts to ask for the addresses of the first hop: of the proxy, or of the server itself.
    pub(crate) fn resolve(&mut self, id: Id) {
        let (runtime, backend) = (self.runtime.clone(), self.backend.clone());
        let work = async move {
            match backend.server().resolve(&runtime).await {
                Ok(addresses) => Outcome::Resolved(addresses),
                Err(error) => Outcome::Unresolved(cannot_connect(&error)),
            }
        };
        self.start((id, Began::default(), false), no_connection, Box::pin(work));
    }

    /// Starts to connect to the first hop at `address`, and on to the server until it can be asked. The connection that
    /// there was, if any, is closed.
    pub(crate) fn connect(&mut self, id: Id, address: SocketAddr) {
        self.connection = None;
        let (runtime, backend, condition) = (self.runtime.clone(), self.backend.clone(), self.condition.clone());
        let work = async move {
            match Connection::open(&runtime, &*backend, address, condition).await {
                Ok(connection) => Outcome::Connected(connection),
                Err(words) => Outcome::Failed(words),
            }
        };
        self.start((id, Began::default(), false), no_connection, Box::pin(work));
    }

    /// Starts to post `body`, and to read the whole answer.
    pub(crate) fn send(&mut self, id: Id, body: Bytes) {
        let began = Began::default();
        // One that was closed after an answer is gone by now.
        let kept = self.connection.as_ref().is_none_or(|connection| connection.is_kept);
        let work: Work<R> = match self.connection.take().filter(|connection| !connection.is_closed()) {
            None => Box::pin(future::ready(Outcome::Failed(CLOSED.into()))),
            Some(connection) => {
                let (runtime, backend) = (self.runtime.clone(), self.backend.clone());
                Box::pin(exchange(runtime, backend, connection, body, began.clone()))
            }
        };
        self.start((id, began, kept), no_answer, work);
    }

    /// Gives up what is under way, and closes the connection. That it failed is the next news, at once.
    pub(crate) fn cancel(&mut self) {
        self.connection = None;
        if let Some(started) = self.started.take() {
            let words = (started.late)(shown(self.runtime.now().saturating_duration_since(started.since)));
            // What holds the connection is dropped here.
            self.started =
                Some(Started { kept: false, work: Box::pin(future::ready(Outcome::Failed(words))), ..started });
        }
    }

    /// What came of what was started; pending for ever where nothing is. It may be dropped and called again.
    pub(crate) async fn next(&mut self) -> News {
        let Some(Started { id, began, kept, work, .. }) = &mut self.started else { return future::pending().await };
        let outcome = work.as_mut().await;
        let (id, began, kept) = (*id, began.has_begun(), *kept);
        self.started = None;
        self.news(id, outcome, began, kept)
    }

    fn start(&mut self, (id, began, kept): (Id, Began, bool), late: fn(Duration) -> String, work: Work<R>) {
        debug_assert!(self.started.is_none(), "one at a time");
        self.started = Some(Started { id, began, kept, since: self.runtime.now(), late, work });
    }

    fn news(&mut self, id: Id, outcome: Outcome<R>, began: bool, kept: bool) -> News {
        self.words.clear();
        match outcome {
            Outcome::Resolved(addresses) => {
                self.addresses = addresses;
                News::Resolved { id }
            }
            Outcome::Unresolved(words) => {
                self.addresses.clear();
                self.words = self.backend.secrets().hide_in(&words);
                News::Resolved { id }
            }
            Outcome::Connected(connection) => {
                if std::mem::replace(&mut self.has_connected, true) {
                    self.condition.reconnected();
                }
                self.connection = Some(connection);
                News::Connected { id }
            }
            Outcome::Answered(Answer { said, words }, connection) => {
                (self.connection, self.words) = (connection, words);
                News::Answer { id, said }
            }
            Outcome::Failed(words) => {
                self.words = self.backend.secrets().hide_in(&words);
                News::Failed { id, began, kept }
            }
        }
    }
}

/// How long was waited, as people are told it: a timer is late by a few milliseconds, which would only puzzle them.
fn shown(waited: Duration) -> Duration {
    let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(if millis < 100 { millis } else { millis - millis % 10 })
}

async fn exchange<R: Runtime, B: Backend>(
    runtime: R,
    backend: Arc<B>,
    mut connection: Connection<R>,
    body: Bytes,
    began: Began,
) -> Outcome<R> {
    let body = began.watch(encoded(body, backend.encoding()).await);
    match backend.exchange(&runtime, &mut connection, &body).await {
        Ok(Exchanged { mut answer, is_over }) => {
            answer.words = backend.server().told(answer.words);
            connection.is_kept = true;
            Outcome::Answered(answer, Some(connection).filter(|_| is_over))
        }
        Err(words) => Outcome::Failed(words),
    }
}

/// `body` as it goes out.
async fn encoded(body: Bytes, encoding: Encoding) -> Bytes {
    match encoding {
        #[cfg(feature = "gzip")]
        Encoding::Gzip => crate::gzip::compressed_in_slices(&body, false).await.into(),
        #[cfg(feature = "gzip")]
        Encoding::FramedGzip => crate::gzip::compressed_in_slices(&body, true).await.into(),
        // A build without the feature takes no settings that ask for it.
        _ => body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_waited_is_never_more_than_the_truth_and_has_no_odd_milliseconds() {
        let millis = Duration::from_millis;
        for (waited, told) in [
            (Duration::from_micros(49_700), 49),
            (millis(100), 100),
            (Duration::from_micros(2_003_300), 2_000),
            (millis(2_019), 2_010),
        ] {
            assert_eq!(shown(waited), millis(told));
        }
    }
}
