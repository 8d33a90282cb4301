//! Ten thousand tasks that migrate between threads and share one `LocalRecorder`; Prometheus reads the page.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loaddensity_metrics_tokio::{Exporters, LocalRecorder, PrometheusConfig, Sample, Series, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const TASKS: u64 = 10_000;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let exporters = Exporters::start(Settings::default())?; // on a thread of their own
    let page = exporters.as_async().start_prometheus_exporter(PrometheusConfig::default().port(0)).await?;
    let recorder = exporters.local_recorder(); // Copy, Send and Sync
    let items = recorder.series_with_labels("GET", "/items", [("scenario", "browse")])?;

    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        tasks.spawn(user(recorder, items, number));
    }
    tasks.join_all().await;

    // What `curl http://…/metrics` shows.
    for line in scrape(page).await?.lines().filter(|line| line.starts_with("loaddensity_requests_total")) {
        println!("{line}");
    }
    let latency = exporters.registry().distributions().and_then(|all| all.latency().quantile(0.99));
    eprintln!("p99 {:?} ns", latency);
    eprintln!("{}", exporters.as_async().shutdown(Duration::from_secs(5)).await);
    Ok(())
}

async fn user(recorder: LocalRecorder, items: Series, number: u64) {
    for request in 0..3 {
        let began = Instant::now();
        // What an engine would send here.
        tokio::time::sleep(Duration::from_millis(number % 20)).await;
        let status = if request == 2 && number % 100 == 99 { 500 } else { 200 };
        recorder.record(items, Sample::http(status, began.elapsed()).response_bytes(1_024));
    }
}

async fn scrape(page: SocketAddr) -> Result<String, Box<dyn Error>> {
    let mut stream = TcpStream::connect(page).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
