//! Ports where another kind of server listens than expected. The error says which kind it is, and what to do.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporters, InfluxdbConfig, InfluxdbUrl, OpenTelemetryConfig};

use super::LOOPBACK;
use super::certificates::Authority;
use super::http_server::{HttpReply, HttpServer};
use super::load::{TestEngine, assert_settled, settings, wait_until};
use super::otlp_receiver::{OtlpReply, OtlpTestServer};

/// Each exporter that speaks HTTP sends without TLS to a port for TLS.
pub fn the_error_says_that_the_port_speaks_tls<R: Runtime>() {
    let authority = Authority::new();
    let tls = authority.server(&authority.certify(&["127.0.0.1"], false), false, b"http/1.1");
    let server = HttpServer::start_with(Some(tls), |_, _| HttpReply::Status(204));
    // The alert of a server that closes at once may come too late to be read. Then the text only supposes that it is
    // TLS.
    for exporter in [HttpExporter::Influxdb, HttpExporter::OverHttp, HttpExporter::OverGrpc] {
        exporter.shows::<R>(server.address, "TLS is spoken there");
    }
    let go = speaks(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    for exporter in [HttpExporter::Influxdb, HttpExporter::OverHttp] {
        exporter.shows::<R>(go, "Client sent an HTTP request to an HTTPS server.");
    }
}

/// gRPC to a port for HTTP/1.1, and HTTP/1.1 to a port for gRPC.
pub fn the_error_says_that_the_port_speaks_another_version_of_http<R: Runtime>() {
    let http1 = speaks(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    HttpExporter::OverGrpc.shows::<R>(http1, "HTTP/1 is spoken there, not HTTP/2 as gRPC needs it");
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    HttpExporter::OverHttp.shows::<R>(receiver.address, "HTTP/2 is spoken there, most likely gRPC");
    HttpExporter::Influxdb.shows::<R>(receiver.address, "HTTP/2 is spoken there, most likely gRPC");
}

/// A server that does not speak HTTP, and one that sends nothing.
pub fn the_error_says_that_the_port_does_not_speak_http<R: Runtime>() {
    let (ssh, silent) = (speaks(b"SSH-2.0-OpenSSH_9.2\r\n"), speaks(b""));
    for exporter in [HttpExporter::Influxdb, HttpExporter::OverHttp, HttpExporter::OverGrpc] {
        exporter.shows::<R>(ssh, "no HTTP is spoken there: check the port in `");
        exporter.shows::<R>(silent, "it was closed without a word: if TLS is spoken there, use https:// in `");
    }
}

/// The exporters that speak HTTP to a server.
#[derive(Clone, Copy, Debug)]
enum HttpExporter {
    Influxdb,
    OverHttp,
    OverGrpc,
}

impl HttpExporter {
    /// Asserts that the error about the server at `address` contains `shown`, and that every request is accounted for.
    fn shows<R: Runtime>(self, address: SocketAddr, shown: &str) {
        let settings = settings(64).stop_deadline(Duration::from_millis(100));
        let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
        match self {
            Self::Influxdb => {
                let target = InfluxdbUrl::new(format!("http://{address}/write"));
                exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).expect("a sink");
            }
            Self::OverHttp | Self::OverGrpc => {
                let is_http = matches!(self, Self::OverHttp);
                let config = if is_http { OpenTelemetryConfig::http() } else { OpenTelemetryConfig::default() };
                let (endpoint, interval) = (format!("http://{address}"), Duration::from_millis(20));
                let config = config.endpoint(endpoint).interval(interval);
                exporters.start_opentelemetry_exporter(config).expect("an exporter");
            }
        }
        TestEngine::new(settings.registry).record(10);
        wait_until(|| exporters.status()[0].last_error.is_some());
        let says = exporters.status()[0].last_error.clone().unwrap_or_default();
        assert!(says.contains(shown), "{self:?}: {says:?} lacks {shown:?}");
        for account in exporters.stop_all().expect("a stop") {
            assert_settled(&account, 10);
            assert_eq!(account.sent, 0, "{account:?}");
        }
    }
}

/// A server that answers every client with `greeting` and closes the connection. It runs until the process ends.
fn speaks(greeting: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind(LOOPBACK).expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| greet(stream, greeting)));
    address
}

fn greet(mut stream: TcpStream, greeting: &[u8]) {
    let mut received = [0; 4_096];
    // The client may close with an error. Bytes that are not read would cause a reset, which could overtake the
    // greeting.
    let _ = stream.read(&mut received).and_then(|_| stream.write_all(greeting));
    let _ = stream.shutdown(Shutdown::Write);
    while stream.read(&mut received).is_ok_and(|count| count != 0) {}
}
