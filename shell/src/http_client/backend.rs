//! What the client must know of a backend: where it is, how requests are made, and what its answers mean.

use std::time::Duration;

use loaddensity_metrics_core::verdict::Said;

use super::{HttpConnection, RemoteServer, Secrets, TrackedBody};
use crate::boxed::{AnyRuntime, BoxedFuture};
use crate::tls::HttpVersion;

/// A backend that takes bodies over HTTP: InfluxDB, or a receiver of OTLP.
pub(crate) trait HttpBackend: Send + Sync + 'static {
    /// The longest pause that it can ask for. The machine keeps to it; the text of an answer says so.
    const LONGEST_PAUSE: Duration;

    /// Where it is.
    fn server(&self) -> &RemoteServer;

    /// What carries requests to it.
    fn protocol(&self) -> HttpVersion;

    /// What is done to a body before it goes out.
    fn encoding(&self) -> Encoding;

    /// What it is told and nobody else may see.
    fn secrets(&self) -> &Secrets;

    /// Posts `body` and reads the whole answer, after any request that must come first. It may be dropped at any
    /// time.
    ///
    /// # Errors
    /// The connection broke before there was an answer; in words, which may hold secrets.
    fn exchange<'a>(
        &'a self,
        runtime: &'a dyn AnyRuntime,
        connection: &'a mut HttpConnection,
        body: &'a TrackedBody,
    ) -> BoxedFuture<'a, Result<Exchanged, String>>;
}

/// What is done to a body before it goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Nothing.
    Plain,
    /// Compressed.
    Gzip,
    /// Nothing: it has gRPC's prefix already.
    Framed,
    /// Compressed, with gRPC's prefix before it.
    FramedGzip,
}

impl Encoding {
    /// The encoding with `gzip` or without, of a gRPC message where it `is_framed`.
    pub(crate) const fn new(gzip: bool, is_framed: bool) -> Self {
        match (gzip, is_framed) {
            (false, false) => Self::Plain,
            (true, false) => Self::Gzip,
            (false, true) => Self::Framed,
            (true, true) => Self::FramedGzip,
        }
    }
}

/// What came of a request.
pub(crate) struct Exchanged {
    pub(crate) answer: ServerAnswer,
    /// Whether it was read to its end, so that the connection can be used again.
    pub(crate) is_over: bool,
}

/// A server's answer.
pub(crate) struct ServerAnswer {
    /// What it means for the body.
    pub(crate) said: Said,
    /// For people: what was answered, and what to do about it; empty where all is well.
    pub(crate) words: String,
}

impl ServerAnswer {
    /// An answer with these words, which also tell of the pause that it asks for; no more than `longest` is granted.
    pub(crate) fn new(said: Said, mut words: String, longest: Duration) -> Self {
        if let Said::Away { at_least, .. } = said {
            if !at_least.is_zero() {
                words += &format!("; asked to wait {}", shown(at_least));
            }
            if at_least > longest {
                words += &format!(", waits {}", shown(longest));
            }
        }
        Self { said, words }
    }
}

/// Whole seconds as such, all else with its fraction.
fn shown(pause: Duration) -> String {
    if pause.subsec_nanos() == 0 { format!("{} s", pause.as_secs()) } else { format!("{pause:?}") }
}
