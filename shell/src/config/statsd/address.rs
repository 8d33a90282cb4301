//! Where an Agent listens, in the form of a URL as Datadog's clients read it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::super::check::Check;
use crate::error::StartError;

/// What a URL must look like.
pub(crate) const EXPECTED: &str = "udp://host:port, unix:///path, unixgram:///path or unixstream:///path";

/// The Unix socket of an Agent on the same machine. It need not exist yet, and may be made anew at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsdSocket {
    /// Datagrams, or a stream where the socket turns out to be one: `unix:///path`.
    Unix(PathBuf),
    /// Datagrams: `unixgram:///path`.
    UnixDatagram(PathBuf),
    /// A stream, in which each packet is preceded by its length in 32 bits, little-endian: `unixstream:///path`.
    UnixStream(PathBuf),
}

impl StatsdSocket {
    /// The path of the socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        let (Self::Unix(path) | Self::UnixDatagram(path) | Self::UnixStream(path)) = self;
        path
    }

    pub(super) fn check(&self, check: Check) -> Result<(), StartError> {
        if self.path().as_os_str().is_empty() {
            return Err(check.bad("socket", self, "it must name a file, as in unix:///var/run/datadog/dsd.socket"));
        }
        possible(self.path()).map_err(|reason| check.bad("socket", self, &reason))
    }
}

impl fmt::Display for StatsdSocket {
    /// As a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self {
            Self::Unix(_) => "unix",
            Self::UnixDatagram(_) => "unixgram",
            Self::UnixStream(_) => "unixstream",
        };
        write!(f, "{scheme}://{}", self.path().display())
    }
}

/// Whether a socket can have this path.
#[cfg(unix)]
fn possible(path: &Path) -> Result<(), String> {
    let address = std::os::unix::net::SocketAddr::from_pathname(path);
    address.map(drop).map_err(|error| format!("no socket can have this path: {error}; choose another"))
}

#[cfg(not(unix))]
fn possible(_: &Path) -> Result<(), String> {
    Err("this system has no Unix sockets; give host and port".into())
}

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Host, and port where it names one.
    Udp(String, Option<u16>),
    Unix(StatsdSocket),
}

impl Address {
    /// `None` if this is not the URL of an Agent. Paths are absolute, and used as they are.
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once("://")?;
        let path = || rest.starts_with('/').then(|| PathBuf::from(rest));
        match scheme.to_ascii_lowercase().as_str() {
            "udp" => host_and_port(rest.trim_end_matches('/')).map(|(host, port)| Self::Udp(host, port)),
            "unix" => path().map(StatsdSocket::Unix).map(Self::Unix),
            "unixgram" => path().map(StatsdSocket::UnixDatagram).map(Self::Unix),
            "unixstream" => path().map(StatsdSocket::UnixStream).map(Self::Unix),
            _ => None,
        }
    }
}

/// `host`, `host:port`, `[address]` or `[address]:port`.
pub(in crate::config) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(port(rest.strip_prefix(':')?)?)),
        None => match text.split_once(':') {
            // An IPv6 address without brackets.
            Some((_, rest)) if rest.contains(':') && !text.contains('/') => (text, None),
            Some((host, rest)) => (host, Some(port(rest)?)),
            None => (text, None),
        },
    };
    let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '?' | '#'));
    // The zone of an IPv6 address in a URL (RFC 6874).
    is_host.then(|| (host.replacen("%25", "%", 1), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_agents_are_read() {
        let udp = |host: &str, port| Some(Address::Udp(host.into(), port));
        let unix = |path: &str| Some(Address::Unix(StatsdSocket::Unix(path.into())));
        for (url, address) in [
            ("udp://h", udp("h", None)),
            ("udp://h:8125/", udp("h", Some(8_125))),
            (" UDP://h:8125\n", udp("h", Some(8_125))),
            ("udp://[::1]:8125", udp("::1", Some(8_125))),
            ("udp://[fe80::1%25eth0]", udp("fe80::1%eth0", None)),
            ("udp://::1", udp("::1", None)),
            ("unix:///run/dsd", unix("/run/dsd")),
            ("UNIX:///run/Dsd", unix("/run/Dsd")),
            ("unix://run/dsd", None),
            ("udp://h:0", None),
            ("udp://", None),
            ("udp://me:secret@h", None),
            ("udp://h:8125?x", None),
            ("http://h:8125", None),
            ("h:8125", None),
        ] {
            assert_eq!(Address::of_url(url), address, "{url}");
        }
    }
}
