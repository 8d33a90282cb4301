//! Resident memory against series and recorders, against requests, while a large registry is scraped, and before and after
//! buckets need their wide words.
//!
//! Each measurement is a process of its own (this binary, started again), so that none finds pages of another.
//! Resident memory is that of the kernel, `/proc/self/statm`, less what the process had before its storage was made.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use loaddensity_metrics_benches::backends::BenchError;
use loaddensity_metrics_benches::interrupt;
use loaddensity_metrics_benches::ours::{self, HistogramKind};
use loaddensity_metrics_benches::process::{self, CpuTimes, resident};
use loaddensity_metrics_benches::residency::{self, HOT, HotResidency, StorageLoad};
use loaddensity_metrics_benches::scraper::{PageScraper, ScrapedPage, scrape};
use loaddensity_metrics_benches::trace::{self, EVENTS};
use loaddensity_metrics_core::otlp;
use loaddensity_metrics_core::{HeapStorage, Outcome, Recorder, Registry, Sample, Series};
use loaddensity_metrics_cost::memory;
use loaddensity_metrics_shell::{
    InfluxdbConfig, InfluxdbUrl, OpenTelemetryConfig, PrometheusConfig, Settings, Temporality,
};
use loaddensity_metrics_tokio::Exporters;

/// Measures resident memory against series and recorders, against requests, while 100,000 series are scraped, and before and
/// after buckets need their wide words. Prints Markdown tables; some minutes, and up to 6 GiB.
#[derive(Debug, Parser)]
#[command(name = "memory")]
struct MemoryArgs {
    /// Only these tables.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = MemoryTable::ALL)]
    only: Vec<MemoryTable>,
    /// Series of the first table.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    series: Vec<u32>,
    /// Recorders of the first table, each with a shard of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 12], value_parser = clap::value_parser!(u32).range(1..=1_000))]
    shards: Vec<u32>,
    /// Storage that would need more is left out, in GiB.
    #[arg(long, value_name = "GIB", default_value_t = 6)]
    at_most: usize,
    /// Millions of requests of the second table.
    #[arg(long, value_delimiter = ',', value_name = "MILLIONS", default_values_t = [1, 10, 100], value_parser = clap::value_parser!(u64).range(1..))]
    millions: Vec<u64>,
    /// Series of the third table.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000], value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    scraped: Vec<u32>,
    /// Series of the fourth table.
    #[arg(long, default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    intervals: u32,
    /// Series and recorders of the fifth table.
    #[arg(long, value_name = "SERIESxRECORDERS", value_delimiter = ',', default_values_t = LOADS)]
    loads: Vec<StorageLoad>,
    /// How long a row of the fifth table may record equal requests. The rest of the pairs of series and recorder is extrapolated
    /// then, and the row says so. 0 leaves this out.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    hot_seconds: u64,
    /// Measures one thing and prints it: how this binary starts itself.
    #[command(subcommand)]
    one: Option<MemoryCommand>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MemoryTable {
    /// The first.
    Series,
    Requests,
    Scrapes,
    Intervals,
    /// The fifth.
    Residency,
}

impl MemoryTable {
    const ALL: [Self; 5] = [Self::Series, Self::Requests, Self::Scrapes, Self::Intervals, Self::Residency];
}

#[derive(Clone, Debug, Subcommand)]
#[command(hide = true)]
enum MemoryCommand {
    /// Resident bytes of a storage after every recorder has recorded into every series.
    Series { kind: HistogramKind, series: usize, shards: usize },
    /// Resident bytes after each of these millions of requests.
    Requests {
        #[arg(long)]
        scraped: bool,
        millions: Vec<u64>,
    },
    /// A scrape of so many series.
    Scrape { series: usize },
    /// Resident bytes that an exporter of intervals takes for so many series.
    Intervals { which: IntervalExporter, kind: HistogramKind, series: usize },
    /// Resident bytes after requests all over, and after the hot loop.
    Residency {
        #[arg(long)]
        failures: bool,
        load: StorageLoad,
        hot_seconds: u64,
    },
}

/// An exporter that sends what came in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IntervalExporter {
    Influxdb,
    Otlp,
}

impl IntervalExporter {
    const fn name(self) -> &'static str {
        match self {
            Self::Influxdb => "InfluxDB, points per interval",
            Self::Otlp => "OTLP over HTTP, delta",
        }
    }

    const fn argument(self) -> &'static str {
        match self {
            Self::Influxdb => "influxdb",
            Self::Otlp => "otlp",
        }
    }

    fn start(self, exporters: &Exporters, kind: HistogramKind, server: SocketAddr) -> Result<(), BenchError> {
        match self {
            Self::Influxdb => exporters.start_influxdb_sink(
                InfluxdbConfig::default()
                    .target(InfluxdbUrl::new(format!("http://{server}/write?db=load")))
                    .aggregate(true)
                    .interval(INTERVAL),
            )?,
            Self::Otlp => exporters.start_opentelemetry_exporter(
                OpenTelemetryConfig::http()
                    .interval(INTERVAL)
                    .temporality(Temporality::Delta)
                    .histograms(if kind == HistogramKind::Exponential {
                        otlp::HistogramAggregation::Exponential
                    } else {
                        otlp::HistogramAggregation::Explicit
                    })
                    .endpoint(format!("http://{server}")),
            )?,
        };
        Ok(())
    }
}

/// Bytes per series and recorder.
const fn counter_bytes(kind: HistogramKind) -> usize {
    match kind {
        HistogramKind::Exponential => memory::COUNTERS as usize,
        HistogramKind::Classic => memory::CLASSIC_COUNTERS as usize,
    }
}

fn storage(kind: HistogramKind, series: usize, shards: usize) -> Result<HeapStorage, BenchError> {
    Ok(match kind {
        HistogramKind::Exponential => HeapStorage::new(series, shards, RING)?,
        HistogramKind::Classic => HeapStorage::classic(series, shards, RING)?,
    })
}

const RING: usize = 8_192;
/// Bytes per series that all recorders share: labels for all formats, and the index.
const ENTRY: usize = memory::LABELS as usize;
/// Series of the second table.
const SERIES: usize = 100;
/// How often scrapes are looked at, and scrapes of the third table.
const LOOK: Duration = Duration::from_millis(1);
const SCRAPES: usize = 5;

/// Intervals of the fourth table, and how long one lasts.
const INTERVALS: usize = 6;
const INTERVAL: Duration = Duration::from_millis(500);

/// Of the fifth table.
const LOADS: [StorageLoad; 3] = [
    StorageLoad { series: 500, recorders: 12 },
    StorageLoad { series: 3_000, recorders: 64 },
    StorageLoad { series: 100_000, recorders: 8 },
];
/// Requests of the fifth table, all over series and recorders.
const SPREAD: usize = 10_000_000;

fn main() -> ExitCode {
    let args = MemoryArgs::parse();
    let run = || match &args.one {
        None => interrupt::install().map_err(BenchError::from).and_then(|()| all(&args)),
        Some(MemoryCommand::Series { kind, series, shards }) => of_series(*kind, *series, *shards),
        Some(MemoryCommand::Requests { scraped, millions }) => of_requests(*scraped, millions),
        Some(MemoryCommand::Scrape { series }) => of_scrape(*series),
        Some(MemoryCommand::Intervals { which, kind, series }) => of_intervals(*which, *kind, *series),
        Some(MemoryCommand::Residency { failures, load, hot_seconds }) => of_residency(*failures, *load, *hot_seconds),
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all(args: &MemoryArgs) -> Result<(), BenchError> {
    args.only.iter().try_for_each(|table| match table {
        MemoryTable::Series => all_series(args),
        MemoryTable::Requests => all_requests(args),
        MemoryTable::Scrapes => all_scrapes(args),
        MemoryTable::Intervals => all_intervals(args),
        MemoryTable::Residency => all_residency(args),
    })
}

fn all_series(args: &MemoryArgs) -> Result<(), BenchError> {
    println!(
        "\nResident MiB after every recorder has recorded into every series, both outcomes, over all latencies and sizes.\n"
    );
    println!(
        "| histograms | series | shards | MiB of the storage's size | resident MiB | resident bytes per series and shard |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for kind in [HistogramKind::Exponential, HistogramKind::Classic] {
        for (series, shards) in
            args.series.iter().flat_map(|series| args.shards.iter().map(move |shards| (series, shards)))
        {
            // The spill shard's pages stay untouched.
            let size = *series as usize * (ENTRY + counter_bytes(kind) * *shards as usize);
            if size > args.at_most << 30 {
                println!("| {} | {series} | {shards} | {:.1} | left out | |", kind.name(), mib(size));
            } else if !interrupt::pressed() {
                again(&["series", kind.name(), &series.to_string(), &shards.to_string()])?;
            }
        }
    }
    Ok(())
}

fn all_requests(args: &MemoryArgs) -> Result<(), BenchError> {
    println!("\nResident MiB after so many requests of one recorder into {SERIES} series.\n");
    let millions: Vec<_> = args.millions.iter().map(u64::to_string).collect();
    println!("| | {} M |\n|---|{}", millions.join(" M | "), "--:|".repeat(millions.len()));
    let requests: Vec<_> = ["requests"].into_iter().chain(millions.iter().map(String::as_str)).collect();
    again(&requests)?;
    again(&[&requests[..], &["--scraped"]].concat())
}

fn all_scrapes(args: &MemoryArgs) -> Result<(), BenchError> {
    println!("\nScrapes through the exporter's HTTP server, classic histograms, the least CPU of {SCRAPES} scrapes.\n");
    println!(
        "| series | lines | page MB | resident MiB before | most during | exporters CPU ns/line | from asking to the last byte, ns/line |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    args.scraped.iter().try_for_each(|series| again(&["scrape", &series.to_string()]))
}

fn all_intervals(args: &MemoryArgs) -> Result<(), BenchError> {
    println!(
        "\nExporters of intervals, in each of which every series has requests, to a server that takes everything.\n"
    );
    println!(
        "| exporter | histograms of the storage | series | resident MiB after its start | most after {INTERVALS} intervals |"
    );
    println!("|---|---|--:|--:|--:|");
    let rows = [
        (IntervalExporter::Influxdb, HistogramKind::Exponential),
        (IntervalExporter::Otlp, HistogramKind::Classic),
        (IntervalExporter::Otlp, HistogramKind::Exponential),
    ];
    rows.into_iter()
        .try_for_each(|(which, kind)| again(&["intervals", which.argument(), kind.name(), &args.intervals.to_string()]))
}

fn all_residency(args: &MemoryArgs) -> Result<(), BenchError> {
    println!(
        "\nMiB of the default's storage: addressed (by the types, rings of {RING} events included), resident after {} million \
         requests over all series and recorders, and after {HOT} equal requests more in each pair of them, which need a wide \
         word of latency and one of size. The rings are untouched.\n",
        SPREAD / 1_000_000
    );
    println!("| series | recorders | outcomes | addressed | after {} M | and {HOT} in each pair |", SPREAD / 1_000_000);
    println!("|--:|--:|---|--:|--:|--:|");
    for load in &args.loads {
        if load.most() > (args.at_most as u64) << 30 {
            let StorageLoad { series, recorders } = load;
            println!("| {series} | {recorders} | left out | | | |");
            continue;
        }
        let (load, seconds) = (load.to_string(), args.hot_seconds.to_string());
        again(&["residency", &load, &seconds])?;
        again(&["residency", &load, &seconds, "--failures"])?;
    }
    Ok(())
}

/// Runs this binary for one measurement, which prints its own row.
fn again(arguments: &[&str]) -> Result<(), BenchError> {
    if interrupt::pressed() {
        return Ok(());
    }
    eprintln!("measuring {}", arguments.join(" "));
    print!("{}", process::again(arguments)?);
    Ok(())
}

fn of_series(kind: HistogramKind, series: usize, shards: usize) -> Result<(), BenchError> {
    let before = resident()?;
    let storage = storage(kind, series, shards)?;
    let registry = storage.registry();
    let mut recorders: Vec<_> = (0..shards).map(|_| registry.recorder()).collect();
    for number in 0..series {
        let series = registry.series("GET", &format!("/api/v1/items/{number:08}"));
        recorders.iter_mut().for_each(|recorder| record_everywhere(recorder, series));
    }
    let grown = resident()? - before;
    if registry.usage().series != series {
        return Err("a series was folded".into());
    }
    let size = series * (ENTRY + counter_bytes(kind) * shards);
    println!(
        "| {} | {series} | {shards} | {:.1} | {:.1} | {:.0} |",
        kind.name(),
        mib(size),
        mib(grown),
        grown as f64 / (series * shards) as f64
    );
    Ok(())
}

/// Requests of both outcomes that reach every page of a series' histograms: latencies of 1 µs to 34 min, sizes of 1 B to
/// 2 GiB.
fn record_everywhere(recorder: &mut Recorder<'_>, series: Series) {
    for outcome in [Outcome::Success, Outcome::Failure] {
        for power in 0..32 {
            let latency = Duration::from_micros(1 << power);
            recorder.record(series, Sample::new(outcome, latency).response_bytes(1 << power));
        }
    }
}

fn of_requests(scraped: bool, millions: &[u64]) -> Result<(), BenchError> {
    let storage = Box::leak(Box::new(HeapStorage::new(SERIES, 2, RING)?));
    let exporters = Exporters::start(Settings::on(storage.registry()))?;
    let page = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0))?;
    let scraper = scraped.then(|| PageScraper::start(page, Duration::from_secs(1))).transpose()?;
    let work = trace::work(SERIES);
    let mut recorder = exporters.recorder();
    let series = ours::handles(&mut recorder, work);
    let (mut done, mut row) = (0, Vec::new());
    for millions in millions {
        let end = millions * 1_000_000;
        for position in done..end {
            let event = &work.events[position as usize % EVENTS];
            recorder.record(series[event.series as usize], event.sample(trace::completed_at(position as usize)));
        }
        done = end.max(done);
        if scraped {
            // What a scrape takes is there before the first reading.
            scrape(page)?;
        }
        row.push(format!("{:.2}", mib(resident()?)));
    }
    println!("| {} | {} |", if scraped { "scraped every second" } else { "never scraped" }, row.join(" | "));
    scraper.map_or(Ok(()), |scraper| scraper.last().and_then(|_| scraper.finish()))?;
    Ok(())
}

fn of_scrape(series: usize) -> Result<(), BenchError> {
    let storage = Box::leak(Box::new(storage(HistogramKind::Classic, series, 1)?));
    let registry: Registry<'static> = storage.registry();
    let mut recorder = registry.recorder();
    for number in 0..series {
        let series = registry.series("GET", &format!("/api/v1/items/{number:08}"));
        record_everywhere(&mut recorder, series);
    }
    let exporters = Exporters::start(Settings::on(registry))?;
    let page = exporters.start_prometheus_exporter(PrometheusConfig::default().port(0))?;
    let (before, watch) = (resident()?, PeakWatcher::start()?);
    let mut best: Option<(ScrapedPage, Duration)> = None;
    for _ in 0..SCRAPES {
        let cpu = CpuTimes::now()?.without(&[PeakWatcher::THREAD]);
        let page = scrape(page)?;
        let cpu = CpuTimes::now()?.without(&[PeakWatcher::THREAD]) - cpu;
        if best.is_none_or(|(_, least)| cpu < least) {
            best = Some((page, cpu));
        }
    }
    let most = watch.finish()?;
    let Some((page, cpu)) = best else { return Err("no scrape".into()) };
    let per_line = |time: Duration| time.as_nanos() as f64 / page.lines as f64;
    println!(
        "| {series} | {} | {:.1} | {:.2} | +{:.2} | {:.1} | {:.1} |",
        page.lines,
        page.bytes as f64 / 1e6,
        mib(before),
        mib(most.saturating_sub(before)),
        per_line(cpu),
        per_line(page.elapsed),
    );
    Ok(())
}

fn of_intervals(which: IntervalExporter, kind: HistogramKind, series: usize) -> Result<(), BenchError> {
    let storage = Box::leak(Box::new(storage(kind, series, 1)?));
    let registry: Registry<'static> = storage.registry();
    let mut recorder = registry.recorder();
    let series: Vec<_> =
        (0..series).map(|number| registry.series("GET", &format!("/api/v1/items/{number:08}"))).collect();
    series.iter().for_each(|series| record_everywhere(&mut recorder, *series));
    let server = accept_everything()?;
    let exporters = Exporters::start(Settings::on(registry))?;
    let before = resident()?;
    which.start(&exporters, kind, server)?;
    let (after, watch) = (resident()?, PeakWatcher::start()?);
    for _ in 0..INTERVALS {
        series.iter().for_each(|series| record_everywhere(&mut recorder, *series));
        thread::sleep(INTERVAL);
    }
    let most = watch.finish()?;
    for status in exporters.status() {
        if let Some(error) = status.last_error {
            return Err(error.into());
        }
        if status.account.sent == 0 {
            return Err("nothing was sent".into());
        }
    }
    println!(
        "| {} | {} | {} | +{:.2} | +{:.2} |",
        which.name(),
        kind.name(),
        series.len(),
        mib(after.saturating_sub(before)),
        mib(most.saturating_sub(before))
    );
    Ok(())
}

fn of_residency(failures: bool, load: StorageLoad, hot_seconds: u64) -> Result<(), BenchError> {
    let (name, outcomes) = if failures { ("both", &Outcome::ALL[..]) } else { ("successes", &[Outcome::Success][..]) };
    let residency = residency::measure(load, outcomes, SPREAD, Duration::from_secs(hot_seconds))?;
    let hot = match residency.after_hot {
        None => "left out".to_owned(),
        Some(HotResidency { bytes, share: 1.0 }) => format!("{:.1}", mib(bytes as usize)),
        Some(HotResidency { bytes, share }) => {
            format!("{:.1}, extrapolated from {:.1} % of the pairs", mib(bytes as usize), 100.0 * share)
        }
    };
    let StorageLoad { series, recorders } = load;
    let [addressed, after_spread] = [residency.addressed, residency.after_spread].map(|bytes| mib(bytes as usize));
    println!("| {series} | {recorders} | {name} | {addressed:.1} | {after_spread:.1} | {hot} |");
    Ok(())
}

/// A server that accepts every HTTP/1.1 request.
fn accept_everything() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(&stream));
        }
    });
    Ok(address)
}

fn serve(stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line)? != 0 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
            (&mut &*stream).write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        }
        line.clear();
    }
    Ok(())
}

/// A thread that notes the peak of resident memory.
struct PeakWatcher {
    /// Dropped to end the thread.
    stop: Sender<()>,
    thread: JoinHandle<io::Result<usize>>,
}

impl PeakWatcher {
    const THREAD: &'static str = "memory-watch";

    fn start() -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel::<()>();
        let body = move || {
            let mut most = 0;
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                most = resident()?.max(most);
            }
            Ok(most)
        };
        Ok(Self { stop, thread: thread::Builder::new().name(Self::THREAD.into()).spawn(body)? })
    }

    /// Ends it; returns the peak in bytes.
    fn finish(self) -> io::Result<usize> {
        drop(self.stop);
        self.thread.join().map_err(|_| io::Error::other("the watch panicked"))?
    }
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
