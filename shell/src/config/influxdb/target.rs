//! Transport and address of an InfluxDB sink.

use std::fmt;

#[cfg(feature = "action-json")]
use loaddensity_metrics_core::Exporter;

use crate::config::check::Check;
use crate::config::secret::Secret;
use crate::error::StartError;
use crate::public_url::public_url;

/// Transport and address of an InfluxDB sink.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InfluxdbTarget {
    /// Line protocol over UDP (InfluxDB 1).
    Udp {
        /// Host name or address.
        host: String,
        /// Port; LoadDensity's default is 8089.
        port: u16,
    },
    /// `POST /write` of InfluxDB 1.
    Http {
        /// Host name or address.
        host: String,
        /// Port; LoadDensity's default is 8086.
        port: u16,
        /// Database (`db=`).
        database: Option<String>,
        /// User of Basic authentication.
        username: Option<String>,
        /// Password of Basic authentication.
        password: Option<Secret>,
    },
    /// A complete write URL, used as it stands. `https` is refused by a build without TLS.
    Url {
        /// The URL, query included.
        url: String,
        /// Sent as `Authorization: Token …`.
        token: Option<Secret>,
    },
    /// InfluxDB 1 and what speaks like it: `POST <server>/write`.
    V1 {
        /// `http://host[:port][/path][?query]`; port 80 where it names none. A query goes along (a gateway may want a key
        /// there), but must not say what the sink says itself; a path that ends in `/write` is taken without that. `https`
        /// is refused by a build without TLS.
        server: String,
        /// Database (`db=`).
        database: String,
        /// Retention policy (`rp=`). Default: the database's own.
        retention_policy: Option<String>,
        /// User, without a colon.
        username: Option<String>,
        /// Password; needs a user.
        password: Option<Secret>,
        /// How user and password are sent. Default: in a header.
        credentials: Credentials,
    },
    /// InfluxDB 2: `POST <server>/api/v2/write`.
    V2 {
        /// As for InfluxDB 1; `/api/v2` and `/api/v2/write` at its end are left out.
        server: String,
        /// Name or id of the organization (`org=`).
        org: String,
        /// Name or id of the bucket (`bucket=`).
        bucket: String,
        /// Sent as `Authorization: Token …`.
        token: Option<Secret>,
    },
    /// InfluxDB 3: `POST <server>/api/v3/write_lp`.
    V3 {
        /// As for InfluxDB 1; `/api/v3` and `/api/v3/write_lp` at its end are left out.
        server: String,
        /// Database (`db=`).
        database: String,
        /// Sent as `Authorization: Bearer …`.
        token: Option<Secret>,
        /// Whether the server answers before it has made the points durable, in milliseconds instead of about a second.
        /// LoadDensity's "sent" then means taken, not stored. InfluxDB's default: `false`.
        no_sync: bool,
        /// Whether the good points of a body with a bad one are stored. InfluxDB's default: `true`.
        accept_partial: bool,
    },
}

/// How InfluxDB 1 is told who writes.
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
        Self::Udp { host: "127.0.0.1".into(), port: 8_089 }
    }
}

impl fmt::Debug for InfluxdbTarget {
    /// Without the query of a URL, which may hold a password (`p=`), and a user and a password wherever they are given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { host, port } => {
                f.debug_struct("Udp").field("host", &public_url(host)).field("port", port).finish()
            }
            Self::Http { host, port, database, username, password } => f
                .debug_struct("Http")
                .field("host", &public_url(host))
                .field("port", port)
                .field("database", database)
                .field("username", &username.as_deref().map(public_name))
                .field("password", password)
                .finish(),
            Self::Url { url, token } => {
                f.debug_struct("Url").field("url", &public_url(url)).field("token", token).finish()
            }
            Self::V1 { server, database, retention_policy, username, password, credentials } => f
                .debug_struct("V1")
                .field("server", &public_url(server))
                .field("database", database)
                .field("retention_policy", retention_policy)
                .field("username", &username.as_deref().map(public_name))
                .field("password", password)
                .field("credentials", credentials)
                .finish(),
            Self::V2 { server, org, bucket, token } => f
                .debug_struct("V2")
                .field("server", &public_url(server))
                .field("org", org)
                .field("bucket", bucket)
                .field("token", token)
                .finish(),
            Self::V3 { server, database, token, no_sync, accept_partial } => f
                .debug_struct("V3")
                .field("server", &public_url(server))
                .field("database", database)
                .field("token", token)
                .field("no_sync", no_sync)
                .field("accept_partial", accept_partial)
                .finish(),
        }
    }
}

/// A user name, unless it holds a colon: what follows is a password then, and the name is refused.
fn public_name(name: &str) -> &str {
    if name.contains(':') { "…" } else { name }
}

impl InfluxdbTarget {
    /// Whether it is posted to, over HTTP.
    pub(crate) const fn is_http(&self) -> bool {
        !matches!(self, Self::Udp { .. })
    }

    /// Whether it names a database that `CREATE DATABASE` creates.
    pub(crate) const fn can_create_database(&self) -> bool {
        matches!(self, Self::V1 { .. } | Self::Http { database: Some(_), .. })
    }

    /// Whether nothing is empty that must not be.
    #[cfg(feature = "action-json")]
    pub(crate) fn is_whole(&self) -> bool {
        self.check(Check(Exporter::Influxdb)).is_ok()
    }

    pub(super) fn check(&self, check: Check) -> Result<(), StartError> {
        match self {
            Self::Udp { host, port } | Self::Http { host, port, .. } => {
                check.host("target.host", host)?;
                check.port("target.port", *port)
            }
            Self::Url { url, .. } => check.not_empty("target.url", url),
            Self::V1 { server, database, retention_policy, .. } => {
                check.not_empty("target.server", server)?;
                check.not_empty("target.database", database)?;
                retention_policy.as_ref().map_or(Ok(()), |policy| check.not_empty("target.retention_policy", policy))
            }
            Self::V2 { server, org, bucket, .. } => {
                check.not_empty("target.server", server)?;
                check.not_empty("target.org", org)?;
                check.not_empty("target.bucket", bucket)
            }
            Self::V3 { server, database, .. } => {
                check.not_empty("target.server", server)?;
                check.not_empty("target.database", database)
            }
        }
    }
}
