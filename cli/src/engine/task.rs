//! What a user requests.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};

use super::target_url::TargetUrl;
use super::tls::Verify;

/// How long a request may take where a task does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// One request of a [`LoadTest`](super::LoadTest).
#[derive(Clone)]
#[non_exhaustive]
pub struct RequestTask {
    /// HTTP method.
    pub method: Method,
    /// Where to.
    pub target: TargetUrl,
    /// Name under which it is recorded.
    pub name: String,
    /// Further labels under which it is recorded.
    pub labels: Vec<(String, String)>,
    /// Headers. `Host` is the target's unless it is here; `Content-Length` is the body's.
    pub headers: HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
    /// How long the request may take, from connecting to the end of the answer. 30 s by default.
    pub timeout: Duration,
    /// How an `https` server proves itself. By what the system trusts unless it says otherwise.
    pub verify: Verify,
    /// The one status that makes the request a success. Without it, every status below 400 does.
    pub expected: Option<StatusCode>,
}

impl RequestTask {
    /// A request without headers and body.
    #[must_use]
    pub fn new(method: Method, target: TargetUrl, name: impl Into<String>) -> Self {
        Self {
            method,
            target,
            name: name.into(),
            labels: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: TIMEOUT,
            verify: Verify::default(),
            expected: None,
        }
    }
}

impl fmt::Debug for RequestTask {
    /// Without the values of headers and the body, which may hold passwords and tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestTask")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("name", &self.name)
            .field("labels", &self.labels)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
