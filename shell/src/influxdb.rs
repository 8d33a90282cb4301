//! The InfluxDB sink: one point per request, as lines over UDP or as bodies of `POST /write`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use loaddensity_metrics_core::influxdb::LineEncoder;
use loaddensity_metrics_core::{Exporter, Registry};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::{InfluxdbConfig, InfluxdbTarget, Secret};
use crate::error::StartError;
use crate::http_client::{Secrets, Server, read_url};
use crate::running::{Prepared, resolve};
use crate::runtime::Runtime;
use crate::udp::{self, Target};

mod batch;
mod post;
mod secrets;
mod write;

/// The port of `http` where a URL names none (RFC 9110, 4.2.1).
const HTTP_PORT: u16 = 80;

/// Judges the settings, and finds the host.
pub(crate) async fn prepare<R: Runtime>(
    runtime: &R,
    registry: Registry<'static>,
    config: &InfluxdbConfig,
) -> Result<Prepared<R>, StartError> {
    let encoder = LineEncoder::new(registry, &config.measurement)
        .map_err(|error| bad("measurement", &config.measurement, &error.to_string()))?;
    let (key, endpoint) = match &config.target {
        InfluxdbTarget::Udp { host, port } => {
            return udp::prepare(runtime, datagrams(config, host, *port), encoder).await;
        }
        InfluxdbTarget::Http { host, port, database, username, password } => {
            let server = Server { host: host.clone(), port: *port };
            let authorization = basic(username.as_deref(), password.as_ref())?;
            let secrets = secrets::of(&config.target, authorization.as_ref());
            ("host", Endpoint { server, path: write_path(database.as_deref()), authorization, secrets })
        }
        InfluxdbTarget::Url { url, token } => {
            let (server, path) = read_url(Exporter::Influxdb, "url", url, HTTP_PORT)?;
            let authorization = token.as_ref().map(bearer).transpose()?;
            let secrets = secrets::of(&config.target, authorization.as_ref());
            ("url", Endpoint { server, path, authorization, secrets })
        }
    };
    let Server { host, port } = &endpoint.server;
    // The backend need not be there yet, but its name must mean something.
    resolve(runtime, Exporter::Influxdb, key, host, *port).await?;
    let config = config.clone();
    Ok(Prepared::new(move |place| write::start(place, endpoint, encoder, &config)))
}

fn datagrams<'a>(config: &InfluxdbConfig, host: &'a str, port: u16) -> Target<'a> {
    Target {
        exporter: Exporter::Influxdb,
        host,
        port,
        datagram_bytes: config.datagram_bytes,
        items: usize::MAX,
        buffer_events: config.buffer_events,
    }
}

/// Where points are posted.
struct Endpoint {
    server: Server,
    /// Path and query.
    path: String,
    authorization: Option<HeaderValue>,
    /// What the server is not to be quoted with.
    secrets: Secrets,
}

fn write_path(database: Option<&str>) -> String {
    match database {
        None => "/write?precision=ns".into(),
        Some(database) => format!("/write?db={}&precision=ns", utf8_percent_encode(database, NON_ALPHANUMERIC)),
    }
}

/// Basic authentication (RFC 7617).
fn basic(username: Option<&str>, password: Option<&Secret>) -> Result<Option<HeaderValue>, StartError> {
    let Some(username) = username else {
        return match password {
            None => Ok(None),
            Some(_) => Err(bad("username", "", "a password was given without it; give both or none")),
        };
    };
    if username.contains(':') {
        // What follows the colon is most likely the password.
        return Err(bad("username", "…", "it must not hold a `:`, which ends it in HTTP authentication"));
    }
    let both = format!("{username}:{}", password.map_or("", Secret::reveal));
    secret_header("password", &format!("Basic {}", STANDARD.encode(both))).map(Some)
}

/// InfluxDB's own scheme for tokens.
fn bearer(token: &Secret) -> Result<HeaderValue, StartError> {
    secret_header("token", &format!("Token {}", token.reveal()))
}

fn secret_header(key: &'static str, text: &str) -> Result<HeaderValue, StartError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| bad(key, "…", "it must hold printable characters only, for instance no newline"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn bad(key: &'static str, value: &str, expected: &str) -> StartError {
    StartError::Setting { exporter: Exporter::Influxdb, key, value: value.into(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_escaped() {
        assert_eq!(write_path(Some("my db&x=ü")), "/write?db=my%20db%26x%3D%C3%BC&precision=ns");
        assert_eq!(write_path(None), "/write?precision=ns");
    }

    #[test]
    fn credentials_become_headers_and_stay_secret() {
        // The example of RFC 7617, section 2.
        let header = basic(Some("Aladdin"), Some(&Secret::new("open sesame"))).expect("fits").expect("given");
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(header.is_sensitive());
        assert_eq!(bearer(&Secret::new("t0k")).expect("fits"), "Token t0k");
        assert!(basic(None, None).expect("fits").is_none());
        for error in [
            bearer(&Secret::new("secret\n")).expect_err("a newline"),
            basic(None, Some(&Secret::new("secret"))).expect_err("no username"),
            basic(Some("root:secret"), None).expect_err("a colon"),
        ] {
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
