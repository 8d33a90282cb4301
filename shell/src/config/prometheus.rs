//! The configuration of the Prometheus exporter.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use loaddensity_metrics_core::prometheus::{RunInfo, ScrapeOptions};
use loaddensity_metrics_core::{ConstantLabels, Exporter, Timestamp};

use super::Configuration;
use super::check::Check;
use super::labels::Labels;
use super::page_address::PageAddress;
use super::secret::Secret;
use super::setters::configuration;
use super::shown::shown_without_secrets;
use super::tls::ServerTls;
use crate::environment::{Environment, EnvironmentError};
use crate::error::StartError;
use crate::public_url::public_url;

/// Connections at a time that may be allowed.
pub(crate) const CONNECTIONS: RangeInclusive<usize> = 1..=4_096;
/// Bytes of a request's head that may be allowed; hyper takes no smaller limit.
pub(crate) const HEAD_BYTES: RangeInclusive<usize> = 8_192..=1 << 20;
const HOST: &str = "OTEL_EXPORTER_PROMETHEUS_HOST";
/// The path where the server says that it is healthy.
pub(crate) const HEALTH_PATH: &str = "/healthz";

configuration! {
    /// Where and how the Prometheus page is served.
    /// LoadDensity: `start_prometheus_exporter(port=9646, addr="127.0.0.1")`, where `addr` is the host.
    #[derive(Clone, PartialEq, Eq)]
    pub struct PrometheusConfig {
        /// TCP port; 0 takes a free one, which the start call returns. Default 9646.
        pub port: u16 = 9646,
        /// Host name or address to listen on. Default `127.0.0.1`.
        pub host: String = "127.0.0.1".into(),
        /// Path of the page: `/` and visible ASCII characters without `?`, `#` and `%`, and not `/healthz`. Default
        /// `/metrics`.
        pub path: String = "/metrics".into(),
        /// Labels that every line has, but for lines with a label of the same name of their own, by the rules of
        /// [`ConstantLabels`]. Default none.
        pub constant_labels: Labels = Labels::new(),
        /// Whether OpenMetrics and protobuf say since when counters and histograms have counted (`_created`).
        /// Prometheus keeps that as series of their own unless it is told to read it. Default no.
        pub created_times: bool = false,
        /// Whether the page goes out in gzip to scrapers that ask for it (`Accept-Encoding`). Refused by a build
        /// without the feature `gzip`. Default yes in a build with it, no in one without.
        pub gzip: bool = cfg!(feature = "gzip"),
        /// Who may read the page. Default anyone.
        pub access: PageAccess = PageAccess::Anyone,
        /// The certificate that the page is served with, over `https` alone then. Default none: `http`.
        pub tls: Option<ServerTls> = None,
        /// How long the page serves on after a stop, at most: until one scrape has had the last values. Up to a day;
        /// none and zero: not at all. Default none.
        ///
        /// The stop does not wait for it. The account stays open meanwhile (`held`), `status` shows the page, and its
        /// port is taken. It ends early with a new start of the page, and at the deadline of a shutdown.
        pub linger: Option<Duration> = None,
        /// What clients may use up.
        pub limits: PageLimits = PageLimits::default(),
    }
}

/// Who may read the page. `/healthz` anyone may.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageAccess {
    /// Anyone who reaches it.
    #[default]
    Anyone,
    /// Who names this user and password (RFC 7617). Without TLS they cross the network readably.
    Basic {
        /// Not empty, without `:` and control characters.
        username: String,
        /// Not empty, without control characters.
        password: Secret,
    },
    /// Who has this token (RFC 6750): letters, digits and `-._~+/`, then any number of `=`. Without TLS it crosses the
    /// network readably.
    Bearer(Secret),
}

configuration! {
    /// What the clients of the page may use up.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct PageLimits {
        /// Connections at a time, 1 to 4,096. For a further one, the one makes room that has gone longest without a
        /// complete request; where all are being answered, the further one gets 503. Default 64.
        pub connections: usize = 64,
        /// Bytes of a request's head, and of what is buffered of an answer, 8 KiB to 1 MiB per connection. Default 8
        /// KiB.
        pub head_bytes: usize = 8_192,
        /// How long a request's head may take from its first byte or from the end of the answer before, 1 ms to a day.
        /// Default 120 s, longer than the usual scrape intervals, so that scrapers may keep their connections.
        pub head_timeout: Duration = Duration::from_secs(120),
        /// A connection on which no byte has moved for this long is closed; 1 ms to a day. Default 120 s.
        pub idle_timeout: Duration = Duration::from_secs(120),
    }
}

impl PrometheusConfig {
    /// The defaults, with host and port as OpenTelemetry's variables for a Prometheus exporter give them:
    /// `OTEL_EXPORTER_PROMETHEUS_HOST` and `OTEL_EXPORTER_PROMETHEUS_PORT`. Where they are not set, host and port are
    /// LoadDensity's and not OpenTelemetry's.
    ///
    /// # Errors
    /// [`EnvironmentError`] for a host with a user, which is not shown, and for a port that is not valid.
    pub fn from_env(environment: &Environment) -> Result<Self, EnvironmentError> {
        let mut config = Self::default();
        let host = environment.text(HOST)?.map(str::trim);
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            if host.contains('@') {
                return Err(EnvironmentError::hidden(HOST, "it must be a host alone, without a user"));
            }
            host.clone_into(&mut config.host);
        }
        if let Some(port) = environment.whole("OTEL_EXPORTER_PROMETHEUS_PORT", 0..=65_535, "a port number")? {
            config.port = u16::try_from(port).unwrap_or(config.port);
        }
        Ok(config)
    }

    /// Where its page is served.
    pub(crate) fn page_address(&self) -> PageAddress<'_> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        PageAddress { scheme, host: &self.host, port: self.port, path: &self.path }
    }
}

shown_without_secrets!(PrometheusConfig {
    host, path;
    port, constant_labels, created_times, gzip, access, tls, linger, limits,
});

impl Configuration for PrometheusConfig {
    fn check(&self) -> Result<(), StartError> {
        let check = Check(Exporter::Prometheus);
        check.host("host", &self.host)?;
        if !is_path(&self.path) {
            let expected = "it must be a path such as /metrics, without a query, and other than /healthz";
            return Err(check.bad("path", public_url(&self.path), expected));
        }
        Self::constant_of(&self.constant_labels)?;
        self.access.check(check)?;
        check.range("limits.connections", self.limits.connections, &CONNECTIONS)?;
        check.range("limits.head_bytes", self.limits.head_bytes, &HEAD_BYTES)?;
        if let Some(linger) = self.linger.filter(|linger| !linger.is_zero()) {
            check.wait("linger", linger)?;
        }
        check.wait("limits.head_timeout", self.limits.head_timeout)?;
        check.wait("limits.idle_timeout", self.limits.idle_timeout)
    }

    fn check_without_tcp(&self) -> Result<(), StartError> {
        Check(Exporter::Prometheus).without_tcp("port", self.port, "")
    }

    fn page(&self) -> Option<PageAddress<'_>> {
        Some(self.page_address())
    }
}

impl PrometheusConfig {
    /// What each scrape shows, with these `constant` labels and this `info`, of a registry that has counted since
    /// `start_time`.
    pub(crate) fn options(
        &self,
        constant: &ConstantLabels,
        info: Option<RunInfo>,
        start_time: Timestamp,
    ) -> ScrapeOptions {
        ScrapeOptions::default()
            .constant_labels(constant)
            .run_info(info)
            .created(self.created_times.then_some(start_time))
    }

    /// These labels, the constant ones and others, checked.
    pub(crate) fn constant_of(all: &Labels) -> Result<ConstantLabels, StartError> {
        ConstantLabels::new(all)
            .map_err(|error| Check(Exporter::Prometheus).bad("constant_labels", error.name(), &error.to_string()))
    }
}

impl PageAccess {
    fn check(&self, check: Check) -> Result<(), StartError> {
        let hidden = "(not shown)";
        match self {
            Self::Basic { username, .. } if !is_text(username) || username.contains(':') => {
                Err(check.bad("access.username", hidden, "it must not be empty and have no colon or control character"))
            }
            Self::Basic { password, .. } if !is_text(password.reveal()) => {
                Err(check.bad("access.password", hidden, "it must not be empty and have no control character"))
            }
            Self::Bearer(token) if !is_token(token.reveal()) => {
                Err(check.bad("access.bearer", hidden, "it must be letters, digits and -._~+/, then any number of ="))
            }
            Self::Anyone | Self::Basic { .. } | Self::Bearer(_) => Ok(()),
        }
    }
}

impl fmt::Debug for PageAccess {
    /// Neither names nor secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anyone => "Anyone",
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path != HEALTH_PATH
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#%\"<>\\^`{|}".contains(&byte))
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_control)
}

/// RFC 6750, section 2.1, `b64token`.
fn is_token(token: &str) -> bool {
    let token = token.trim_end_matches('=');
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(change: impl FnOnce(&mut PrometheusConfig)) -> String {
        let mut config = PrometheusConfig::default();
        change(&mut config);
        config.check().expect_err("must be refused").to_string()
    }

    #[test]
    fn the_error_of_an_impossible_value_names_its_field_and_shows_no_secret() {
        for path in ["", "metrics", "/a b", "/a?b", "/a#b", "/%61", "/ä", "/healthz"] {
            assert!(said(|config| config.path = path.into()).contains("`path`"), "{path}");
        }
        let basic = |username: &str, password: &str| PageAccess::Basic {
            username: username.into(),
            password: Secret::new(password),
        };
        for (access, key) in [
            (basic("", "hunter2"), "`access.username`"),
            (basic("hunter2:x", "hunter2"), "`access.username`"),
            (basic("hunter2\n", "hunter2"), "`access.username`"),
            (basic("me", ""), "`access.password`"),
            (basic("me", "hunter2\r\n"), "`access.password`"),
            (PageAccess::Bearer(Secret::new("")), "`access.bearer`"),
            (PageAccess::Bearer(Secret::new("==")), "`access.bearer`"),
            (PageAccess::Bearer(Secret::new("hunter2 ")), "`access.bearer`"),
        ] {
            assert!(!format!("{access:?}").contains("hunter2"));
            let text = said(|config| config.access = access);
            assert!(text.contains(key) && !text.contains("hunter2"), "{text}");
        }
        for (text, key) in [
            (said(|config| config.limits.connections = 0), "`limits.connections`"),
            (said(|config| config.limits.head_bytes = 8_191), "`limits.head_bytes`"),
            (said(|config| config.limits.head_timeout = Duration::ZERO), "`limits.head_timeout`"),
            (said(|config| config.limits.idle_timeout = Duration::MAX), "`limits.idle_timeout`"),
            (said(|config| config.linger = Some(Duration::MAX)), "`linger`"),
        ] {
            assert!(text.contains(key), "{text}");
        }
        for labels in [[("le", "1"), ("a", "b")], [("a", "1"), ("a", "2")]] {
            assert!(said(|config| config.constant_labels = labels.into()).contains("`constant_labels`"));
        }
        for linger in [None, Some(Duration::ZERO), Some(Duration::from_secs(86_400))] {
            assert!(PrometheusConfig { linger, ..PrometheusConfig::default() }.check().is_ok());
        }
        for access in [basic("me", "pass:word"), PageAccess::Bearer(Secret::new("aZ9-._~+/=="))] {
            assert!(PrometheusConfig { access, path: "/".into(), ..PrometheusConfig::default() }.check().is_ok());
        }
    }

    #[test]
    fn environment_variables_change_host_and_port() {
        let (host, port) = ("OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT");
        let of = |variables: &[(&str, &str)]| PrometheusConfig::from_env(&Environment::of(variables.iter().copied()));
        assert_eq!(of(&[]), Ok(PrometheusConfig::default()));
        let expected = PrometheusConfig { host: "::1".into(), port: 0, ..PrometheusConfig::default() };
        assert_eq!(of(&[(host, "::1"), (port, "0")]), Ok(expected));
        assert_eq!(of(&[(host, " "), (port, " ")]), Ok(PrometheusConfig::default()));
        let error = of(&[(port, "65536")]).expect_err("no port").to_string();
        assert!(error.contains(port) && error.contains("65536"), "{error}");
        let error = of(&[(host, "me:hunter2@h")]).expect_err("a user").to_string();
        assert!(error.contains(host) && error.contains("without a user") && !error.contains("hunter2"), "{error}");
    }
}
