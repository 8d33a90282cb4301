//! An engine whose exporters live on the runtime of this package.

use std::error::Error;
use std::net::UdpSocket;
use std::time::Duration;

use loaddensity_metrics_shell::{Sample, Settings, StatsdConfig};
use own_runtime::Exporters;

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let agent = UdpSocket::bind("127.0.0.1:0")?; // stands for Datadog's Agent
    let exporters = Exporters::start(Settings::default())?;
    exporters.start_statsd_sink(StatsdConfig::default().host("localhost").port(agent.local_addr()?.port()))?;
    let mut recorder = exporters.recorder();
    for _ in 0..1_000 {
        recorder.record_request("GET", "/items", Sample::http(200, Duration::from_millis(3)));
    }
    println!("{}", exporters.shutdown(Duration::from_secs(5)));
    Ok(())
}
