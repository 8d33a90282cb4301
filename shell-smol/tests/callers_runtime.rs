//! The exporters on a runtime that the caller drives, and what only this runtime's types can show.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use loaddensity_metrics_smol::runtime::{Runtime, TcpListener as _};
use loaddensity_metrics_smol::{AsyncExporters, PrometheusConfig, Sample, Settings, Smol, Storage};
use smol::Executor;

const REQUESTS: u64 = 100;

#[test]
fn smols_global_executor_runs_the_exporters() {
    static STORAGE: Storage<8, 4, 256> = Storage::new();
    let exporters = AsyncExporters::start_on(Smol::global(), Settings::on(STORAGE.registry())).expect("free storage");
    smol::block_on(record_and_scrape(exporters, |request| {
        smol::spawn(async move { request() }).detach();
    }));
}

#[test]
fn an_executor_on_two_threads_runs_the_exporters() {
    static STORAGE: Storage<8, 4, 256> = Storage::new();
    let executor = Arc::new(Executor::new());
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let threads = [(); 2].map(|()| {
        let (executor, stopped) = (executor.clone(), stopped.clone());
        thread::spawn(move || smol::block_on(executor.run(async { stopped.recv().await.is_err() })))
    });
    let settings = Settings::on(STORAGE.registry());
    let exporters = AsyncExporters::start_on(Smol::on(&executor), settings).expect("free storage");
    smol::block_on(record_and_scrape(exporters, |request| {
        executor.spawn(async move { request() }).detach();
    }));
    drop(stop);
    assert!(threads.into_iter().all(|thread| thread.join().expect("an executor thread")));
}

#[test]
fn small_writes_leave_at_once_on_both_sides() {
    let both = Smol::run(|runtime| async move {
        let listener = runtime.tcp_listen((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let client = runtime.tcp_connect(listener.local_addr()?).await?;
        let (server, _) = listener.accept().await?;
        Ok::<_, std::io::Error>((client.nodelay()?, server.nodelay()?))
    });
    assert_eq!(both.expect("a runtime").expect("sockets"), (true, true));
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
    let page = smol::unblock(move || {
        while registry.requests() < REQUESTS {
            thread::sleep(Duration::from_millis(1));
        }
        scrape(address)
    });
    let page = page.await;
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
