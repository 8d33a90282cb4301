//! How many requests a second one engine thread and the exporters' one thread sustain, all four exporters on.
//!
//! The main thread is the engine: it records at the rate of a step, in small slices between which it sleeps. Each step
//! has exporters, a storage and receivers of its own. A request counts as dropped by the exporters where an account
//! says so; datagrams for which the receivers' sockets had no room are the kernel's loss, and shown beside.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use loaddensity_metrics_benches::backends::{Backends, BenchError, DatagramMode, RunOutcome, THREADS};
use loaddensity_metrics_benches::choice::RuntimeChoice;
use loaddensity_metrics_benches::process::CpuTimes;
use loaddensity_metrics_benches::trace::{self, TraceWork};
use loaddensity_metrics_benches::{clock, drain::DrainCounts, interrupt, ours};
use loaddensity_metrics_core::{DropReason, HeapStorage, Recorder, Series, Timestamp};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporters, Settings};
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

/// One engine thread records at rising rates with all four exporters on: what is sustained, what it costs, and where
/// dropping begins. Prints a Markdown table.
///
/// Prometheus is scraped once a second, InfluxDB and DogStatsD send over UDP and OTLP over gRPC, all to receivers in
/// this process. CPU of the exporters is that of all threads but the engine's and the receivers'. The engine's
/// includes waking up for each slice.
#[derive(Debug, Parser)]
#[command(name = "sustained", verbatim_doc_comment)]
struct SustainedArgs {
    /// Requests a second of each step.
    #[arg(long, value_delimiter = ',', value_name = "RATES", value_parser = clap::value_parser!(u64).range(1..=100_000_000),
        default_values_t = [100_000, 250_000, 500_000, 750_000, 1_000_000, 1_250_000, 1_500_000, 2_000_000])]
    steps: Vec<u64>,
    /// How long a step lasts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// The runtime of the exporters.
    #[arg(long, value_enum, default_value_t = RuntimeChoice::Both)]
    runtime: RuntimeChoice,
    /// How datagrams are filled.
    #[arg(long, value_enum, default_value_t = DatagramMode::PackedOffload)]
    packing: DatagramMode,
    /// Events in the recorder's ring, a power of two.
    #[arg(long, default_value_t = 8_192)]
    ring: usize,
    /// Series of the load.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    series: u32,
    /// Time between two slices of a step, in microseconds.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    slice: u64,
    /// Don't read what arrives: the kernel drops it, and no receiver takes CPU from the exporters.
    #[arg(long)]
    no_drain: bool,
}

fn main() -> ExitCode {
    match run(&SustainedArgs::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &SustainedArgs) -> Result<(), BenchError> {
    interrupt::install()?;
    println!(
        "{}, {} series, ring of {} events, {} s a step.\n",
        args.packing.name(),
        args.series,
        args.ring,
        args.seconds
    );
    println!(
        "| runtime | offered/s | recorded/s | engine ns/request | exporters CPU s/Mrequests | exporters busy | ring_full | ring that would have held | buffer_full | other causes | lost by the kernel: InfluxDB | DogStatsD |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut verdicts = Vec::new();
    if args.runtime.has_smol() {
        verdicts.push(steps::<Smol>("smol", args)?);
    }
    if args.runtime.has_tokio() {
        verdicts.push(steps::<Tokio>("tokio", args)?);
    }
    println!();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    Ok(())
}

/// Runs all steps; a sentence about where dropping begins.
fn steps<R: Runtime>(runtime: &str, args: &SustainedArgs) -> Result<String, BenchError> {
    let (mut clean, mut dropping) = (Vec::new(), Vec::new());
    for rate in &args.steps {
        if interrupt::pressed() {
            break;
        }
        eprintln!("{runtime}: {rate} requests/s for {} s", args.seconds);
        let step = step::<R>(*rate, args)?;
        step.print(runtime, *rate);
        if step.dropped() == 0 { clean.push((*rate, step.recorded_per_second())) } else { dropping.push(*rate) }
    }
    let begins = dropping.into_iter().min();
    // A step above one that drops does not count, even if it dropped nothing itself.
    let below = clean.into_iter().filter(|(rate, _)| begins.is_none_or(|begins| *rate < begins));
    let sustained = match below.map(|(_, recorded)| recorded).max_by(f64::total_cmp) {
        None => "no step".to_owned(),
        Some(recorded) => format!("up to {recorded:.0} requests/s"),
    };
    let dropping = match begins {
        None => "no step drops any".to_owned(),
        Some(rate) => format!("dropping begins at the step of {rate}"),
    };
    Ok(format!("- {runtime}: {sustained} without a drop by the exporters; {dropping}."))
}

/// What one step came to.
struct RateStep {
    recorded: u64,
    elapsed: Duration,
    engine: Duration,
    exporters: Duration,
    /// From the first request until all was flushed.
    until_flushed: Duration,
    /// The ring size in events that would have refused none; `None` where none was refused.
    ring: Option<u64>,
    ended: RunOutcome,
}

fn step<R: Runtime>(rate: u64, args: &SustainedArgs) -> Result<RateStep, BenchError> {
    let work = trace::work(args.series as usize);
    // Leaked: recorders and exporters want it for ever, and a step's worth is small.
    let storage = Box::leak(Box::new(HeapStorage::new(work.names.len(), 2, args.ring)?));
    let exporters = Exporters::<R>::start(Settings::on(storage.registry()))?;
    let mut engine = EngineThread::new(exporters.recorder(), work);
    let backends = Backends::start(&exporters, args.packing, !args.no_drain)?;
    let before = CpuTimes::now()?.without(&THREADS);
    let cpu = clock::cpu();
    let began = Instant::now();
    let recorded = engine.record(rate, Duration::from_secs(args.seconds), Duration::from_micros(args.slice));
    let elapsed = began.elapsed();
    let engine = clock::cpu() - cpu;
    let ended = backends.stop(&exporters)?;
    let until_flushed = began.elapsed();
    let exporters = ended.cpu.without(&THREADS).saturating_sub(before);
    let ring = storage.registry().full_rings().map(|ring| ring.would_have_held).max();
    Ok(RateStep { recorded, elapsed, engine, exporters, until_flushed, ring, ended })
}

/// The load of one thread.
struct EngineThread {
    recorder: Recorder<'static>,
    series: Vec<Series>,
    work: &'static TraceWork,
    position: usize,
}

impl EngineThread {
    fn new(mut recorder: Recorder<'static>, work: &'static TraceWork) -> Self {
        let series = ours::handles(&mut recorder, work);
        Self { recorder, series, work, position: 0 }
    }

    /// Records `rate` requests a second for `duration`, or until a signal comes; how many it recorded. After a sleep
    /// that was too long it catches up at twice the rate, because requests of an engine do not complete in one burst
    /// either.
    fn record(&mut self, rate: u64, duration: Duration, slice: Duration) -> u64 {
        let began = Instant::now();
        let at_most = 2 * (rate as f64 * slice.as_secs_f64()).ceil() as u64;
        let (mut done, mut next) = (0, slice);
        while !interrupt::pressed() {
            let elapsed = began.elapsed();
            if elapsed >= duration {
                break;
            }
            let due = (rate as f64 * elapsed.as_secs_f64()) as u64;
            let requests = (due - done).min(at_most);
            self.record_slice(requests);
            done += requests;
            next = (next + slice).max(elapsed);
            thread::sleep(next.saturating_sub(began.elapsed()));
        }
        done
    }

    fn record_slice(&mut self, requests: u64) {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        for number in 0..requests {
            let event = &self.work.events[self.position];
            self.position = if self.position + 1 == trace::EVENTS { 0 } else { self.position + 1 };
            self.recorder
                .record(self.series[event.series as usize], event.sample(Timestamp::from_unix_nanos(now + number)));
        }
    }
}

impl RateStep {
    fn dropped(&self) -> u64 {
        self.ended.accounts.iter().map(|account| account.dropped.total()).sum()
    }

    fn dropped_for(&self, cause: DropReason) -> u64 {
        self.ended.accounts.iter().map(|account| account.dropped.get(cause)).sum()
    }

    fn recorded_per_second(&self) -> f64 {
        self.recorded as f64 / self.elapsed.as_secs_f64()
    }

    fn print(&self, runtime: &str, rate: u64) {
        let requests = self.recorded.max(1) as f64;
        let would_have_held = self.ring.map(|events| events.to_string());
        let (ring, buffer) = (self.dropped_for(DropReason::RingFull), self.dropped_for(DropReason::BufferFull));
        println!(
            "| {runtime} | {rate} | {:.0} | {:.1} | {:.3} | {:.0} % | {ring} | {} | {buffer} | {} | {} | {} |",
            self.recorded_per_second(),
            self.engine.as_nanos() as f64 / requests,
            self.exporters.as_secs_f64() * 1e6 / requests,
            100.0 * self.exporters.as_secs_f64() / self.until_flushed.as_secs_f64(),
            would_have_held.as_deref().unwrap_or("this one"),
            self.dropped() - ring - buffer,
            lost(self.ended.influxdb),
            lost(self.ended.statsd),
        );
    }
}

/// Datagrams that the kernel dropped, and their share.
fn lost(drained: DrainCounts) -> String {
    let DrainCounts { read, lost } = drained;
    match read {
        0 => lost.to_string(),
        _ => format!("{lost} ({:.1} %)", 100.0 * lost as f64 / (lost + read) as f64),
    }
}
