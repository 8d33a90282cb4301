//! HTTP proxies: which one a request goes through, if any. The rules are curl's (curl(1), "ENVIRONMENT" and `--noproxy`;
//! libcurl-env(3)), which most programs share.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;

use super::secret::Secret;
use super::statsd::host_and_port;
use crate::environment::{self, Environment, EnvironmentError};
use crate::host_port::host_port;

/// Variables of requests to `https` URLs; the first that is set is followed.
const HTTPS: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// The same of `http` URLs.
const HTTP: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];
/// A CGI server sets it to what its client says (`Proxy:`), so curl does not follow it.
const UPPER_HTTP: &str = "HTTP_PROXY";
/// Hosts that are reached without a proxy.
const EXCEPT: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Where a proxy listens whose URL names no port (curl(1), `--proxy`).
const PORT: u16 = 1_080;

/// The HTTP proxy that requests go through: those to `http` URLs in absolute form (RFC 9112, 3.2.2), `https` and gRPC
/// through a tunnel (`CONNECT`; RFC 9110, 9.3.6). Its name is resolved here, those of servers by the proxy.
///
/// ```
/// use loaddensity_metrics_shell::Proxy;
///
/// let proxy = Proxy::new("http://me:s%40cret@proxy.example:3128")?.except("localhost, .internal, 10.0.0.0/8");
/// assert_eq!(format!("{proxy:?}"), "Proxy { url: \"http://proxy.example:3128\", except: Some(\"localhost, .internal, 10.0.0.0/8\") }");
/// assert!(Proxy::new("socks5://proxy.example").is_err());
/// # Ok::<(), loaddensity_metrics_shell::ProxyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    source: ProxySource,
    except: Option<String>,
}

#[derive(Clone, PartialEq, Eq)]
enum ProxySource {
    Given(HttpProxy),
    Environment(Environment),
}

impl Proxy {
    /// The proxy at `url`, for all hosts: `http://[user:password@]host[:port]`, where `http://` may be left out, the port
    /// is 1080 unless it is named, and what is special in user and password is percent-encoded. They are sent as Basic
    /// authentication (RFC 7617), and never shown.
    ///
    /// # Errors
    /// [`ProxyError`] for anything else, other kinds of proxies among it.
    pub fn new(url: &str) -> Result<Self, ProxyError> {
        Ok(Self { source: ProxySource::Given(HttpProxy::parse(url)?), except: None })
    }

    /// What the environment says when the exporter starts; `None` where it says nothing: for `https` URLs the first of
    /// `https_proxy`, `HTTPS_PROXY`, `all_proxy` and `ALL_PROXY` that is set, for `http` URLs (also those of gRPC) of
    /// `http_proxy`, `all_proxy` and `ALL_PROXY`, unless `no_proxy` or `NO_PROXY` names the host. `HTTP_PROXY` is not
    /// followed, as curl has it: a CGI server sets it to what its client says. What cannot be used is warned of at the
    /// start and counts as not set.
    #[must_use]
    pub fn from_env(environment: &Environment) -> Option<Self> {
        let servers = environment.only(&[&HTTPS[..], &HTTP, &[UPPER_HTTP]].concat());
        let all = environment.only(&[&HTTPS[..], &HTTP, &[UPPER_HTTP], &EXCEPT].concat());
        (servers != Environment::default()).then_some(Self { source: ProxySource::Environment(all), except: None })
    }

    /// The same, but not for these `hosts`, in the form of `NO_PROXY`, which they replace: names and addresses, separated by
    /// commas or blanks. A name stands for all that end in it too (`example.com` and `.example.com` for
    /// `a.example.com`); `10.0.0.0/8` stands for a network, `host:port` for one port, `*` for everything.
    #[must_use]
    pub fn except(mut self, hosts: impl Into<String>) -> Self {
        self.except = Some(hosts.into());
        self
    }

    /// Whether the user gave it, and not the environment.
    pub(crate) const fn is_given(&self) -> bool {
        matches!(self.source, ProxySource::Given(_))
    }

    /// The proxy of a request to `host` at `port`, by an `https` URL or not.
    pub(crate) fn of(&self, is_https: bool, host: &str, port: u16) -> Option<HttpProxy> {
        match &self.source {
            ProxySource::Given(server) => {
                let is_excepted = self.except.as_deref().is_some_and(|list| names(list, host, port));
                (!is_excepted).then(|| server.clone())
            }
            ProxySource::Environment(environment) => {
                let list = self.except.as_deref().or_else(|| first(environment, &EXCEPT));
                if list.is_some_and(|list| names(list, host, port)) { None } else { server(environment, is_https) }
            }
        }
    }
}

impl fmt::Debug for Proxy {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Proxy");
        match &self.source {
            ProxySource::Given(server) => shown.field("url", &server.url()),
            ProxySource::Environment(environment) => shown.field("environment", environment),
        };
        shown.field("except", &self.except).finish()
    }
}

/// A proxy that can be used.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HttpProxy {
    /// Name or address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `user:password`, percent-encoded.
    pub(crate) user: Option<Secret>,
}

impl HttpProxy {
    fn parse(url: &str) -> Result<Self, ProxyError> {
        let rest = match url.trim().split_once("://") {
            None => url.trim(),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some(_) => return Err(ProxyError::Kind),
        };
        let (user, address) = rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
        let address = address.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = host_and_port(address).filter(|(host, _)| host.is_ascii()).ok_or(ProxyError::Address)?;
        Ok(Self { host, port: port.unwrap_or(PORT), user: user.map(Secret::new) })
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", host_port(&self.host, self.port))
    }
}

/// Why a URL names no proxy that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is a proxy over TLS, of SOCKS or of another kind.
    Kind,
    /// It names no host, or a port that is not valid.
    Address,
}

impl fmt::Display for ProxyError {
    /// What would be right.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "it must be an HTTP proxy, http://[user:password@]host[:port]; others are not spoken to",
            Self::Address => "it must be http://[user:password@]host[:port], with a port from 1 to 65535",
        })
    }
}

impl Error for ProxyError {}

/// The proxy that the variables name.
fn server(environment: &Environment, is_https: bool) -> Option<HttpProxy> {
    let names = if is_https { &HTTPS[..] } else { &HTTP };
    let found = names.iter().find_map(|name| match environment.text(name) {
        Ok(text) => HttpProxy::parse(text?)
            .map(Some)
            .unwrap_or_else(|error| environment::ignored(&EnvironmentError::hidden(name, error.to_string()), None)),
        Err(error) => environment::ignored(&error, None),
    });
    if found.is_none() && !is_https && first(environment, &[UPPER_HTTP]).is_some() {
        let expected = "set http_proxy; this one is not followed, as curl has it, because a CGI server sets it to what \
                        its client says";
        environment::ignored(&EnvironmentError::hidden(UPPER_HTTP, expected), ());
    }
    found
}

fn first<'e>(environment: &'e Environment, names: &[&'static str]) -> Option<&'e str> {
    names.iter().find_map(|name| environment.text(name).unwrap_or_else(|error| environment::ignored(&error, None)))
}

/// Whether a list of `NO_PROXY` names `host` at `port`.
fn names(list: &str, host: &str, port: u16) -> bool {
    let host = host.split('%').next().unwrap_or_default();
    let mut entries = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    match host.parse() {
        Ok(address) => entries.any(|entry| entry == "*" || covers(entry, address, port)),
        Err(_) => entries.any(|entry| entry == "*" || ends_in(host, port, entry)),
    }
}

/// Whether `entry`, an address or a network, covers `address`.
fn covers(entry: &str, address: IpAddr, port: u16) -> bool {
    if let Some((network, bits)) = entry.split_once('/') {
        let network = network.trim_start_matches('[').trim_end_matches(']');
        return match (network.parse(), address, bits.parse::<u32>()) {
            (Ok(IpAddr::V4(network)), IpAddr::V4(address), Ok(bits @ 0..=32)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (Ok(IpAddr::V6(network)), IpAddr::V6(address), Ok(bits @ 0..=128)) => {
                (network.to_bits() ^ address.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
            }
            _ => false,
        };
    }
    host_and_port(entry).is_some_and(|(host, only)| host.parse() == Ok(address) && only.is_none_or(|only| only == port))
}

/// Whether `host` is the name `entry` or one below it.
fn ends_in(host: &str, port: u16, entry: &str) -> bool {
    let Some((name, only)) = host_and_port(entry) else { return false };
    let name = name.strip_prefix('*').unwrap_or(&name);
    let name = name.strip_prefix('.').unwrap_or(name).trim_end_matches('.');
    let host = host.trim_end_matches('.');
    let at = host.len().checked_sub(name.len());
    let is_end = at.and_then(|at| host.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(name));
    let is_whole = at.is_some_and(|at| at == 0 || host[..at].ends_with('.'));
    !name.is_empty() && is_end && is_whole && only.is_none_or(|only| only == port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_proxies_are_read() {
        for (url, shown, user) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("HTTP://proxy:3128/", "http://proxy:3128", None),
            ("proxy:3128", "http://proxy:3128", None),
            (" http://proxy ", "http://proxy:1080", None),
            ("http://[::1]:3128", "http://[::1]:3128", None),
            ("http://me:pass@10.0.0.1:80/x", "http://10.0.0.1:80", Some("me:pass")),
            ("me:p/a@ss@proxy", "http://proxy:1080", Some("me:p/a@ss")),
        ] {
            let server = HttpProxy::parse(url).expect(url);
            assert_eq!((server.url().as_str(), server.user.as_ref().map(Secret::reveal)), (shown, user), "{url}");
        }
        for (url, error) in [
            ("https://proxy:443", ProxyError::Kind),
            ("socks5://proxy:1080", ProxyError::Kind),
            ("socks5h://proxy", ProxyError::Kind),
            ("http://", ProxyError::Address),
            ("", ProxyError::Address),
            ("http://proxy:0", ProxyError::Address),
            ("http://proxy:port", ProxyError::Address),
            ("http://:3128", ProxyError::Address),
            ("http://a proxy", ProxyError::Address),
            ("http://próxy", ProxyError::Address),
        ] {
            assert_eq!(HttpProxy::parse(url).err(), Some(error), "{url}");
        }
    }

    /// curl's `Curl_check_noproxy` agrees with each row, except those with a port, with `*` beside others, and with
    /// `*.`.
    #[test]
    fn hosts_of_no_proxy_are_reached_directly() {
        for (list, host, is_excepted) in [
            ("", "example.com", false),
            ("*", "example.com", true),
            ("a, *", "example.com", true),
            ("example.com", "example.com", true),
            ("example.com", "EXAMPLE.com", true),
            ("example.com", "www.example.com", true),
            ("example.com", "nonexample.com", false),
            ("www.example.com", "example.com", false),
            (".example.com", "example.com", true),
            (".example.com", "www.example.com", true),
            ("*.example.com", "www.example.com", true),
            ("example.com.", "example.com", true),
            ("example.com", "example.com.", true),
            ("com", "example.com", true),
            (".", "example.com", false),
            ("a,example.com,b", "example.com", true),
            ("a example.com  b", "example.com", true),
            (",,example.com,", "example.com", true),
            ("example.com:8086", "example.com", true),
            ("example.com:8087", "example.com", false),
            ("example.com:0", "example.com", false),
            ("localhost", "localhost", true),
            ("", "localhost", false),
            ("localhost", "127.0.0.1", false),
            ("127.0.0.1", "localhost", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1:8086", "127.0.0.1", true),
            ("127.0.0.1:8087", "127.0.0.1", false),
            ("10.1.2.0/24", "10.1.2.255", true),
            ("10.1.2.0/24", "10.1.3.0", false),
            ("10.1.2.3/32", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("10.1.2.0/33", "10.1.2.0", false),
            ("10.1.2.0/x", "10.1.2.0", false),
            ("10.0.0.0/8", "10.example.com", false),
            ("0.1", "127.0.0.1", false),
            ("::1", "::1", true),
            ("[::1]", "::1", true),
            ("[::1]:8086", "::1", true),
            ("fe80::/10", "fe80::1%eth0", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe12::1", false),
            ("::/0", "::1", true),
            ("::/0", "10.0.0.1", false),
            ("0:0:0:0:0:0:0:1", "::1", true),
            ("é", "aé", false),
        ] {
            assert_eq!(names(list, host, 8_086), is_excepted, "{list:?} {host}");
        }
    }

    #[test]
    fn the_variables_of_proxies_mean_what_they_mean_to_curl() {
        for (variables, http, https) in [
            (&[("https_proxy", "a:1")][..], None, Some("http://a:1")),
            (&[("HTTPS_PROXY", "http://b:2")], None, Some("http://b:2")),
            (&[("https_proxy", "a:1"), ("HTTPS_PROXY", "b:2")], None, Some("http://a:1")),
            (&[("https_proxy", ""), ("HTTPS_PROXY", "b:2")], None, Some("http://b:2")),
            (&[("http_proxy", "c:3")], Some("http://c:3"), None),
            (&[("HTTP_PROXY", "d:4")], None, None),
            (&[("HTTP_PROXY", "d:4"), ("ALL_PROXY", "f:6")], Some("http://f:6"), Some("http://f:6")),
            (&[("all_proxy", "e:5"), ("ALL_PROXY", "f:6")], Some("http://e:5"), Some("http://e:5")),
            (&[("ALL_PROXY", "f:6"), ("https_proxy", "a:1")], Some("http://f:6"), Some("http://a:1")),
            (&[("https_proxy", "socks5://a:1"), ("ALL_PROXY", "f:6")], Some("http://f:6"), Some("http://f:6")),
            (&[("https_proxy", "https://a:1")], None, None),
            (&[("https_proxy", "a:1"), ("no_proxy", "h.example")], None, None),
            (&[("https_proxy", "a:1"), ("NO_PROXY", ".example")], None, None),
            (&[("https_proxy", "a:1"), ("no_proxy", "x"), ("NO_PROXY", "*")], None, Some("http://a:1")),
        ] {
            let proxy = Proxy::from_env(&Environment::of(variables.iter().copied())).expect("a variable is set");
            let of = |is_https| proxy.of(is_https, "h.example", 1).map(|server| server.url());
            assert_eq!((of(false).as_deref(), of(true).as_deref()), (http, https), "{variables:?}");
            assert_eq!(proxy.clone().except("*").of(true, "h.example", 1).map(|server| server.url()), None);
        }
        for nothing in [&[][..], &[("NO_PROXY", "*")], &[("https_proxy", "")], &[("PATH", "a:1")]] {
            assert_eq!(Proxy::from_env(&Environment::of(nothing.iter().copied())), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_given_proxy_is_used_for_all_hosts_but_those_of_no_proxy() {
        let proxy = Proxy::new("http://me:hunter2@p:1").expect("a proxy");
        assert_eq!(proxy.of(false, "h", 1).map(|server| server.url()).as_deref(), Some("http://p:1"));
        assert!(proxy.of(true, "localhost", 1).is_some() && proxy.is_given());
        let proxy = proxy.except("h");
        assert!(proxy.of(false, "h", 1).is_none() && proxy.of(false, "i", 1).is_some());
        assert!(!format!("{proxy:?}").contains("hunter2"));
        let of_environment = Proxy::from_env(&Environment::of([("https_proxy", "http://me:hunter2@p")]));
        assert!(!format!("{of_environment:?}").contains("hunter2"));
    }
}
