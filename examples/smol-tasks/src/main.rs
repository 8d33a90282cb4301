//! An engine on smol. The exporters are tasks of the engine's own runtime: no thread is made for them.

use std::error::Error;
use std::time::{Duration, Instant};

use loaddensity_metrics_smol::{
    AsyncExporters, InfluxdbConfig, InfluxdbUdp, LocalRecorder, Sample, Series, Settings, Smol,
};
use smol::Timer;
use smol::net::UdpSocket;

const TASKS: u64 = 500;
const REQUESTS: u64 = 4;

fn main() {
    if let Err(error) = smol::block_on(engine()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn engine() -> Result<(), Box<dyn Error>> {
    let server = UdpSocket::bind("127.0.0.1:0").await?; // stands for InfluxDB
    let target = InfluxdbUdp::new("127.0.0.1", server.local_addr()?.port());
    let exporters = AsyncExporters::start_on(Smol::global(), Settings::default())?;
    exporters.start_influxdb_sink(InfluxdbConfig::default().target(target)).await?;
    let recorder = exporters.local_recorder();
    let orders = recorder.series_with_labels("POST", "/orders", [("scenario", "checkout")])?;

    let tasks: Vec<_> = (0..TASKS).map(|number| smol::spawn(user(recorder, orders, number))).collect();
    for task in tasks {
        task.await;
    }

    let report = exporters.shutdown(Duration::from_secs(5)).await;
    println!("{report}");
    let all = &report.accounts[0];
    println!("{} recorded, {} accounted for", all.recorded, all.sent + all.dropped.total());
    let mut line = [0; 2_048];
    let length = server.recv(&mut line).await?;
    println!("{}", String::from_utf8_lossy(&line[..length]).lines().next().unwrap_or_default());
    Ok(())
}

async fn user(recorder: LocalRecorder, orders: Series, number: u64) {
    for _ in 0..REQUESTS {
        let began = Instant::now();
        // What an engine would send here.
        Timer::after(Duration::from_millis(number % 20)).await;
        recorder.record(orders, Sample::http(201, began.elapsed()).response_bytes(64));
    }
}
