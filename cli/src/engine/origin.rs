//! A server that requests go to.

use std::net::SocketAddr;

use hyper::header::HeaderValue;

use super::task::RequestTask;
use super::tls::{HttpsConnector, Verify};

/// A server, its addresses known.
pub(super) struct ResolvedOrigin {
    pub(super) host: String,
    pub(super) authority: HeaderValue,
    pub(super) addresses: Vec<SocketAddr>,
    /// What `https` is spoken with, and how the server proves itself.
    pub(super) tls: Option<(HttpsConnector, Verify)>,
}

impl ResolvedOrigin {
    /// Whether `task` goes there, and proves it in the same way.
    pub(super) fn is_of(&self, task: &RequestTask) -> bool {
        let verify = self.tls.as_ref().map(|(_, verify)| verify);
        self.authority == *task.target.authority() && verify == task.target.is_https().then_some(&task.verify)
    }

    /// Scheme, host and port, as a URL has them.
    pub(super) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority.to_str().unwrap_or_default())
    }
}
