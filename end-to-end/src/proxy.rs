//! Exporters that send through an HTTP proxy. The names of the servers do not exist here: only the proxy resolves them.

use std::net::SocketAddr;
use std::time::Duration;

use loaddensity_metrics_shell::environment::Environment;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    BatchLimits, Exporters, InfluxdbConfig, InfluxdbV2, OpenTelemetryConfig, Proxy, Secret,
};

use super::certificates::Authority;
use super::http_server::{self, HttpServer};
use super::load::{TestEngine, assert_all_sent, assert_settled, exporters, settings, wait_until};
use super::otlp_receiver::{self, OtlpTestServer};
use super::proxy_server::{ProxyReply, TestProxy};
use super::unused_port;

/// The user of the proxy, in a URL and as Basic authentication (RFC 7617, 2).
const USER: (&str, &str) = ("Aladdin:open%20sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");

/// `http` over HTTP/1.1: the proxy reads the requests, whose target is the whole URL (RFC 9112, 3.2.2).
pub fn plain_requests_go_to_the_proxy_in_absolute_form<R: Runtime>() {
    let proxy = HttpServer::start(|_, _| http_server::HttpReply::Status(204));
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(points("http://influx.invalid:8086/base", &through(proxy.address))).expect("a sink");
    exporters
        .start_opentelemetry_exporter(exports("http://otlp.invalid:80/v1/metrics?key=k", &proxy))
        .expect("one more");
    engine.record(100);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    let posts = proxy.posts();
    for (line, host) in [
        (
            "POST http://influx.invalid:8086/base/api/v2/write?org=o&bucket=b&precision=ns HTTP/1.1",
            "influx.invalid:8086",
        ),
        ("POST http://otlp.invalid/v1/metrics?key=k HTTP/1.1", "otlp.invalid"),
    ] {
        let post = posts.iter().find(|post| post.line == line).expect(line);
        assert_eq!((post.header("host"), post.header("proxy-authorization")), (Some(host), Some(USER.1)));
    }
}

/// gRPC without TLS goes through a tunnel: no proxy reads HTTP/2 without being told.
pub fn calls_go_through_a_tunnel<R: Runtime>() {
    let receiver = OtlpTestServer::start::<R>(|_| otlp_receiver::OtlpReply::Accept);
    let proxy = TestProxy::start(ProxyReply::Tunnel);
    let (exporters, mut engine) = exporters::<R>();
    let authority = format!("collector.invalid:{}", receiver.address.port());
    let config = OpenTelemetryConfig::default().endpoint(format!("http://{authority}")).proxy(through(proxy.address));
    exporters.start_opentelemetry_exporter(config).expect("an exporter");
    engine.record(100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    assert_eq!(OtlpTestServer::sums(&receiver.exports()), engine.sums);
    asked_for(&proxy, &authority);
}

/// The same with TLS, which ends at the server and not at the proxy. Also over HTTP/1.1.
pub fn tls_goes_through_a_tunnel<R: Runtime>() {
    let authority = Authority::new();
    let certificate = authority.certify(&["server.invalid"], false);
    let tls = |alpn| Some(authority.server(&certificate, false, alpn));
    let receiver = OtlpTestServer::start_with::<R>(tls(b"h2"), |_| otlp_receiver::OtlpReply::Accept);
    let server = HttpServer::start_with(tls(b"http/1.1"), |_, _| http_server::HttpReply::Status(204));
    let (exporters, mut engine) = exporters::<R>();
    let (of_calls, of_posts) = (TestProxy::start(ProxyReply::Tunnel), TestProxy::start(ProxyReply::Tunnel));
    let calls = OpenTelemetryConfig::default()
        .endpoint(format!("https://server.invalid:{}", receiver.address.port()))
        .proxy(through(of_calls.address))
        .tls(authority.trusted());
    exporters.start_opentelemetry_exporter(calls).expect("an exporter");
    let url = format!("https://server.invalid:{}", server.address.port());
    let points = points(&url, &through(of_posts.address));
    exporters.start_influxdb_sink(points.tls(authority.trusted())).expect("a sink");
    engine.record(100);
    let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_all_sent(&account, 100);
    asked_for(&of_calls, &format!("server.invalid:{}", receiver.address.port()));
    asked_for(&of_posts, &format!("server.invalid:{}", server.address.port()));
    let posts = server.posts();
    assert!(!posts.is_empty() && posts.iter().all(|post| post.line.starts_with("POST /api/v2/write?org=o&")));
    assert!(posts.iter().all(|post| post.header("proxy-authorization").is_none()), "that is for the proxy alone");
}

/// If something goes wrong at the proxy, the error names the proxy, says what to do, and does not show the user's
/// password. What was recorded counts as lost.
pub fn errors_of_the_proxy_name_the_proxy<R: Runtime>() {
    for (reply, says) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\nopen sesame",
            "answered 407 Proxy Authentication Required to CONNECT server.invalid:4317: it does not take the user",
        ),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "it allows no tunnel there: have it allow this port"),
        (
            "HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "502 Bad Gateway to CONNECT server.invalid:4317: it cannot reach the server",
        ),
        ("SSH-2.0-OpenSSH\r\n", "it does not speak HTTP/1.1: compare its port"),
        ("", "it closed the connection at CONNECT"),
    ] {
        let proxy = TestProxy::start(ProxyReply::Says(reply));
        is_lost::<R>("http://server.invalid:4317", proxy.address, says);
    }
    is_lost::<R>("http://server.invalid:4317", unused_port(), "refused");
    // Requests in absolute form get the proxy's own answer, like that of a server.
    let proxy = HttpServer::start(|_, _| http_server::HttpReply::Says(407, "no Aladdin with open sesame"));
    let (exporters, mut engine) = exporters::<R>();
    exporters.start_influxdb_sink(points("http://influx.invalid", &through(proxy.address))).expect("a sink");
    engine.record(100);
    wait_until(|| exporters.status()[0].last_error.is_some());
    let said = exporters.status()[0].last_error.clone().unwrap_or_default();
    assert!(said.contains(&format!("the proxy http://{}", proxy.address)) && !said.contains("sesame"), "{said}");
}

/// A configuration that is read from the environment uses the environment's proxy, except for the hosts of `no_proxy`.
/// If the proxy's name has no address, the start does not fail, and the status names the proxy.
pub fn the_environments_proxy_is_followed<R: Runtime>() {
    let (proxy, server) = (
        HttpServer::start(|_, _| http_server::HttpReply::Status(204)),
        HttpServer::start(|_, _| http_server::HttpReply::Status(204)),
    );
    let url = format!("http://{}", proxy.address);
    for (host, excepted, is_through) in [("influx.invalid", "localhost", true), ("localhost", "localhost", false)] {
        let before = (proxy.posts().len(), server.posts().len());
        let environment = Environment::of([("http_proxy", url.as_str()), ("no_proxy", excepted)]);
        let environments = InfluxdbConfig::from_env(&environment).expect("variables that can be used").proxy;
        let (exporters, mut engine) = exporters::<R>();
        let server_url = format!("http://{host}:{}", server.address.port());
        exporters.start_influxdb_sink(points(&server_url, &environments.expect("a proxy"))).expect("a sink");
        engine.record(100);
        let account = exporters.stop_influxdb_sink().expect("a stop").expect("it was running");
        assert_all_sent(&account, 100);
        assert_eq!(proxy.posts().len() > before.0, is_through, "{host}");
        assert_eq!(server.posts().len() > before.1, !is_through, "{host}");
    }
    let (exporters, mut engine) = exporters::<R>();
    let nowhere = Proxy::new("http://proxy.invalid:3128").expect("a URL");
    exporters.start_influxdb_sink(points("http://localhost:1", &nowhere)).expect("the name need not be there yet");
    engine.record(1);
    let named = || exporters.status()[0].state().contains("no address for host \"proxy.invalid\"");
    wait_until(named);
    let over_udp = InfluxdbConfig::default().proxy(nowhere);
    let error = exporters.start_influxdb_sink(over_udp).expect_err("no proxy carries datagrams").to_string();
    assert!(error.contains("`proxy`") && error.contains("send over HTTP"), "{error}");
}

fn through(address: SocketAddr) -> Proxy {
    Proxy::new(&format!("http://{}@{address}", USER.0)).expect("the URL of a proxy")
}

fn points(server: &str, proxy: &Proxy) -> InfluxdbConfig {
    let token = Some(Secret::new("t"));
    let target = InfluxdbV2::new(server, "o", "b").token(token);
    let batch = BatchLimits::default().points(100).age(Duration::from_millis(20));
    InfluxdbConfig::default().target(target).batch(batch).proxy(proxy.clone())
}

fn exports(endpoint: &str, proxy: &HttpServer) -> OpenTelemetryConfig {
    let proxy = Some(through(proxy.address));
    OpenTelemetryConfig::http().endpoint(endpoint).proxy(proxy)
}

/// Asserts that the proxy was asked for a tunnel to `authority`, as RFC 9110, 9.3.6 says, and for nothing else.
#[track_caller]
fn asked_for(proxy: &TestProxy, authority: &str) {
    let heads = proxy.heads();
    let expected = [
        format!("CONNECT {authority} HTTP/1.1"),
        format!("Host: {authority}"),
        format!("Proxy-Authorization: {}", USER.1),
    ];
    assert!(!heads.is_empty());
    for head in heads {
        assert!(head[0] == expected[0] && expected.iter().all(|line| head.contains(line)), "{head:?}");
    }
}

/// Waits until the status says this about the proxy at `address`, and asserts that all requests count as lost.
fn is_lost<R: Runtime>(endpoint: &str, address: SocketAddr, says: &str) {
    let settings = settings(64).stop_deadline(Duration::from_millis(500));
    let exporters = Exporters::<R>::start(settings).expect("a thread for the exporters");
    let config =
        OpenTelemetryConfig::default().endpoint(endpoint).interval(Duration::from_millis(20)).proxy(through(address));
    exporters.start_opentelemetry_exporter(config).expect("nobody needs to answer yet");
    TestEngine::new(settings.registry).record(100);
    wait_until(|| {
        let status = exporters.status();
        let Some(said) = &status[0].last_error else { return false };
        assert!(!said.contains("sesame") && !said.contains(USER.1), "{said}");
        said.contains(says) && said.contains(&format!("the proxy http://{address}"))
    });
    let account = exporters.stop_opentelemetry_exporter().expect("a stop").expect("it was running");
    assert_settled(&account, 100);
    assert_eq!((account.sent, account.dropped.total()), (0, 100), "{account:?}");
}
