//! The HTTP client that InfluxDB and OpenTelemetry share: it does what it is told, and reports the outcome.
//!
//! Exporters use [`HttpClient`]; an [`HttpBackend`] says how requests to a backend are made and what its answers mean. They
//! build on one [`HttpConnection`], the [`RemoteServer`] that it leads to, a body that notes when it begins to go out,
//! and texts for people, without secrets.

use std::io;
use std::net::SocketAddr;

use hyper::Request;
use hyper::header::{HOST, PROXY_AUTHORIZATION};
use hyper::http::request::Builder;
use loaddensity_metrics_core::Exporter;

use crate::boxed::BoxedFuture;
use crate::byte_budget::{BudgetedStream, ByteBudget};
use crate::config::{ClientTls, Proxy};
use crate::error::StartError;
use crate::host_port::host_port;
use crate::network_errors;
use crate::runtime::Runtime;
use crate::tls::{Connector, HttpVersion, MaybeTlsStream};

mod advice;
mod backend;
mod body;
mod client;
mod connection;
mod excerpt;
mod outgoing;
mod proxy;
mod secrets;
mod stream_notes;
mod url;

pub(crate) use advice::Advice;
pub(crate) use backend::{Encoding, Exchanged, HttpBackend, ServerAnswer};
#[cfg(feature = "http2")]
pub(crate) use body::{ANSWER_BYTES, decoded};
pub(crate) use body::{ReadBody, read};
pub(crate) use client::{ClientEvent, HttpClient};
pub(crate) use connection::HttpConnection;
pub(crate) use outgoing::{OutgoingBody, SendState, TrackedBody};
use proxy::Via;
pub(crate) use secrets::Secrets;
pub(crate) use url::read_url;

/// What requests call themselves.
pub(crate) const USER_AGENT: &str = concat!("loaddensity-metrics/", env!("CARGO_PKG_VERSION"));

/// The ports of `http` and `https` where a URL names none (RFC 9110, 4.2.1 and 4.2.2).
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// A server that requests go to.
#[derive(Clone)]
pub(crate) struct RemoteServer {
    /// Name or address, without brackets; an IPv6 address may have a zone, `fe80::1%eth0`.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// How TLS is done, for `https`.
    tls: Option<Connector>,
    /// The proxy on the way to it.
    via: Option<Box<Via>>,
}

impl RemoteServer {
    /// One without TLS, for which `tls` must then ask nothing.
    pub(crate) fn plain(exporter: Exporter, host: &str, port: u16, tls: &ClientTls) -> Result<Self, StartError> {
        match tls.first_file() {
            None => Ok(Self { host: without_brackets(host).into(), port, tls: None, via: None }),
            Some(_) if !cfg!(feature = "tls") => Err(StartError::BuiltWithout { feature: "tls" }),
            Some((field, path)) => {
                let value = path.display().to_string();
                let expected = "it needs TLS; give an https:// URL with it, or leave it out".into();
                Err(StartError::Setting { exporter, field, value, expected })
            }
        }
    }

    /// The same server, reached as `proxy` says: with HTTP/1.1 and without TLS the proxy reads the requests, everything
    /// else goes through a tunnel.
    pub(crate) fn through(mut self, proxy: Option<&Proxy>, carried: HttpVersion) -> Self {
        let server = proxy.and_then(|proxy| proxy.of(self.tls.is_some(), &self.host, self.port));
        self.via = server.map(|server| Box::new(Via::new(server, self.tls.is_some() || carried == HttpVersion::Http2)));
        self
    }

    /// The host and the port that are connected to.
    fn first_hop(&self) -> (&str, u16) {
        match &self.via {
            None => (&self.host, self.port),
            Some(via) => (&via.proxy.host, via.proxy.port),
        }
    }

    /// Adds what a proxy is told and nobody else may see.
    pub(crate) fn hide(&self, secrets: &mut Secrets) {
        self.via.iter().for_each(|via| via.hide(secrets));
    }

    /// A `POST` of HTTP/1.1 to this path and query: request target, `Host`, and what a proxy on the way wants to know.
    pub(crate) fn post(&self, path: &str) -> Builder {
        let read_by_proxy = self.via.as_ref().filter(|via| !via.is_tunnel);
        let request = match read_by_proxy {
            None => Request::post(path),
            Some(_) => Request::post(format!("{}{path}", self.origin())),
        };
        let request = request.header(HOST, self.authority());
        match read_by_proxy.and_then(|via| via.authorization.clone()) {
            None => request,
            Some(authorization) => request.header(PROXY_AUTHORIZATION, authorization),
        }
    }

    /// What an answer `says`, with the proxy that may have said it.
    pub(crate) fn told(&self, says: String) -> String {
        match self.via.as_ref().filter(|via| !via.is_tunnel && !says.is_empty()) {
            None => says,
            Some(via) => format!("{says} (by way of the proxy {})", via.proxy.url()),
        }
    }

    /// `http://host[:port]` or `https://host[:port]`, without the port that the scheme implies.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.authority())
    }

    /// `host[:port]`, as a `Host` header and a URL have it: without the port that the scheme implies (RFC 9110, 4.2.3 and
    /// 7.2), and without the zone of an IPv6 address, which means nothing at the other end (RFC 6874, 3).
    pub(crate) fn authority(&self) -> String {
        let implied = if self.tls.is_some() { HTTPS_PORT } else { HTTP_PORT };
        let whole = host_port(without_zone(&self.host), self.port);
        if self.port == implied { whole[..whole.len() - format!(":{implied}").len()].to_owned() } else { whole }
    }

    /// The addresses of the first hop; one or more.
    pub(crate) async fn resolve<R: Runtime>(&self, runtime: &R) -> io::Result<Vec<SocketAddr>> {
        let (host, port) = self.first_hop();
        let error = match runtime.resolve(host, port).await {
            Ok(addresses) if addresses.is_empty() => io::ErrorKind::AddrNotAvailable.into(),
            Ok(addresses) => return Ok(addresses),
            Err(error) => network_errors::no_address(host, &error),
        };
        Err(match &self.via {
            None => error,
            Some(via) => via.failed(&error),
        })
    }

    /// A connection through the first hop at `address`, with `budget`, ready to carry HTTP.
    pub(crate) async fn connect<R: Runtime>(
        &self,
        runtime: &R,
        address: SocketAddr,
        budget: &ByteBudget,
    ) -> io::Result<MaybeTlsStream> {
        match (runtime.tcp_connect(address).await, &self.via) {
            (Ok(stream), _) => self.go_on(budget.on(stream)).await,
            (Err(error), Some(via)) => Err(via.failed(&error)),
            (Err(error), None) => Err(error),
        }
    }

    /// From the first hop on: through it, if it is a proxy, and to TLS.
    fn go_on(&self, mut stream: BudgetedStream) -> BoxedFuture<'_, io::Result<MaybeTlsStream>> {
        Box::pin(async move {
            if let Some(via) = &self.via {
                via.go_through(&mut stream, &host_port(without_zone(&self.host), self.port)).await?;
            }
            match &self.tls {
                None => Ok(MaybeTlsStream::Plain(stream)),
                Some(tls) => tls.connect(without_zone(&self.host), stream).await,
            }
        })
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn without_zone(host: &str) -> &str {
    host.split('%').next().unwrap_or_default()
}

/// An error with all its causes in one line: hyper's own text leaves out what the operating system said.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
