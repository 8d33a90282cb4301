//! Transport and address of an InfluxDB sink.

use std::fmt;

#[cfg(feature = "action-json")]
use loaddensity_metrics_core::Exporter;

use crate::config::check::Check;
use crate::config::configuration;
use crate::config::secret::Secret;
use crate::config::shown::shown_without_secrets;
use crate::error::StartError;
use crate::public_url::public_url;

/// Transport and address of an InfluxDB sink. Each is made from what it holds:
///
/// ```
/// use loaddensity_metrics_shell::{InfluxdbConfig, InfluxdbV2, Secret};
///
/// let target = InfluxdbV2::new("http://127.0.0.1:8086", "my-org", "load").token(Secret::new("…"));
/// let config = InfluxdbConfig::default().target(target);
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfluxdbTarget {
    /// Line protocol over UDP (InfluxDB 1).
    Udp(InfluxdbUdp),
    /// `POST /write` of InfluxDB 1.
    Http(InfluxdbHttp),
    /// A complete write URL.
    Url(InfluxdbUrl),
    /// InfluxDB 1 and what speaks like it.
    V1(InfluxdbV1),
    /// InfluxDB 2.
    V2(InfluxdbV2),
    /// InfluxDB 3.
    V3(InfluxdbV3),
}

configuration! {
    without default:
    /// Line protocol over UDP (InfluxDB 1).
    #[derive(Clone, PartialEq, Eq)]
    pub struct InfluxdbUdp {
        /// Host name or address.
        pub host: String,
        /// Port; LoadDensity's default is 8089.
        pub port: u16,
    }
}

impl InfluxdbUdp {
    /// To this host and port.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

configuration! {
    without default:
    /// `POST /write` of InfluxDB 1.
    #[derive(Clone, PartialEq, Eq)]
    pub struct InfluxdbHttp {
        /// Host name or address.
        pub host: String,
        /// Port; LoadDensity's default is 8086.
        pub port: u16,
        /// Database (`db=`).
        pub database: Option<String>,
        /// User of Basic authentication.
        pub username: Option<String>,
        /// Password of Basic authentication.
        pub password: Option<Secret>,
    }
}

impl InfluxdbHttp {
    /// To this host and port, with neither database nor credentials.
    #[must_use]
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, database: None, username: None, password: None }
    }
}

configuration! {
    without default:
    /// A complete write URL, used as it is. `https` is refused by a build without TLS.
    #[derive(Clone, PartialEq, Eq)]
    pub struct InfluxdbUrl {
        /// The URL, query included.
        pub url: String,
        /// Sent as `Authorization: Token …`.
        pub token: Option<Secret>,
    }
}

impl InfluxdbUrl {
    /// To this URL, without a token.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None }
    }
}

configuration! {
    without default:
    /// InfluxDB 1 and what speaks like it: `POST <server>/write`.
    #[derive(Clone, PartialEq, Eq)]
    pub struct InfluxdbV1 {
        /// `http://host[:port][/path][?query]`; port 80 where it names none. A query goes along (a gateway may want a
        /// key there), but must not say what the sink says itself; a path that ends in `/write` is taken without that.
        /// `https` is refused by a build without TLS.
        pub server: String,
        /// Database (`db=`).
        pub database: String,
        /// Retention policy (`rp=`). Default: the database's own.
        pub retention_policy: Option<String>,
        /// User, without a colon.
        pub username: Option<String>,
        /// Password; needs a user.
        pub password: Option<Secret>,
        /// How user and password are sent. Default: in a header.
        pub credentials: Credentials,
    }
}

impl InfluxdbV1 {
    /// To this database of this server, without credentials.
    #[must_use]
    pub fn new(server: impl Into<String>, database: impl Into<String>) -> Self {
        let (server, database) = (server.into(), database.into());
        let credentials = Credentials::default();
        Self { server, database, retention_policy: None, username: None, password: None, credentials }
    }
}

configuration! {
    without default:
    /// InfluxDB 2: `POST <server>/api/v2/write`.
    #[derive(Clone, PartialEq, Eq)]
    pub struct InfluxdbV2 {
        /// As for InfluxDB 1; `/api/v2` and `/api/v2/write` at its end are left out.
        pub server: String,
        /// Name or id of the organization (`org=`).
        pub org: String,
        /// Name or id of the bucket (`bucket=`).
        pub bucket: String,
        /// Sent as `Authorization: Token …`.
        pub token: Option<Secret>,
    }
}

impl InfluxdbV2 {
    /// To this bucket of this organization, without a token.
    #[must_use]
    pub fn new(server: impl Into<String>, org: impl Into<String>, bucket: impl Into<String>) -> Self {
        Self { server: server.into(), org: org.into(), bucket: bucket.into(), token: None }
    }
}

configuration! {
    without default:
    /// InfluxDB 3: `POST <server>/api/v3/write_lp`.
    #[derive(Clone, PartialEq, Eq)]
    pub struct InfluxdbV3 {
        /// As for InfluxDB 1; `/api/v3` and `/api/v3/write_lp` at its end are left out.
        pub server: String,
        /// Database (`db=`).
        pub database: String,
        /// Sent as `Authorization: Bearer …`.
        pub token: Option<Secret>,
        /// Whether the server answers before it has made the points durable, in milliseconds instead of about a second.
        /// LoadDensity's "sent" then means taken, not stored. InfluxDB's default: `false`.
        pub no_sync: bool,
        /// Whether the good points of a body with a bad one are stored. InfluxDB's default: `true`.
        pub accept_partial: bool,
    }
}

impl InfluxdbV3 {
    /// To this database of this server, without a token.
    #[must_use]
    pub fn new(server: impl Into<String>, database: impl Into<String>) -> Self {
        let (server, database) = (server.into(), database.into());
        Self { server, database, token: None, no_sync: false, accept_partial: true }
    }
}

/// How user and password are sent to InfluxDB 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credentials {
    /// Basic authentication (RFC 7617).
    #[default]
    Header,
    /// `u=` and `p=` in the query, which servers and proxies may log.
    Query,
}

impl Default for InfluxdbTarget {
    fn default() -> Self {
        Self::Udp(InfluxdbUdp::new("127.0.0.1", 8_089))
    }
}

impl fmt::Debug for InfluxdbTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(target) => target.fmt(f),
            Self::Http(target) => target.fmt(f),
            Self::Url(target) => target.fmt(f),
            Self::V1(target) => target.fmt(f),
            Self::V2(target) => target.fmt(f),
            Self::V3(target) => target.fmt(f),
        }
    }
}

shown_without_secrets!(InfluxdbUdp { host; port });

impl fmt::Debug for InfluxdbHttp {
    /// Without what may be secret: the query of a URL, and a user and a password wherever they are given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfluxdbHttp")
            .field("host", &public_url(&self.host))
            .field("port", &self.port)
            .field("database", &self.database)
            .field("username", &self.username.as_deref().map(public_name))
            .field("password", &self.password)
            .finish()
    }
}

shown_without_secrets!(InfluxdbUrl { url; token });

impl fmt::Debug for InfluxdbV1 {
    /// Without what may be secret: the query of a URL, and a user and a password wherever they are given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InfluxdbV1")
            .field("server", &public_url(&self.server))
            .field("database", &self.database)
            .field("retention_policy", &self.retention_policy)
            .field("username", &self.username.as_deref().map(public_name))
            .field("password", &self.password)
            .field("credentials", &self.credentials)
            .finish()
    }
}

shown_without_secrets!(InfluxdbV2 { server; org, bucket, token });

shown_without_secrets!(InfluxdbV3 { server; database, token, no_sync, accept_partial });

impl From<InfluxdbUdp> for InfluxdbTarget {
    fn from(target: InfluxdbUdp) -> Self {
        Self::Udp(target)
    }
}

impl From<InfluxdbHttp> for InfluxdbTarget {
    fn from(target: InfluxdbHttp) -> Self {
        Self::Http(target)
    }
}

impl From<InfluxdbUrl> for InfluxdbTarget {
    fn from(target: InfluxdbUrl) -> Self {
        Self::Url(target)
    }
}

impl From<InfluxdbV1> for InfluxdbTarget {
    fn from(target: InfluxdbV1) -> Self {
        Self::V1(target)
    }
}

impl From<InfluxdbV2> for InfluxdbTarget {
    fn from(target: InfluxdbV2) -> Self {
        Self::V2(target)
    }
}

impl From<InfluxdbV3> for InfluxdbTarget {
    fn from(target: InfluxdbV3) -> Self {
        Self::V3(target)
    }
}

/// A user name, unless it holds a colon: what follows is a password then, and the name is refused.
fn public_name(name: &str) -> &str {
    if name.contains(':') { "…" } else { name }
}

impl InfluxdbTarget {
    /// Whether it is posted to, over HTTP.
    pub(crate) const fn is_http(&self) -> bool {
        !matches!(self, Self::Udp(_))
    }

    /// Whether it names a database that `CREATE DATABASE` creates.
    pub(crate) const fn can_create_database(&self) -> bool {
        matches!(self, Self::V1(_) | Self::Http(InfluxdbHttp { database: Some(_), .. }))
    }

    /// Whether nothing is empty that must not be.
    #[cfg(feature = "action-json")]
    pub(crate) fn is_whole(&self) -> bool {
        self.check(Check(Exporter::Influxdb)).is_ok()
    }

    pub(super) fn check(&self, check: Check) -> Result<(), StartError> {
        match self {
            Self::Udp(InfluxdbUdp { host, port, .. }) | Self::Http(InfluxdbHttp { host, port, .. }) => {
                check.host("target.host", host)?;
                check.port("target.port", *port)
            }
            Self::Url(InfluxdbUrl { url, .. }) => check.not_empty("target.url", url),
            Self::V1(InfluxdbV1 { server, database, retention_policy, .. }) => {
                check.not_empty("target.server", server)?;
                check.not_empty("target.database", database)?;
                retention_policy.as_ref().map_or(Ok(()), |policy| check.not_empty("target.retention_policy", policy))
            }
            Self::V2(InfluxdbV2 { server, org, bucket, .. }) => {
                check.not_empty("target.server", server)?;
                check.not_empty("target.org", org)?;
                check.not_empty("target.bucket", bucket)
            }
            Self::V3(InfluxdbV3 { server, database, .. }) => {
                check.not_empty("target.server", server)?;
                check.not_empty("target.database", database)
            }
        }
    }
}
