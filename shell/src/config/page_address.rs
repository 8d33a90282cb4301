//! Where a page is served.

use std::net::{IpAddr, SocketAddr};

/// Where an exporter that is scraped serves its page.
#[derive(Clone, Copy)]
pub(crate) struct PageAddress<'a> {
    pub(super) scheme: &'static str,
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) path: &'a str,
}

impl PageAddress<'_> {
    /// The URL of the page that is served at `bound`.
    pub(crate) fn url(self, bound: SocketAddr) -> String {
        format!("{}://{bound}{}", self.scheme, self.path)
    }

    /// Whether `bound` keeps the page from being listened for.
    pub(crate) fn overlaps(self, bound: SocketAddr) -> bool {
        let host = self.host.parse::<IpAddr>();
        // The address of a name is not known here; it may be this one.
        let same_host =
            host.map_or(true, |host| host == bound.ip() || host.is_unspecified() || bound.ip().is_unspecified());
        self.port == bound.port() && same_host
    }
}
