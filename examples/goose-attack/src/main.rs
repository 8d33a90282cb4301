//! A load test of goose: each answer is recorded, and goose's own report has the same numbers.

use std::error::Error;
use std::sync::OnceLock;
use std::time::Duration;

use goose::goose::GooseResponse;
use goose::prelude::*;
use loaddensity_metrics_tokio::{Exporters, LocalRecorder, Outcome, Sample, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// goose gives its transactions nothing but the user.
static RECORDER: OnceLock<LocalRecorder> = OnceLock::new();

/// Under goose's name, with goose's latency (to the first byte) and what goose calls a success.
async fn record(GooseResponse { request, response }: GooseResponse) {
    let body =
        if let Ok(response) = response { response.bytes().await.unwrap_or_default() } else { Default::default() };
    let outcome = if request.success { Outcome::Success } else { Outcome::Failure };
    let sample = Sample::new(outcome, Duration::from_micros(request.response_time_micros()));
    let sample = sample.status(request.status_code).response_bytes(body.len() as u64);
    RECORDER.wait().record_request("GET", &request.name, sample);
}

async fn shopping(user: &mut GooseUser) -> TransactionResult {
    record(user.get_named("/items/42", "item").await?).await;
    record(user.get_named("/nowhere", "nowhere").await?).await;
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    let exporters = Exporters::start(Settings::default())?; // and here an exporter
    let recorder = RECORDER.get_or_init(|| exporters.local_recorder());

    let attack = GooseAttack::initialize()?
        .register_scenario(scenario!("shop").register_transaction(transaction!(shopping)))
        .set_default(GooseDefault::Host, host.as_str())?
        .set_default(GooseDefault::Users, 4)?
        .set_default(GooseDefault::IncreaseRate, "10")?
        .set_default(GooseDefault::Iterations, 250)?
        .set_default(GooseDefault::NoPrintMetrics, true)?
        .set_default(GooseDefault::NoTelnet, true)?;
    for (name, goose) in attack.execute().await?.requests {
        let series = recorder.series("GET", name.trim_start_matches("GET "));
        let [succeeded, failed] = exporters.registry().series_totals(series).by_outcome;
        let (good, bad) = (goose.success_count, goose.fail_count);
        println!("{name}: goose {good} and {bad} failed, ours {succeeded} and {failed} failed");
        let latency = exporters.registry().series_distributions(series).map(|all| all.latency());
        let ours = |q: f64| latency.as_ref().and_then(|all| all.quantile(q)).unwrap_or_default() as f64 / 1_000.0;
        for q in [0.5, 0.9, 0.99] {
            // goose is within 0.8 % and leaves out what is below a microsecond, ours is within 4.4 %; ranks are rounded.
            let (low, high) = (ours(q - 0.002) * 0.947 - 1.0, ours(q + 0.002) * 1.053);
            let of_goose = goose.raw_data.percentile_us(q as f32) as f64;
            let agrees = if (low..=high).contains(&of_goose) { "agrees" } else { "is another" };
            println!("{name}: p{} {agrees}: {of_goose} is within {low} to {high} us", q * 100.0);
        }
    }
    Ok(())
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 4_096];
    while let length @ 1.. = stream.read(&mut request).await? {
        let is_there = request[..length].starts_with(b"GET /items/");
        let (status, body) = if is_there { ("200 OK", "an item") } else { ("404 Not Found", "") };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
