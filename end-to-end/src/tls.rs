//! InfluxDB over TLS, with servers that use rustls directly, and what is refused at the start.

use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, ClientCertificate, ClientTls, Exporters, InfluxdbConfig, InfluxdbTarget, InfluxdbUrl,
    OpenTelemetryConfig, PrometheusConfig, Roots, ServerTls, StartError,
};

use super::certificates::Authority;
use super::http_server::{HttpReply, HttpServer};
use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};

/// Points arrive at a server whose certificate names the host or the address of the URL.
pub fn points_are_posted_over_tls<R: Runtime>() {
    let authority = Authority::new();
    let certificate = authority.certify(&["localhost", "127.0.0.1"], false);
    for host in ["localhost", "127.0.0.1"] {
        let tls = authority.server(&certificate, false, b"http/1.1");
        let server = HttpServer::start_with(Some(tls), |_, _| HttpReply::Status(204));
        let (exporters, mut engine) = exporters::<R>();
        exporters.start_influxdb_sink(to(host, server.address, authority.trusted())).expect("a sink");
        engine.record(1_000);
        assert!(exporters.status()[0].address.starts_with("https://"));
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 1_000);
        let posts = server.posts();
        assert_eq!(posts.iter().map(|post| post.body.lines().count()).sum::<usize>(), 1_000);
        assert!(posts.iter().all(|post| post.connection == 0), "the connection is kept");
    }
}

/// Mutual TLS: with a certificate everything is sent. Without one, or with one of another authority, nothing is sent,
/// and the status says what is missing.
pub fn a_server_that_asks_for_a_certificate_gets_it<R: Runtime>() {
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = authority.server(&authority.certify(&["localhost"], false), true, b"http/1.1");
    let server = HttpServer::start_with(Some(tls), |_, _| HttpReply::Status(204));
    let with = |by: &Authority, has_expired| {
        let identity = Some(by.identity(&by.certify(&["worker"], has_expired)));
        to("localhost", server.address, authority.trusted().identity(identity))
    };
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(with(&authority, false)).expect("a sink");
    engine.record(100);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    // With TLS 1.3 the refusal comes after the handshake, so some attempts see only a closed connection.
    let without = to("localhost", server.address, authority.trusted());
    refusal::<R>(without, "the server asks for a certificate: give client_certificate and client_key");
    refusal::<R>(with(&other, false), "the server does not accept client_certificate");
    refusal::<R>(with(&authority, true), "the server finds client_certificate expired");
}

/// A server gets nothing if its certificate is of another authority, for another name or expired, or if it has no TLS.
pub fn servers_without_a_good_certificate_get_nothing<R: Runtime>() {
    let (authority, other) = (Authority::new(), Authority::new());
    let good = authority.certify(&["localhost"], false);
    let server = |certificate: &_| Some(authority.server(certificate, false, b"http/1.1"));
    for (tls, trusted, says) in [
        (server(&good), other.trusted(), "is not trusted: give its CA with ca_file"),
        (server(&authority.certify(&["elsewhere"], false)), authority.trusted(), "is not for localhost"),
        (
            server(&authority.certify(&[], false)),
            authority.trusted(),
            "names no host: have one made with subjectAltName",
        ),
        (server(&authority.certify(&["localhost"], true)), authority.trusted(), "has expired"),
        (None, authority.trusted(), "have no TLS there"),
    ] {
        let server = HttpServer::start_with(tls, |_, _| HttpReply::Status(204));
        refusal::<R>(to("localhost", server.address, trusted), says);
        assert!(server.posts().iter().all(|post| !post.line.starts_with("POST")), "{says}");
    }
}

/// If the certificate of a server itself is in `ca_file`, it is trusted, as curl does it. It may be its own CA, or its
/// CA may be missing. Its name and its dates are checked all the same, and another certificate with the same names is
/// not trusted.
pub fn a_server_certificate_in_ca_file_is_trusted<R: Runtime>() {
    let authority = Authority::new();
    let (own, leaf) = (Authority::alone(&["localhost"], false), authority.certify(&["localhost"], false));
    for certificate in [&own, &leaf] {
        let tls = authority.server(certificate, false, b"http/1.1");
        let server = HttpServer::start_with(Some(tls), |_, _| HttpReply::Status(204));
        let (exporters, mut engine) = exporters::<R>();
        let config = to("localhost", server.address, authority.trusting(certificate));
        exporters.start_influxdb_sink(config).expect("a sink");
        engine.record(100);
        assert_all_sent(&exporters.stop_influxdb_sink().expect("a stop").expect("it was running"), 100);
    }
    let (elsewhere, expired) = (Authority::alone(&["elsewhere"], false), Authority::alone(&["localhost"], true));
    for (shown, trusted, says) in [
        (&elsewhere, &elsewhere, "is not for localhost"),
        (&expired, &expired, "has expired"),
        (&own, &Authority::alone(&["localhost"], false), "is a CA's: put it into ca_file itself"),
        (&leaf, &own, "is not trusted: give its CA with ca_file"),
    ] {
        let tls = authority.server(shown, false, b"http/1.1");
        let server = HttpServer::start_with(Some(tls), |_, _| HttpReply::Status(204));
        refusal::<R>(to("localhost", server.address, authority.trusting(trusted)), says);
        assert!(server.posts().is_empty(), "{says}");
    }
}

/// If a file is missing, is empty, or belongs to another certificate, the error names the file and does not quote it.
pub fn files_that_cannot_be_used_are_refused_at_the_start<R: Runtime>() {
    let authority = Authority::new();
    let (mine, other) = (authority.certify(&["localhost"], false), Authority::new());
    let good = authority.page(&mine);
    let foreign = other.page(&other.certify(&["localhost"], false)).key;
    let (missing, nonsense) = (authority.file("x", "").with_file_name("missing"), authority.file("y", "hunter2"));
    let broken = authority.file("z", "-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n");
    let (exporters, _) = exporters::<R>();
    let refused = |error: StartError, says: &[&str]| {
        let text = error.to_string();
        assert!(says.iter().all(|part| text.contains(part)) && !text.contains("hunter2"), "{text}");
    };
    for (certificate, key, says) in [
        (&missing, &good.key, ["`tls.certificate`", "missing", "cannot be read"]),
        (&nonsense, &good.key, ["`tls.certificate`", "BEGIN CERTIFICATE", "holds no"]),
        (&broken, &good.key, ["`tls.certificate`", "BEGIN CERTIFICATE", "not whole PEM"]),
        (&good.certificate, &missing, ["`tls.key`", "missing", "cannot be read"]),
        (&good.certificate, &nonsense, ["`tls.key`", "BEGIN PRIVATE KEY", "holds none"]),
        (&good.certificate, &foreign, ["`tls.key`", "own.key", "it is not the key of"]),
    ] {
        let tls = Some(ServerTls::new(certificate.clone(), key.clone()));
        let config = PrometheusConfig::default().port(0).tls(tls);
        refused(exporters.start_prometheus_exporter(config).expect_err(says[0]), &says);
        let identity = Some(ClientCertificate::new(certificate.clone(), key.clone()));
        let tls = authority.trusted().identity(identity);
        let says = [&says[0].replace("tls.", "tls.identity."), says[2]];
        for endpoint in ["https://localhost:1", "https://localhost:1/v1/metrics"] {
            let base =
                if endpoint.ends_with('1') { OpenTelemetryConfig::default() } else { OpenTelemetryConfig::http() };
            let config = base.endpoint(endpoint).tls(tls.clone());
            refused(exporters.start_opentelemetry_exporter(config).expect_err(says[0]), &says);
        }
        let config = to("localhost", NOBODY, tls);
        refused(exporters.start_influxdb_sink(config).expect_err(says[0]), &says);
    }
    for (file, says) in [(missing, "cannot be read"), (nonsense, "holds no certificate"), (broken, "not whole PEM")] {
        let tls = good.clone().client_ca_file(file.clone());
        let config = PrometheusConfig::default().port(0).tls(tls);
        let shown = file.display().to_string();
        refused(exporters.start_prometheus_exporter(config).expect_err(says), &["`tls.client_ca_file`", says, &shown]);
        let config = to("localhost", NOBODY, ClientTls::default().roots(Roots::Pem(file)));
        refused(exporters.start_influxdb_sink(config).expect_err(says), &["`tls.roots`", says, &shown]);
    }
    assert!(exporters.status().is_empty());
}

/// Settings of TLS for a URL without TLS are refused before any file is read.
pub fn certificates_without_https_are_refused<R: Runtime>() {
    let (exporters, _) = exporters::<R>();
    let identity = ClientCertificate::new("none.pem", "none.key");
    for (tls, key) in [
        (ClientTls::default().roots(Roots::Pem("none.pem".into())), "`tls.roots`"),
        (ClientTls::default().identity(identity), "`tls.identity.certificate`"),
    ] {
        let http = InfluxdbTarget::from(InfluxdbUrl::new("http://localhost:1/write"));
        for (target, says) in [(InfluxdbTarget::default(), "no TLS over UDP"), (http, "give an https:// URL")] {
            let config = InfluxdbConfig::default().target(target).tls(tls.clone());
            let text = exporters.start_influxdb_sink(config).expect_err(says).to_string();
            assert!(text.contains(key) && text.contains(says) && text.contains("none.pem"), "{text}");
        }
        for base in [OpenTelemetryConfig::default(), OpenTelemetryConfig::http()] {
            let config = base.tls(tls.clone());
            let text = exporters.start_opentelemetry_exporter(config).expect_err(key).to_string();
            assert!(text.contains(key) && text.contains("give an https:// URL"), "{text}");
        }
    }
}

/// An address that nothing is ever sent to.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

fn to(host: &str, address: SocketAddr, tls: ClientTls) -> InfluxdbConfig {
    let target = InfluxdbUrl::new(format!("https://{host}:{}/write", address.port()));
    let batch = BatchLimits::default().points(100).age(Duration::from_millis(20));
    InfluxdbConfig::default().target(target).batch(batch).tls(tls)
}

/// Waits until the status of a sink says this, and asserts that the sink sends nothing and counts all requests as lost.
fn refusal<R: Runtime>(config: InfluxdbConfig, says: &str) {
    let settings = settings(64).stop_deadline(Duration::from_millis(500));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    exporters.start_influxdb_sink(config).expect("nobody needs to answer yet");
    TestEngine::new(settings.registry).record(100);
    wait_until(|| exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(says)));
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert_eq!((account.sent, account.dropped.total()), (0, 100), "{account:?}");
}
