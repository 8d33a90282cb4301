//! OTLP over TLS, with servers that use rustls directly.

use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{ClientTls, Exporters, OpenTelemetryConfig};

use super::certificates::Authority;
use super::http_server::{self, HttpServer};
use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::otlp_receiver::{OtlpReply, OtlpTestServer};

/// OTLP over HTTP/1.1, with a certificate if the server asks for one.
pub fn exports_go_over_tls<R: Runtime>() {
    let authority = Authority::new();
    let certificate = authority.certify(&["localhost"], false);
    for asks in [false, true] {
        let tls = authority.server(&certificate, asks, b"http/1.1");
        let server = HttpServer::start_with(Some(tls), |_, _| http_server::HttpReply::Status(200));
        let config = OpenTelemetryConfig::http()
            .endpoint(format!("https://localhost:{}", server.address.port()))
            .tls(client(&authority, asks));
        all_is_sent::<R>(config);
        let posts = server.posts();
        assert!(!posts.is_empty() && posts.iter().all(|post| post.line == "POST /v1/metrics HTTP/1.1"));
    }
}

/// OTLP over gRPC to a server that accepts only HTTP/2, with a certificate if the server asks for one.
pub fn calls_go_over_tls<R: Runtime>() {
    let authority = Authority::new();
    let certificate = authority.certify(&["localhost", "127.0.0.1"], false);
    for (host, asks) in [("localhost", false), ("localhost", true), ("127.0.0.1", true)] {
        let tls = authority.server(&certificate, asks, b"h2");
        let receiver = OtlpTestServer::start_with::<R>(Some(tls), |_| OtlpReply::Accept);
        let config = OpenTelemetryConfig::default()
            .endpoint(format!("https://{host}:{}", receiver.address.port()))
            .tls(client(&authority, asks));
        all_is_sent::<R>(config);
        let exports = receiver.exports();
        assert!(!exports.is_empty() && exports.iter().all(|export| export.scheme == "https"));
    }
}

/// Servers whose certificate is of another authority, for another name or expired, a server of another protocol, and
/// one that gets no client certificate: the status says so, and what was recorded counts as lost.
pub fn exports_to_servers_without_a_good_certificate_are_lost<R: Runtime>() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (good, elsewhere) = (authority.certify(&["localhost"], false), authority.certify(&["elsewhere"], false));
    let expired = authority.certify(&["localhost"], true);
    let plain = |by: &Authority| client(by, false);
    for (certificate, asks, tls, says) in [
        (&good, false, plain(&other), "is not trusted: give its CA with ca_file"),
        (&elsewhere, false, plain(&authority), "is not for localhost"),
        (&expired, false, plain(&authority), "has expired"),
        (&good, true, plain(&authority), "give client_certificate and client_key"),
        (&good, true, plain(&authority).identity(client(&other, true).identity), "does not accept"),
    ] {
        for (base, alpn) in
            [(OpenTelemetryConfig::default(), &b"h2"[..]), (OpenTelemetryConfig::http(), &b"http/1.1"[..])]
        {
            let server = authority.server(certificate, asks, alpn);
            let server = HttpServer::start_with(Some(server), |_, _| http_server::HttpReply::Status(200));
            let endpoint = format!("https://localhost:{}", server.address.port());
            all_is_lost::<R>(base.endpoint(endpoint).tls(tls.clone()), says);
            assert!(server.posts().is_empty(), "{says}");
        }
    }
    // A receiver of OTLP over HTTP that gets a gRPC call.
    let server = authority.server(&good, false, b"http/1.1");
    let server = HttpServer::start_with(Some(server), |_, _| http_server::HttpReply::Status(200));
    let endpoint = format!("https://localhost:{}", server.address.port());
    let config = OpenTelemetryConfig::default().endpoint(endpoint).tls(plain(&authority));
    all_is_lost::<R>(config, "the server speaks another protocol there");
}

/// Settings of a client that trusts `authority` and, if `has_identity`, shows a certificate of it.
fn client(authority: &Authority, has_identity: bool) -> ClientTls {
    let identity = has_identity.then(|| authority.identity(&authority.certify(&["worker"], false)));
    authority.trusted().identity(identity)
}

fn all_is_sent<R: Runtime>(config: OpenTelemetryConfig) {
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    assert!(exporters.status()[0].address.starts_with("https://"));
    engine.record(100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
}

/// Waits until the status says this, and asserts that nothing is sent and that all requests count as lost.
fn all_is_lost<R: Runtime>(config: OpenTelemetryConfig, says: &str) {
    let settings = settings(64).stop_deadline(Duration::from_millis(500));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let config = config.interval(Duration::from_millis(20));
    exporters.start_opentelemetry_exporter(config).expect("nobody needs to answer yet");
    TestEngine::new(settings.registry).record(100);
    wait_until(|| exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(says)));
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert_eq!((account.sent, account.dropped.total()), (0, 100), "{account:?}");
}
