//! Where `LD_start_influxdb_sink` says that points are sent to.

use serde_json::Value;

use crate::actions::arguments::ArgumentReader;
use crate::actions::command::values::{host, misplaced, port, url};
use crate::actions::error::ActionError;
use crate::config::{
    Credentials, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUdp, InfluxdbUrl, InfluxdbV1, InfluxdbV2,
    InfluxdbV3, Secret,
};
use crate::environment::{Environment, EnvironmentError};
use crate::host_port::host_port;

/// What only one of the APIs knows.
const V1: [&str; 4] = ["retention_policy", "username", "password", "credentials"];
const V2: [&str; 2] = ["org", "bucket"];
const V3: [&str; 2] = ["no_sync", "accept_partial"];
/// Whatever says where points go.
const ALL: [&str; 15] = [
    "transport",
    "api",
    "host",
    "port",
    "url",
    "token",
    "database",
    "username",
    "password",
    "retention_policy",
    "credentials",
    "org",
    "bucket",
    "no_sync",
    "accept_partial",
];

/// Which write API is spoken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Api {
    V1,
    V2,
    V3,
}

impl Api {
    /// The port that it listens on by default.
    const fn port(self) -> u16 {
        match self {
            Self::V1 | Self::V2 => 8_086,
            Self::V3 => 8_181,
        }
    }

    /// What the environment says of it, or else its defaults.
    fn base(self, environment: &Environment) -> Result<InfluxdbTarget, EnvironmentError> {
        let read = match self {
            Self::V1 => InfluxdbTarget::v1_of,
            Self::V2 => InfluxdbTarget::v2_of,
            Self::V3 => InfluxdbTarget::v3_of,
        };
        let said = read(environment)?;
        Ok(if said == read(&Environment::default())? { self.target() } else { said })
    }

    /// The target before anything is given.
    fn target(self) -> InfluxdbTarget {
        let server = format!("http://127.0.0.1:{}", self.port());
        let none = String::new();
        match self {
            Self::V1 => InfluxdbTarget::V1(InfluxdbV1 {
                server,
                database: none,
                retention_policy: None,
                username: None,
                password: None,
                credentials: Credentials::default(),
            }),
            Self::V2 => InfluxdbTarget::V2(InfluxdbV2 { server, org: none.clone(), bucket: none, token: None }),
            Self::V3 => InfluxdbTarget::V3(InfluxdbV3 {
                server,
                database: none,
                token: None,
                no_sync: false,
                accept_partial: true,
            }),
        }
    }
}

/// The target that an action gives. What it leaves out is as `environment` says of the same API; all of it where the action
/// says nothing of a target. Where the action gives a complete target, the environment is not read.
pub(super) fn read(reader: ArgumentReader<'_>, environment: &Environment) -> Result<InfluxdbTarget, ActionError> {
    if ALL.iter().all(|key| reader.value(key).is_none()) {
        return reader.environment(InfluxdbConfig::from_env(environment)).map(|config| config.target);
    }
    let is_http = reader.read("transport", "\"udp\" or \"http\"", |value| match lower(value)?.as_str() {
        "udp" => Some(false),
        "http" => Some(true),
        _ => None,
    })?;
    let api = reader.read("api", "\"v1\", \"v2\" or \"v3\"", |value| match lower(value)?.as_str() {
        "v1" => Some(Api::V1),
        "v2" => Some(Api::V2),
        "v3" => Some(Api::V3),
        _ => None,
    })?;
    are_readable(reader)?;
    match (is_http, api) {
        (Some(true), None) => contract(reader),
        (Some(true) | None, Some(api)) => of_api(reader, api, reader.environment(api.base(environment))?),
        (Some(false), _) => udp(reader),
        (None, None) => of_environment(reader, environment),
    }
}

/// What an action gives that names neither a transport nor an API: the rest of what the environment names. Where the
/// two do not make a complete target, only the action counts.
fn of_environment(reader: ArgumentReader<'_>, environment: &Environment) -> Result<InfluxdbTarget, ActionError> {
    let base = reader.environment(InfluxdbTarget::of_environment(environment))?;
    let Some(api) = api_of(&base) else { return udp(reader) };
    let target = of_api(reader, api, base)?;
    if target.is_whole() { Ok(target) } else { udp(reader) }
}

/// A value of the wrong type is reported before a parameter in the wrong place.
fn are_readable(reader: ArgumentReader<'_>) -> Result<(), ActionError> {
    let texts = ["token", "database", "username", "password", "retention_policy", "org", "bucket"];
    texts.iter().try_for_each(|key| reader.text(key).map(|_| ()))?;
    V3.iter().try_for_each(|key| flag(reader, key).map(|_| ()))?;
    host(reader, "host")?;
    port(reader, 1)?;
    url(reader, "url")?;
    how_sent(reader).map(|_| ())
}

fn udp(reader: ArgumentReader<'_>) -> Result<InfluxdbTarget, ActionError> {
    let reason = "has no meaning over UDP; say \"transport\": \"http\" with it";
    misplaced(reader, &["api", "url", "token", "database"], reason)?;
    misplaced(reader, &[&V1[..], &V2, &V3].concat(), reason)?;
    let (host, port) = (host(reader, "host")?, port(reader, 1)?);
    Ok(InfluxdbUdp::new(host.unwrap_or_else(|| "127.0.0.1".into()), port.unwrap_or(8_089)).into())
}

/// LoadDensity's own parameters: `/write` of InfluxDB 1 at a host and a port, or a complete URL.
fn contract(reader: ArgumentReader<'_>) -> Result<InfluxdbTarget, ActionError> {
    let (token, password) = (secret(reader, "token")?, secret(reader, "password")?);
    let (database, username) = (text(reader, "database")?, text(reader, "username")?);
    let (host, port) = (host(reader, "host")?, port(reader, 1)?);
    let reason = "needs \"api\": \"v1\", \"v2\" or \"v3\" beside it";
    misplaced(reader, &[&["retention_policy", "credentials"][..], &V2, &V3].concat(), reason)?;
    if let Some(url) = url(reader, "url")? {
        let reason = "cannot be given beside url, which is complete in itself; leave one of them out";
        misplaced(reader, &["database", "username", "password"], reason)?;
        beside_url(reader, host.as_deref(), port, reason)?;
        return Ok(InfluxdbTarget::Url(InfluxdbUrl { url, token }));
    }
    misplaced(reader, &["token"], "goes with url only; database, username and password go with host and port")?;
    if username.is_none() {
        misplaced(reader, &["password"], "needs username beside it")?;
    }
    let host = host.unwrap_or_else(|| "127.0.0.1".into());
    Ok(InfluxdbTarget::Http(InfluxdbHttp { host, port: port.unwrap_or(8_086), database, username, password }))
}

/// LoadDensity does not look at host and port where there is a URL. By position the URL comes after them, so they must be
/// filled in. They are accepted where they are the defaults, and by position whatever they are.
fn beside_url(
    reader: ArgumentReader<'_>,
    host: Option<&str>,
    port: Option<u16>,
    reason: &str,
) -> Result<(), ActionError> {
    let is_usual_host = host.is_none_or(|host| matches!(host, "127.0.0.1" | "localhost"));
    let is_usual_port = port.is_none_or(|port| matches!(port, 8_086 | 8_089));
    if reader.is_positional() && !(is_usual_host && is_usual_port) {
        tracing::warn!("InfluxDB is written to at the url that is given; host and port in front of it mean nothing");
        return Ok(());
    }
    let usual = [("host", is_usual_host), ("port", is_usual_port)];
    usual.iter().filter(|(_, is_usual)| !is_usual).try_for_each(|(key, _)| misplaced(reader, &[key], reason))
}

fn of_api(reader: ArgumentReader<'_>, api: Api, mut target: InfluxdbTarget) -> Result<InfluxdbTarget, ActionError> {
    match &mut target {
        InfluxdbTarget::V1(InfluxdbV1 { server, database, retention_policy, username, password, credentials }) => {
            misplaced(reader, &["token"], "is for api v2 and v3; api v1 takes username and password")?;
            misplaced(reader, &V2, "is for api v2; api v1 takes database and retention_policy")?;
            misplaced(reader, &V3, "is for api v3; leave it out")?;
            set(server, server_url(reader, api)?);
            set(database, text(reader, "database")?);
            set(credentials, how_sent(reader)?);
            *retention_policy = text(reader, "retention_policy")?.or_else(|| retention_policy.take());
            *username = text(reader, "username")?.or_else(|| username.take());
            *password = secret(reader, "password")?.or_else(|| password.take());
            if username.is_none() {
                misplaced(reader, &["password"], "needs username beside it")?;
            }
        }
        InfluxdbTarget::V2(InfluxdbV2 { server, org, bucket, token }) => {
            misplaced(reader, &V1, "is for api v1; api v2 takes org, bucket and token")?;
            misplaced(reader, &["database"], "is for api v1 and v3; api v2 takes org and bucket")?;
            misplaced(reader, &V3, "is for api v3; leave it out")?;
            set(server, server_url(reader, api)?);
            set(org, text(reader, "org")?);
            set(bucket, text(reader, "bucket")?);
            *token = secret(reader, "token")?.or_else(|| token.take());
        }
        InfluxdbTarget::V3(InfluxdbV3 { server, database, token, no_sync, accept_partial }) => {
            misplaced(reader, &V1, "is for api v1; api v3 takes database and token")?;
            misplaced(reader, &V2, "is for api v2; api v3 takes database")?;
            set(server, server_url(reader, api)?);
            set(database, text(reader, "database")?);
            set(no_sync, flag(reader, "no_sync")?);
            set(accept_partial, flag(reader, "accept_partial")?);
            *token = secret(reader, "token")?.or_else(|| token.take());
        }
        // These are of no API that has a name.
        InfluxdbTarget::Udp(_) | InfluxdbTarget::Http(_) | InfluxdbTarget::Url(_) => {}
    }
    Ok(target)
}

/// The server's own URL, given or of host and port.
fn server_url(reader: ArgumentReader<'_>, api: Api) -> Result<Option<String>, ActionError> {
    if let Some(url) = url(reader, "url")? {
        let reason = "cannot be given beside url, which names the server; leave one of them out";
        misplaced(reader, &["host", "port"], reason)?;
        return Ok(Some(url));
    }
    let (host, port) = (host(reader, "host")?, port(reader, 1)?);
    if host.is_none() && port.is_none() {
        return Ok(None);
    }
    let host = host.unwrap_or_else(|| "127.0.0.1".into());
    Ok(Some(format!("http://{}", host_port(&host, port.unwrap_or_else(|| api.port())))))
}

fn how_sent(reader: ArgumentReader<'_>) -> Result<Option<Credentials>, ActionError> {
    reader.read("credentials", "\"header\" or \"query\"", |value| match lower(value)?.as_str() {
        "header" => Some(Credentials::Header),
        "query" => Some(Credentials::Query),
        _ => None,
    })
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

const fn api_of(target: &InfluxdbTarget) -> Option<Api> {
    match target {
        InfluxdbTarget::V1(_) => Some(Api::V1),
        InfluxdbTarget::V2(_) => Some(Api::V2),
        InfluxdbTarget::V3(_) => Some(Api::V3),
        InfluxdbTarget::Udp(_) | InfluxdbTarget::Http(_) | InfluxdbTarget::Url(_) => None,
    }
}

fn text(reader: ArgumentReader<'_>, key: &str) -> Result<Option<String>, ActionError> {
    Ok(reader.text(key)?.map(str::to_owned))
}

fn secret(reader: ArgumentReader<'_>, key: &str) -> Result<Option<Secret>, ActionError> {
    Ok(reader.text(key)?.map(Secret::new))
}

fn flag(reader: ArgumentReader<'_>, key: &str) -> Result<Option<bool>, ActionError> {
    reader.flag(key)
}

fn lower(value: &Value) -> Option<String> {
    value.as_str().map(str::to_ascii_lowercase)
}
