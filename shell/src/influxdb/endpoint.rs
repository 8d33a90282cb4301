//! Where points are posted, for each API of InfluxDB.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use loaddensity_metrics_core::Exporter;
use loaddensity_metrics_core::influxdb::Precision;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::database::Creation;
use super::{bad, secrets};
use crate::config::{
    ClientTls, Credentials, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUrl, InfluxdbV1, InfluxdbV2,
    InfluxdbV3, Secret,
};
use crate::drivers::Destination;
use crate::error::StartError;
use crate::http_client::{Advice, RemoteServer, Secrets, read_url};
use crate::public_url::public_url;
use crate::tls::HttpVersion;

/// Where points are posted.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) server: RemoteServer,
    /// Path and query.
    pub(super) path: String,
    pub(super) authorization: Option<HeaderValue>,
    /// Whether bodies are compressed.
    pub(super) gzip: bool,
    /// What must not be shown of its answers.
    pub(super) secrets: Secrets,
    /// The request that creates its database, where that is wanted.
    pub(super) creation: Option<Creation>,
    /// What to do about its answers.
    pub(super) advice: Advice,
}

/// How points are sent.
pub(super) enum Transport {
    Udp { to: Destination },
    Http { endpoint: Box<Endpoint> },
}

impl Transport {
    /// The transport that `config` names.
    pub(super) fn of(config: &InfluxdbConfig) -> Result<Self, StartError> {
        let (precision, tls) = (config.precision, &config.tls);
        let ((server, path), authorization) = match &config.target {
            InfluxdbTarget::Udp(udp) => {
                // Refuses what only TLS can carry.
                RemoteServer::plain(Exporter::Influxdb, &udp.host, udp.port, tls)?;
                return Ok(Self::Udp { to: Destination::of_influxdb(udp, config) });
            }
            InfluxdbTarget::Http(InfluxdbHttp { host, port, database, username, password }) => {
                let query = Query::new().with_some("db", database.as_deref()).with("precision", precision.v1());
                let server = RemoteServer::plain(Exporter::Influxdb, host, *port, tls)?;
                let authorization = basic(username.as_deref(), password.as_ref())?;
                ((server, query.after("/write")), authorization)
            }
            InfluxdbTarget::Url(InfluxdbUrl { url, token }) => {
                let authorization = token.as_ref().map(|token| bearer("Token", token)).transpose()?;
                (read_url(Exporter::Influxdb, "target.url", url, tls, HttpVersion::Http1)?, authorization)
            }
            InfluxdbTarget::V1(InfluxdbV1 { server, username, password, credentials, .. }) => {
                let authorization = basic(username.as_deref(), password.as_ref())?;
                let authorization = authorization.filter(|_| *credentials == Credentials::Header);
                (at(server, tls, "/write", &v1_query(&config.target, precision))?, authorization)
            }
            InfluxdbTarget::V2(InfluxdbV2 { server, org, bucket, token }) => {
                let query = Query::new().with("org", org).with("bucket", bucket).with("precision", precision.v2());
                let authorization = token.as_ref().map(|token| bearer("Token", token)).transpose()?;
                (at(server, tls, "/api/v2/write", &query)?, authorization)
            }
            InfluxdbTarget::V3(InfluxdbV3 { server, database, token, no_sync, accept_partial }) => {
                let query = Query::new()
                    .with("db", database)
                    .with("precision", precision.v3())
                    .with("no_sync", if *no_sync { "true" } else { "false" })
                    .with("accept_partial", if *accept_partial { "true" } else { "false" });
                let authorization = token.as_ref().map(|token| bearer("Bearer", token)).transpose()?;
                (at(server, tls, "/api/v3/write_lp", &query)?, authorization)
            }
        };
        let server = server.through(config.proxy.as_ref(), HttpVersion::Http1);
        let mut secrets = secrets::of(&config.target, authorization.as_ref());
        server.hide(&mut secrets);
        let creation = config.create_database.then(|| creation(config, &path)).flatten();
        let has_credentials = authorization.is_some() || path.split(['?', '&']).any(|part| part.starts_with("p="));
        let advice = advice(&config.target, &public_url(&format!("{}{path}", server.origin())), has_credentials);
        let endpoint = Endpoint { server, path, authorization, gzip: config.gzip, secrets, creation, advice };
        Ok(Self::Http { endpoint: Box::new(endpoint) })
    }
}

/// The creation of the database of an InfluxDB 1 that is written to at `write`. Its query API is at the same place, and
/// takes the same credentials and the URL's own query.
fn creation(config: &InfluxdbConfig, write: &str) -> Option<Creation> {
    let (path, _) = write.split_once("/write?")?;
    match &config.target {
        InfluxdbTarget::Http(InfluxdbHttp { database: Some(database), .. }) => {
            Some(Creation::new(format!("{path}/query"), database))
        }
        InfluxdbTarget::V1(InfluxdbV1 { database, username, password, credentials, .. }) => {
            let query = Query::new().with_credentials(*credentials, username.as_deref(), password.as_ref());
            let own = v1_query(&config.target, config.precision).after(&format!("{path}/write"));
            let given = write.strip_prefix(&own).unwrap_or_default();
            let given = if query.0.is_empty() { given.replacen('&', "?", 1) } else { given.to_owned() };
            Some(Creation::new(query.after(&format!("{path}/query")) + &given, database))
        }
        _ => None,
    }
}

fn advice(target: &InfluxdbTarget, asked: &str, has_credentials: bool) -> Advice {
    let (credentials, database) = match target {
        InfluxdbTarget::Http(_) | InfluxdbTarget::V1(_) => {
            ("`username` and `password`", "create it (CREATE DATABASE), or set `create_database`")
        }
        InfluxdbTarget::V2(_) => ("`token`", "create it (influx bucket create), or check `org` and `bucket`"),
        InfluxdbTarget::V3(_) => ("`token`", "create it (influxdb3 create database), or check `database`"),
        InfluxdbTarget::Url(_) | InfluxdbTarget::Udp(_) => {
            ("`token`", "create it, or check the query in `url`; with \"api\": \"v1\" `create_database` does it")
        }
    };
    // Where Action-JSON's key differs from the field, both are named.
    let url = match target {
        InfluxdbTarget::Http(_) | InfluxdbTarget::Udp(_) => "`host` and `port`",
        InfluxdbTarget::Url(_) => "`url`",
        InfluxdbTarget::V1(_) | InfluxdbTarget::V2(_) | InfluxdbTarget::V3(_) => "`url` (field `target.server`)",
    };
    let is_http = matches!(target, InfluxdbTarget::Http(_));
    let check = if is_http { "does an InfluxDB 1 listen there?".into() } else { format!("check the path in {url}") };
    Advice {
        url,
        path: format!("nothing takes points at {}: {check}", asked.trim_end_matches("?…")),
        asked: asked.trim_end_matches("?…").into(),
        credentials,
        has_credentials,
        size: "`batch_bytes` (field `batch.bytes`)",
        database: database.into(),
        protocol: "the server does not take lines as they are sent: leave `gzip` out, or check for a proxy on the way",
        no_acceptance: if is_http {
            "nothing says that the points were stored: check `host` and `port`, something else may answer there"
        } else {
            "nothing says that the points were stored: check `url` (a doubled path, a proxy, a UI)"
        },
    }
}

fn v1_query(target: &InfluxdbTarget, precision: Precision) -> Query {
    let InfluxdbTarget::V1(InfluxdbV1 { database, retention_policy, username, password, credentials, .. }) = target
    else {
        return Query::new();
    };
    let query = Query::new()
        .with("db", database)
        .with_some("rp", retention_policy.as_deref())
        .with("precision", precision.v1());
    query.with_credentials(*credentials, username.as_deref(), password.as_ref())
}

/// Parameters that the sink's own settings say.
const OWN: [&str; 11] =
    ["accept_partial", "bucket", "db", "no_sync", "org", "orgID", "p", "precision", "rp", "sync", "u"];

/// A server's own URL, with `path` and `query` after its own path. Its own query is kept: a gateway may want a key there.
fn at(server: &str, tls: &ClientTls, path: &str, query: &Query) -> Result<(RemoteServer, String), StartError> {
    let (address, base) = read_url(Exporter::Influxdb, "target.server", server, tls, HttpVersion::Http1)?;
    let (base, given) = base.split_once('?').unwrap_or((&base, ""));
    if let Some(name) = given.split('&').filter_map(|pair| pair.split('=').next()).find(|name| OWN.contains(name)) {
        let expected =
            format!("its query must not say {name}, which has a setting of its own; {path}?… is put after it");
        return Err(bad("target.server", &public_url(server), &expected));
    }
    let mut whole = query.after(&format!("{}{path}", before_api(base, path)));
    if !given.is_empty() {
        whole += &format!("&{given}");
    }
    Ok((address, whole))
}

/// `base` without the beginning of `path` that it may end in: people give the write URL, or that of the API, for the
/// server's own.
fn before_api<'b>(base: &'b str, path: &str) -> &'b str {
    let base = base.trim_end_matches('/');
    let api = path.rsplit_once('/').map_or("", |(api, _)| api);
    let base = base.strip_suffix(path).or_else(|| base.strip_suffix(api)).unwrap_or(base);
    base.trim_end_matches('/')
}

/// A query whose values are percent-encoded.
struct Query(String);

impl Query {
    const fn new() -> Self {
        Self(String::new())
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        let mark = if self.0.is_empty() { '?' } else { '&' };
        self.0 += &format!("{mark}{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        self
    }

    fn with_some(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// User and password, where they are sent in the query.
    fn with_credentials(self, sent: Credentials, username: Option<&str>, password: Option<&Secret>) -> Self {
        match sent {
            Credentials::Header => self,
            Credentials::Query => self.with_some("u", username).with_some("p", password.map(Secret::reveal)),
        }
    }

    fn after(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

/// Basic authentication (RFC 7617).
fn basic(username: Option<&str>, password: Option<&Secret>) -> Result<Option<HeaderValue>, StartError> {
    let Some(username) = username else {
        return match password {
            None => Ok(None),
            Some(_) => Err(bad("target.username", "", "a password was given without it; give both or none")),
        };
    };
    if username.contains(':') {
        // What follows the colon is most likely the password.
        return Err(bad("target.username", "…", "it must not hold a `:`, which ends it in HTTP authentication"));
    }
    let both = format!("{username}:{}", password.map_or("", Secret::reveal));
    secret_header("target.password", &format!("Basic {}", STANDARD.encode(both))).map(Some)
}

/// A token under the scheme that its API knows: `Token` is InfluxDB's own, `Bearer` that of RFC 6750.
fn bearer(scheme: &str, token: &Secret) -> Result<HeaderValue, StartError> {
    secret_header("target.token", &format!("{scheme} {}", token.reveal()))
}

fn secret_header(field: &'static str, text: &str) -> Result<HeaderValue, StartError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| bad(field, "…", "it must hold printable characters only, for instance no newline"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(config: &InfluxdbConfig) -> Result<Endpoint, StartError> {
        match Transport::of(config)? {
            Transport::Http { endpoint, .. } => Ok(*endpoint),
            Transport::Udp { to } => panic!("{to} is no HTTP server"),
        }
    }

    fn path(target: InfluxdbTarget, precision: Precision) -> String {
        endpoint(&InfluxdbConfig { target, precision, ..InfluxdbConfig::default() }).expect("good settings").path
    }

    fn http(database: Option<&str>) -> InfluxdbTarget {
        let database = database.map(Into::into);
        InfluxdbTarget::Http(InfluxdbHttp { host: "h".into(), port: 1, database, username: None, password: None })
    }

    fn v1(credentials: Credentials) -> InfluxdbTarget {
        InfluxdbTarget::V1(InfluxdbV1 {
            server: "http://h:1/base/".into(),
            database: "my db".into(),
            retention_policy: Some("a&b".into()),
            username: Some("root".into()),
            password: Some(Secret::new("a b&c")),
            credentials,
        })
    }

    #[test]
    fn each_precision_has_the_name_that_its_api_knows() {
        let v2 = || {
            InfluxdbTarget::V2(InfluxdbV2 {
                server: "http://h".into(),
                org: "o".into(),
                bucket: "b".into(),
                token: None,
            })
        };
        let v3 = || {
            InfluxdbTarget::V3(InfluxdbV3 {
                server: "http://h".into(),
                database: "d".into(),
                token: None,
                no_sync: true,
                accept_partial: false,
            })
        };
        for (precision, one, two, three) in [
            (Precision::Nanosecond, "ns", "ns", "nanosecond"),
            (Precision::Microsecond, "u", "us", "microsecond"),
            (Precision::Millisecond, "ms", "ms", "millisecond"),
            (Precision::Second, "s", "s", "second"),
        ] {
            assert_eq!(path(http(None), precision), format!("/write?precision={one}"));
            let expected = format!("/base/write?db=my%20db&rp=a%26b&precision={one}");
            assert_eq!(path(v1(Credentials::Header), precision), expected);
            assert_eq!(path(v2(), precision), format!("/api/v2/write?org=o&bucket=b&precision={two}"));
            let expected = format!("/api/v3/write_lp?db=d&precision={three}&no_sync=true&accept_partial=false");
            assert_eq!(path(v3(), precision), expected);
        }
    }

    #[test]
    fn the_database_is_escaped() {
        let path = path(http(Some("my db&x=ü")), Precision::Nanosecond);
        assert_eq!(path, "/write?db=my%20db%26x%3D%C3%BC&precision=ns");
    }

    #[test]
    fn credentials_are_in_the_header_or_in_the_query_and_never_in_both() {
        let told = |credentials| {
            endpoint(&InfluxdbConfig { target: v1(credentials), ..InfluxdbConfig::default() }).expect("good settings")
        };
        let header = told(Credentials::Header);
        assert!(header.authorization.is_some() && !header.path.contains("u="), "{}", header.path);
        let query = told(Credentials::Query);
        assert!(query.authorization.is_none() && query.path.ends_with("&u=root&p=a%20b%26c"), "{}", query.path);
        assert_eq!(query.secrets.excerpt(b"no user root with a%20b%26c or a b&c"), "no user root with … or …");
    }

    /// The server as it is given, and the path that points go to, without the query that the sink adds.
    #[test]
    fn the_url_of_a_server_may_be_written_in_the_usual_ways() {
        let two = |server: &str| {
            InfluxdbTarget::V2(InfluxdbV2 { server: server.into(), org: "o".into(), bucket: "b".into(), token: None })
        };
        let three = |server: &str| {
            InfluxdbTarget::V3(InfluxdbV3 {
                server: server.into(),
                database: "d".into(),
                token: None,
                no_sync: false,
                accept_partial: true,
            })
        };
        let one = |server: &str| {
            let mut target = v1(Credentials::Header);
            if let InfluxdbTarget::V1(InfluxdbV1 { server: own, .. }) = &mut target {
                *own = server.into();
            }
            target
        };
        for (target, sent) in [
            (two("http://h"), "/api/v2/write?"),
            (two("http://h/"), "/api/v2/write?"),
            (two("http://h//"), "/api/v2/write?"),
            (two("http://h/influx/"), "/influx/api/v2/write?"),
            (two("http://h/api"), "/api/api/v2/write?"),
            (two("http://h/api/v2"), "/api/v2/write?"),
            (two("http://h/api/v2/"), "/api/v2/write?"),
            (two("http://h/api/v2/write"), "/api/v2/write?"),
            (two("http://h/influx/api/v2/write/"), "/influx/api/v2/write?"),
            (two("http://h/api/v3"), "/api/v3/api/v2/write?"),
            (three("http://h/api/v3/write_lp"), "/api/v3/write_lp?"),
            (three("http://h/api/v3"), "/api/v3/write_lp?"),
            (one("http://h/write"), "/write?"),
            (one("http://h/write/"), "/write?"),
            (one("http://h/overwrite"), "/overwrite/write?"),
            (one("http://h/a%2Fb"), "/a%2Fb/write?"),
        ] {
            let path = path(target, Precision::Nanosecond);
            assert!(path.starts_with(sent), "{path} is not {sent}…");
        }
        let path = path(two("http://h/gate?api-key=k%3D1&x"), Precision::Nanosecond);
        assert_eq!(path, "/gate/api/v2/write?org=o&bucket=b&precision=ns&api-key=k%3D1&x");
    }

    #[test]
    fn a_database_is_created_at_the_server_that_points_are_written_to() {
        let created = |target, create_database| {
            let config = InfluxdbConfig { target, create_database, ..InfluxdbConfig::default() };
            endpoint(&config).expect("good settings").creation.map(|creation| creation.path)
        };
        assert_eq!(created(http(Some("d")), true).as_deref(), Some("/query"));
        assert_eq!(created(v1(Credentials::Header), true).as_deref(), Some("/base/query"));
        assert_eq!(created(v1(Credentials::Query), true).as_deref(), Some("/base/query?u=root&p=a%20b%26c"));
        assert_eq!(created(http(Some("d")), false), None);
        for (credentials, path) in [
            (Credentials::Header, "/base/query?key=k%3D1&x"),
            (Credentials::Query, "/base/query?u=root&p=a%20b%26c&key=k%3D1&x"),
        ] {
            let mut target = v1(credentials);
            if let InfluxdbTarget::V1(InfluxdbV1 { server, .. }) = &mut target {
                *server += "?key=k%3D1&x";
            }
            assert_eq!(created(target, true).as_deref(), Some(path));
        }
    }

    #[test]
    fn a_query_may_not_repeat_what_the_settings_say() {
        let mut config = InfluxdbConfig { target: v1(Credentials::Header), ..InfluxdbConfig::default() };
        if let InfluxdbTarget::V1(InfluxdbV1 { server, .. }) = &mut config.target {
            *server = "http://h:1/write?key=1&p=secret".into();
        }
        let error = endpoint(&config).err().expect("a query").to_string();
        assert!(
            error.contains("`target.server`") && error.contains("must not say p,") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn credentials_become_headers_and_stay_secret() {
        // The example of RFC 7617, section 2.
        let header = basic(Some("Aladdin"), Some(&Secret::new("open sesame"))).expect("fits").expect("given");
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(header.is_sensitive() && !format!("{header:?}").contains("QWxh"));
        assert_eq!(bearer("Token", &Secret::new("t0k")).expect("fits"), "Token t0k");
        assert!(basic(None, None).expect("fits").is_none());
        for error in [
            bearer("Bearer", &Secret::new("secret\n")).expect_err("a newline"),
            basic(None, Some(&Secret::new("secret"))).expect_err("no username"),
            basic(Some("root:secret"), None).expect_err("a colon"),
        ] {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
