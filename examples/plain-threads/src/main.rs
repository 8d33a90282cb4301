//! An engine of plain threads: no async runtime is compiled. Each thread has a recorder of its own.

use std::error::Error;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_std::{Exporters, Recorder, Sample, Series, Settings, StatsdConfig};

const USERS: usize = 4;
const REQUESTS: u64 = 1_000;

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let agent = UdpSocket::bind("127.0.0.1:0")?; // stands for Datadog's Agent
    let exporters = Exporters::start(Settings::default())?;
    let config = StatsdConfig::default().port(agent.local_addr()?.port()).packed(true);
    exporters.start_statsd_sink(config)?;

    let labels = [("scenario", "checkout"), ("region", "eu-west-1")];
    let orders = exporters.registry().series_with_labels("POST", "/orders", labels)?;
    let active_users = exporters.registry().gauge("active_users")?;
    active_users.set(USERS as f64);

    thread::scope(|scope| {
        for _ in 0..USERS {
            let recorder = exporters.recorder();
            scope.spawn(move || user(recorder, orders));
        }
    });
    active_users.set(0.0);

    let report = exporters.shutdown(Duration::from_secs(5));
    println!("{report}");
    let all = &report.accounts[0];
    println!("{} recorded, {} accounted for", all.recorded, all.sent + all.dropped.total());
    let mut message = [0; 2_048];
    agent.set_read_timeout(Some(Duration::from_secs(5)))?;
    let length = agent.recv(&mut message)?;
    println!("{}", String::from_utf8_lossy(&message[..length]).lines().next().unwrap_or_default());
    Ok(())
}

fn user(mut recorder: Recorder<'static>, orders: Series) {
    for number in 0..REQUESTS {
        let began = Instant::now();
        let status = request(number);
        recorder.record(orders, Sample::http(status, began.elapsed()).response_bytes(512));
    }
}

/// What an engine would send here: every tenth answer is an error.
fn request(number: u64) -> u16 {
    if number % 10 == 9 { 503 } else { 201 }
}
