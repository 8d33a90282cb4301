//! The Prometheus page over TLS, read by clients that use rustls directly.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use futures_rustls::pki_types::ServerName;
use futures_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{DropReason, PrometheusConfig};

use super::certificates::Authority;
use super::load::{assert_all_sent, assert_settled, exporters, wait_until};

/// A client that uses rustls reads the page.
pub fn the_page_is_served_over_tls<R: Runtime>() {
    let authority = Authority::new();
    let tls = Some(authority.page(&authority.certify(&["127.0.0.1"], false)));
    let (exporters, mut engine) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0).tls(tls));
    let address = address.expect("a free port");
    assert!(exporters.status()[0].address.starts_with("https://"));
    engine.record(100);
    let page = read_page(authority.client(None), address, "/metrics").expect("a page, and the end of the session");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("loaddensity_requests_total{"), "{page}");
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
}

/// Mutual TLS: a client with a certificate of the right authority gets the page. Others do not, and the status says
/// why.
pub fn only_clients_with_a_certificate_get_the_page<R: Runtime>() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut tls = authority.page(&authority.certify(&["127.0.0.1"], false));
    tls.client_ca_file = Some(authority.ca_file());
    let (exporters, mut engine) = exporters::<R>();
    let tls = Some(tls);
    let address = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0).tls(tls));
    let address = address.expect("a free port");
    engine.record(100);
    for (client, says) in [
        (authority.client(None), "it showed no certificate"),
        (authority.client(Some(&other.certify(&["scraper"], false))), "not signed by client_ca_file"),
        (authority.client(Some(&authority.certify(&["scraper"], true))), "its certificate has expired"),
    ] {
        read_page(client, address, "/metrics").expect_err(says);
        wait_until(|| exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(says)));
    }
    let page = read_page(authority.client(Some(&authority.certify(&["scraper"], false))), address, "/metrics");
    assert!(page.expect("a page").starts_with("HTTP/1.1 200"));
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
}

/// If the certificate of a scraper itself is in `client_ca_file`, it is accepted, also if it is its own CA. Another one
/// with the same names is not accepted, nor is an expired one.
pub fn a_client_certificate_in_client_ca_file_is_accepted<R: Runtime>() {
    let authority = Authority::new();
    let (own, expired) = (Authority::alone(&["scraper"], false), Authority::alone(&["scraper"], true));
    let mut tls = authority.page(&authority.certify(&["127.0.0.1"], false));
    tls.client_ca_file = Some(authority.file("scrapers.pem", &format!("{}{}", own.pem(), expired.pem())));
    let (exporters, mut engine) = exporters::<R>();
    let tls = Some(tls);
    let address = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0).tls(tls));
    let address = address.expect("a free port");
    engine.record(100);
    for (shown, says) in [
        (&Authority::alone(&["scraper"], false), "its certificate is a CA's: put it into client_ca_file"),
        (&expired, "its certificate has expired"),
    ] {
        read_page(authority.client(Some(shown)), address, "/metrics").expect_err(says);
        wait_until(|| exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(says)));
    }
    let page = read_page(authority.client(Some(&own)), address, "/metrics");
    assert!(page.expect("a page").starts_with("HTTP/1.1 200"));
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
}

/// A scraper that does not trust the page's certificate gets no page, and the status says why.
pub fn a_page_that_is_not_trusted_counts_as_unscraped<R: Runtime>() {
    let (authority, other) = (Authority::new(), Authority::new());
    let tls = Some(authority.page(&authority.certify(&["127.0.0.1"], false)));
    let (exporters, mut engine) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0).tls(tls));
    engine.record(100);
    read_page(other.client(None), address.expect("a free port"), "/metrics").expect_err("another authority");
    let says = "does not trust the page's certificate";
    wait_until(|| exporters.status()[0].last_error.as_ref().is_some_and(|error| error.contains(says)));
    let account = exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert_eq!((account.sent, account.dropped.get(DropReason::Unscraped)), (0, 100), "{account:?}");
}

/// A client that speaks plain HTTP to a page over TLS gets no page, and the status says so. A client that sends nothing
/// delays neither other clients nor a stop.
pub fn a_client_without_tls_is_closed<R: Runtime>() {
    let authority = Authority::new();
    let tls = Some(authority.page(&authority.certify(&["127.0.0.1"], false)));
    let (exporters, _) = exporters::<R>();
    let address = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0).tls(tls));
    let address = address.expect("a free port");
    let silent = TcpStream::connect(address).expect("a listener");
    let mut plain = TcpStream::connect(address).expect("a listener");
    plain.write_all(b"GET /metrics HTTP/1.1\r\nhost: h\r\n\r\n").expect("a request");
    let mut answer = Vec::new();
    // The client sees an alert or a reset.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));
    wait_until(|| exporters.status()[0].last_error.is_some());
    let says = exporters.status()[0].last_error.clone().unwrap_or_default();
    assert!(says.contains("TLS handshake") && says.contains("give it an https:// URL"), "{says}");
    exporters.stop_prometheus_exporter().expect("a stop").expect("it was running");
    drop(silent);
}

/// Reads the page to the end of the session.
pub(super) fn read_page(client: Arc<ClientConfig>, address: SocketAddr, path: &str) -> io::Result<String> {
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let session = ClientConnection::new(client, name).expect("a client");
    let mut client = StreamOwned::new(session, TcpStream::connect(address)?);
    client.write_all(format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut page = String::new();
    client.read_to_string(&mut page).map(|_| page)
}
