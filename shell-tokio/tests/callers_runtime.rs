//! The exporters on a runtime that the caller drives, and what only this runtime's types can show.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_tokio::runtime::{Runtime, TcpListener as _, UdpOptions, UdpSocket as _};
use loaddensity_metrics_tokio::{AsyncExporters, PrometheusConfig, Sample, Settings, Storage, Tokio};
use tokio::runtime::Builder;

const REQUESTS: u64 = 100;

#[test]
fn the_runtime_that_calls_runs_the_exporters() {
    static STORAGE: Storage<8, 4, 256> = Storage::new();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let settings = Settings::on(STORAGE.registry());
        let exporters = AsyncExporters::start_on(Tokio::current().expect("in tokio"), settings).expect("free storage");
        record_and_scrape(exporters, |request| drop(tokio::spawn(async move { request() }))).await;
    });
}

#[test]
fn a_runtime_on_two_threads_runs_the_exporters() {
    static STORAGE: Storage<8, 4, 256> = Storage::new();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let settings = Settings::on(STORAGE.registry());
    let exporters = AsyncExporters::start_on(Tokio::on(runtime.handle()), settings).expect("free storage");
    runtime.block_on(record_and_scrape(exporters, |request| {
        drop(runtime.spawn(async move { request() }));
    }));
}

#[test]
fn small_writes_leave_at_once_on_both_sides() {
    let both = Tokio::run(|runtime| async move {
        let listener = runtime.tcp_listen((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let client = runtime.tcp_connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        Ok::<_, std::io::Error>((client.get_ref().nodelay()?, server.get_ref().nodelay()?))
    });
    assert_eq!(both.expect("a runtime").expect("sockets"), (true, true));
}

/// tokio takes a UDP socket that was refused once for closed and ready for ever: whoever waits for room must not spin.
#[test]
fn waiting_on_a_socket_that_was_refused_takes_no_processor() {
    const WAIT: Duration = Duration::from_millis(100);
    let woken = Tokio::run(|runtime| async move {
        let peer = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let socket = runtime.udp_connect(UdpOptions::to(peer)).await?;
        while socket.take_error()?.is_none() {
            let _ = socket.try_send(b"anybody?");
            runtime.sleep(Duration::from_millis(1)).await;
        }
        let mut woken = 0;
        let waiting = async {
            while socket.writable().await.is_ok() {
                woken += 1;
            }
        };
        let _ = tokio::time::timeout(WAIT, waiting).await;
        Ok::<_, std::io::Error>(woken)
    });
    let woken = woken.expect("a runtime").expect("sockets");
    assert!(woken <= 1_000, "woken {woken} times in {WAIT:?}");
}

/// Tasks that migrate between threads record; a page shows it; the report accounts for it.
async fn record_and_scrape(exporters: AsyncExporters, spawn: impl Fn(Box<dyn FnOnce() + Send>)) {
    let config = PrometheusConfig::default().port(0);
    let address = exporters.start_prometheus_exporter(config).await.expect("a free port");
    let (recorder, registry) = (exporters.local_recorder(), exporters.registry());
    for _ in 0..REQUESTS {
        spawn(Box::new(move || {
            recorder.record_request("GET", "/items", Sample::ok(Duration::ZERO));
        }));
    }
    let page = tokio::task::spawn_blocking(move || {
        while registry.requests() < REQUESTS {
            thread::sleep(Duration::from_millis(1));
        }
        scrape(address)
    });
    let page = page.await.expect("a page");
    assert!(page.contains("name=\"/items\",outcome=\"success\"} 100\n"), "{page}");
    let report = exporters.shutdown(Duration::from_secs(10)).await;
    assert_eq!((report.accounts[0].recorded, report.accounts[0].sent), (REQUESTS, REQUESTS), "{report}");
}

fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).expect("the exporter listens");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a request sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}
