//! How many requests a second one engine thread and the exporters sustain, all exporters of a runtime on, and how long the
//! pump stays away from the engine's ring meanwhile.
//!
//! The main thread is the engine: it records at the rate of a step, in small slices between which it sleeps. Each run of
//! a step has exporters, a storage and receivers of its own. A request counts as dropped by the exporters where an account
//! says so; datagrams for which the receivers' sockets had no room are the kernel's loss, and shown beside.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::{Parser, ValueEnum};
use loaddensity_metrics_benches::backends::{Backends, BenchError, DatagramMode, RunOutcome, THREADS};
use loaddensity_metrics_benches::neighbour::Neighbour;
use loaddensity_metrics_benches::process::CpuTimes;
use loaddensity_metrics_benches::trace::{self, TraceWork};
use loaddensity_metrics_benches::{clock, drain::DrainCounts, interrupt, ours};
use loaddensity_metrics_core::{DefaultStorage, DropReason, HeapStorage, Recorder, Series, Timestamp, Usage};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporters, Settings};
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_std::Std;
use loaddensity_metrics_tokio::Tokio;

/// One engine thread records at rising rates with all exporters on: what is sustained, what it costs, where dropping
/// begins, and what the ring must hold. Prints a Markdown table.
///
/// Prometheus is scraped once a second, InfluxDB and DogStatsD send over UDP and OTLP over gRPC, all to receivers in
/// this process; without TCP (std) there are InfluxDB and DogStatsD alone. CPU of the exporters is that of all threads
/// but the engine's, the receivers' and the neighbour's. The engine's includes waking up for each slice. On std a sink's
/// threads end with it and take their CPU times along, so that both columns of the exporters' CPU say too little.
///
/// The gap is the longest time between two visits of the pump to the engine's ring, from the first start of an
/// exporter to the last stop; the events are the most that came into the ring between two visits, refused ones included.
#[derive(Debug, Parser)]
#[command(name = "sustained", verbatim_doc_comment)]
struct SustainedArgs {
    /// Requests a second of each step.
    #[arg(long, value_delimiter = ',', value_name = "RATES", value_parser = clap::value_parser!(u64).range(1..=100_000_000),
        default_values_t = [100_000, 250_000, 500_000, 750_000, 1_000_000, 1_250_000, 1_500_000, 2_000_000])]
    steps: Vec<u64>,
    /// How long a run of a step lasts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How often each step is run.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    runs: u64,
    /// Follow each run by one beside a thread that burns a core.
    #[arg(long)]
    neighbour: bool,
    /// The runtimes of the exporters.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "RUNTIMES",
        default_values_t = [ExporterRuntime::Smol, ExporterRuntime::Tokio, ExporterRuntime::Std])]
    runtime: Vec<ExporterRuntime>,
    /// How datagrams are filled.
    #[arg(long, value_enum, default_value_t = DatagramMode::PackedOffload)]
    packing: DatagramMode,
    /// Events in the recorder's ring, a power of two. By default as in the default storage.
    #[arg(long, default_value_t = DefaultStorage::RING_EVENTS)]
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

/// What `--runtime` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExporterRuntime {
    /// One thread that runs smol.
    Smol,
    /// One thread that runs tokio.
    Tokio,
    /// Threads of the standard library.
    Std,
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
        "{}, {} series, ring of {} events, {} s a run, {} of each step.\n",
        args.packing.name(),
        args.series,
        args.ring,
        args.seconds,
        args.runs
    );
    println!(
        "| runtime | neighbour | offered/s | recorded/s | engine ns/request | exporters CPU s/Mrequests | exporters busy | longest gap ms | most events in a gap | ring_full | buffer_full | other causes | lost by the kernel: InfluxDB | DogStatsD |"
    );
    println!("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let mut summaries = Vec::new();
    for runtime in &args.runtime {
        summaries.extend(match runtime {
            ExporterRuntime::Smol => steps::<Smol>("smol", args)?,
            ExporterRuntime::Tokio => steps::<Tokio>("tokio", args)?,
            ExporterRuntime::Std => steps::<Std>("std", args)?,
        });
    }
    println!();
    summaries.iter().for_each(|summary| println!("{}", summary.text()));
    Ok(())
}

/// Runs all steps; what they came to, without a neighbour and beside it.
fn steps<R: Runtime>(runtime: &'static str, args: &SustainedArgs) -> Result<Vec<StepsSummary>, BenchError> {
    let companies: &[Company] = if args.neighbour { &[Company::Alone, Company::Neighbour] } else { &[Company::Alone] };
    let mut summaries: Vec<_> = companies.iter().map(|company| StepsSummary::new(runtime, *company)).collect();
    for rate in &args.steps {
        for run in 1..=args.runs {
            for summary in &mut summaries {
                if interrupt::pressed() {
                    return Ok(summaries);
                }
                let company = summary.company;
                eprintln!("{runtime}, {}: {rate} requests/s for {} s, run {run}", company.name(), args.seconds);
                let step = step::<R>(*rate, company, args)?;
                step.print(runtime, company, *rate);
                summary.add(*rate, &step);
            }
        }
    }
    Ok(summaries)
}

/// What else runs on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    Alone,
    Neighbour,
}

impl Company {
    const fn name(self) -> &'static str {
        match self {
            Self::Alone => "no",
            Self::Neighbour => "yes",
        }
    }
}

/// What the steps of one runtime came to.
struct StepsSummary {
    runtime: &'static str,
    company: Company,
    /// Rate and requests recorded a second, of the runs that dropped nothing.
    clean: Vec<(u64, f64)>,
    /// Rates of the runs that dropped some.
    dropping: Vec<u64>,
    longest_gap: Duration,
    high_water: u64,
}

/// The rate in requests a second of one recorder that the default ring is chosen for.
const CHOSEN_FOR: f64 = 1e6;

impl StepsSummary {
    const fn new(runtime: &'static str, company: Company) -> Self {
        Self { runtime, company, clean: Vec::new(), dropping: Vec::new(), longest_gap: Duration::ZERO, high_water: 0 }
    }

    fn add(&mut self, rate: u64, step: &RateStep) {
        if step.dropped() == 0 {
            self.clean.push((rate, step.recorded_per_second()));
        } else {
            self.dropping.push(rate);
        }
        self.longest_gap = self.longest_gap.max(step.usage.longest_gap);
        self.high_water = self.high_water.max(step.usage.ring_high_water);
    }

    /// What is sustained, where dropping begins, and which ring holds twice the longest gap.
    fn text(&self) -> String {
        let begins = self.dropping.iter().min();
        // A step above one that drops does not count, even if it dropped nothing itself.
        let below = self.clean.iter().filter(|(rate, _)| begins.is_none_or(|begins| rate < begins));
        let sustained = match below.map(|(_, recorded)| *recorded).max_by(f64::total_cmp) {
            None => "no step".to_owned(),
            Some(recorded) => format!("up to {recorded:.0} requests/s"),
        };
        let dropping = match begins {
            None => "no step drops any".to_owned(),
            Some(rate) => format!("dropping begins at the step of {rate}"),
        };
        let company = if self.company == Company::Neighbour { ", beside a neighbour" } else { "" };
        let events = 2.0 * CHOSEN_FOR * self.longest_gap.as_secs_f64();
        format!(
            "- {}{company}: {sustained} without a drop by the exporters; {dropping}. The longest gap is {:.1} ms; twice that at {CHOSEN_FOR} requests/s is {events:.0} events, which a ring of {} holds. The most events that came in a gap are {}.",
            self.runtime,
            millis(self.longest_gap),
            (events as u64).next_power_of_two(),
            self.high_water
        )
    }
}

/// What one run of a step came to.
struct RateStep {
    recorded: u64,
    elapsed: Duration,
    engine: Duration,
    exporters: Duration,
    /// From the first request until all was flushed.
    until_flushed: Duration,
    usage: Usage,
    ended: RunOutcome,
}

fn step<R: Runtime>(rate: u64, company: Company, args: &SustainedArgs) -> Result<RateStep, BenchError> {
    let work = trace::work(args.series as usize);
    let neighbour = if company == Company::Neighbour { Some(Neighbour::start()?) } else { None };
    // Leaked: recorders and exporters want it for ever, and a step's worth is small.
    let storage = Box::leak(Box::new(HeapStorage::new(work.names.len(), 2, args.ring)?));
    let exporters = Exporters::<R>::start(Settings::on(storage.registry()))?;
    let mut engine = EngineThread::new(exporters.recorder(), work);
    let backends = Backends::start(&exporters, args.packing, !args.no_drain)?;
    let before = exporters_cpu(&CpuTimes::now()?);
    let cpu = clock::cpu();
    let began = Instant::now();
    let recorded = engine.record(rate, Duration::from_secs(args.seconds), Duration::from_micros(args.slice));
    let elapsed = began.elapsed();
    let engine = clock::cpu() - cpu;
    let ended = backends.stop(&exporters)?;
    let until_flushed = began.elapsed();
    drop(neighbour);
    let exporters = exporters_cpu(&ended.cpu).saturating_sub(before);
    let usage = storage.registry().usage();
    Ok(RateStep { recorded, elapsed, engine, exporters, until_flushed, usage, ended })
}

/// CPU time of all threads but the engine's, the receivers' and the neighbour's.
fn exporters_cpu(times: &CpuTimes) -> Duration {
    times.without(&[&THREADS[..], &[Neighbour::THREAD]].concat())
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

    fn print(&self, runtime: &str, company: Company, rate: u64) {
        let requests = self.recorded.max(1) as f64;
        let (ring, buffer) = (self.dropped_for(DropReason::RingFull), self.dropped_for(DropReason::BufferFull));
        println!(
            "| {runtime} | {} | {rate} | {:.0} | {:.1} | {:.3} | {:.0} % | {:.1} | {} | {ring} | {buffer} | {} | {} | {} |",
            company.name(),
            self.recorded_per_second(),
            self.engine.as_nanos() as f64 / requests,
            self.exporters.as_secs_f64() * 1e6 / requests,
            100.0 * self.exporters.as_secs_f64() / self.until_flushed.as_secs_f64(),
            millis(self.usage.longest_gap),
            self.usage.ring_high_water,
            self.dropped() - ring - buffer,
            lost(self.ended.influxdb),
            lost(self.ended.statsd),
        );
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Datagrams that the kernel dropped, and their share.
fn lost(drained: DrainCounts) -> String {
    let DrainCounts { read, lost } = drained;
    match read {
        0 => lost.to_string(),
        _ => format!("{lost} ({:.1} %)", 100.0 * lost as f64 / (lost + read) as f64),
    }
}
