//! What the exporters cost a real load engine: the cli's, against a server in this process, exporters off and on.
//!
//! Off means that no exporter runs; requests are recorded all the same. Runs with and without alternate, at a fixed
//! offered load of half of what the engine does without exporters, then as fast as it goes, for each way to fill
//! datagrams. The order within a pair alternates too. A pair counts only if its run without exporters reached the
//! offered load. Only the time after a warm-up counts. Latencies are those that the engine recorded.

use std::convert::Infallible;
use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::Parser;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use loaddensity_metrics_benches::backends::{Backends, BenchError, DatagramMode, THREADS};
use loaddensity_metrics_benches::choice::RuntimeChoice;
use loaddensity_metrics_benches::interrupt;
use loaddensity_metrics_benches::process::CpuTimes;
use loaddensity_metrics_benches::spread::{Spread, quantile};
use loaddensity_metrics_cli::engine::{self, LoadTest, RequestTask, TargetUrl};
use loaddensity_metrics_cli::receivers::ServerThread;
use loaddensity_metrics_core::{Distributions, HeapStorage};
use loaddensity_metrics_shell::hyper_io::HyperIo;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporters, Registry, Settings};
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

/// Runs the cli's load engine against a server in this process, with the exporters off and all four on, in turns:
/// latencies and CPU at half of saturation, then saturated throughput. Prints Markdown tables.
#[derive(Debug, Parser)]
#[command(name = "engine")]
struct EngineArgs {
    /// The runtime of engine, server and exporters.
    #[arg(long, value_enum, default_value_t = RuntimeChoice::Tokio)]
    runtime: RuntimeChoice,
    /// Pairs of runs, one off and one on.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pairs: u32,
    /// Rounds of the saturated runs, each of all ways to fill datagrams; 0 leaves them out.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    rounds: u32,
    /// How long a run is measured.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// Offered load of the pairs in requests a second; half of saturation if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Concurrent users.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: u32,
    /// How the pairs fill datagrams.
    #[arg(long, value_enum, default_value_t = DatagramMode::PackedOffload)]
    packing: DatagramMode,
    /// Don't read what arrives over UDP.
    #[arg(long)]
    no_drain: bool,
}

/// Names of the threads of engine and server.
const ENGINE: &str = "load-engine";
const SERVER: &str = "http-server";
/// What the server answers.
const BODY: [u8; 1_024] = [b'x'; 1_024];
/// Connections are open and caches warm after this long.
const WARM_UP: Duration = Duration::from_millis(500);
/// Runs that tell what saturation is.
const SATURATIONS: usize = 5;
/// How far the run without exporters may be from the offered load, as a share of it, in a pair that counts.
const RATE_TOLERANCE: f64 = 0.05;

fn main() -> ExitCode {
    let args = EngineArgs::parse();
    let run = || -> Result<(), BenchError> {
        interrupt::install()?;
        if args.runtime.has_smol() {
            Bench::<Smol>::new("smol", &args)?.run()?;
        }
        if args.runtime.has_tokio() {
            Bench::<Tokio>::new("tokio", &args)?.run()?;
        }
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Bench<'a, R> {
    name: &'a str,
    args: &'a EngineArgs,
    server: ServerThread,
    runtime: std::marker::PhantomData<R>,
}

/// What one run came to.
#[derive(Clone, Copy)]
struct RunFigures {
    requests_per_second: f64,
    /// Milliseconds.
    p50: f64,
    p99: f64,
    p999: f64,
    /// Microseconds of CPU a request.
    engine: f64,
    exporters: f64,
}

impl<'a, R: Runtime> Bench<'a, R> {
    fn new(name: &'a str, args: &'a EngineArgs) -> io::Result<Self> {
        Ok(Self { name, args, server: serve::<R>()?, runtime: std::marker::PhantomData })
    }

    fn run(&self) -> Result<(), BenchError> {
        let saturations: Vec<_> = self.several("saturation", SATURATIONS, |_| self.measure(None, None))?;
        let Some(saturation) = Spread::of(saturations.iter().map(|reading| reading.requests_per_second)) else {
            return Ok(());
        };
        println!("{}: saturated without exporters at {saturation:.0} requests/s.\n", self.name);
        // The smallest: the machine must keep up even while it is busier.
        let rate = self.args.rate.map_or(saturation.least / 2.0, f64::from).round();
        let pairs = self.several("pair", self.args.pairs as usize, |number| self.pair(number, rate))?;
        print_pairs(self.name, rate, self.args.packing, &pairs_at(rate, &pairs));
        let round = |_| -> Result<Vec<f64>, BenchError> {
            let ways = [None].into_iter().chain(DatagramMode::ALL.map(Some));
            ways.map(|way| self.measure(way, None).map(|reading| reading.requests_per_second)).collect()
        };
        print_saturated(self.name, &self.several("saturated round", self.args.rounds as usize, round)?);
        Ok(())
    }

    /// A run off and one on; which is first alternates with `number`.
    fn pair(&self, number: usize, rate: f64) -> Result<[RunFigures; 2], BenchError> {
        let off = || self.measure(None, Some(rate));
        let on = || self.measure(Some(self.args.packing), Some(rate));
        if number.is_multiple_of(2) {
            let on = on()?;
            return Ok([off()?, on]);
        }
        Ok([off()?, on()?])
    }

    /// Up to `times` runs, each with its number from 1 on, fewer if a signal comes.
    fn several<T>(
        &self,
        what: &str,
        times: usize,
        run: impl Fn(usize) -> Result<T, BenchError>,
    ) -> Result<Vec<T>, BenchError> {
        let mut all = Vec::with_capacity(times);
        for number in 1..=times {
            eprintln!("{}: {what} {number} of {times}", self.name);
            let one = run(number)?;
            if interrupt::pressed() {
                break;
            }
            all.push(one);
        }
        Ok(all)
    }

    /// One run; `None` for the packing: exporters off, `None` for the rate: as fast as it goes.
    fn measure(&self, packing: Option<DatagramMode>, rate: Option<f64>) -> Result<RunFigures, BenchError> {
        let storage = Box::leak(Box::new(HeapStorage::new(7, 4, 8_192)?));
        let exporters = Exporters::<R>::start(Settings::on(storage.registry()))?;
        let backends = packing.map(|packing| Backends::start(&exporters, packing, !self.args.no_drain)).transpose()?;
        let running = engine::start::<R>(self.load(rate)?, exporters.local_recorder())?;
        pause(WARM_UP);
        let before = Snapshot::take(exporters.registry())?;
        pause(Duration::from_secs(self.args.seconds));
        let after = Snapshot::take(exporters.registry())?;
        running.stop();
        running.join()?;
        if let Some(backends) = backends {
            let ended = backends.stop(&exporters)?;
            let dropped: u64 = ended.accounts.iter().map(|account| account.dropped.total()).sum();
            if dropped != 0 {
                eprintln!("the exporters dropped {dropped} requests");
            }
        }
        after.since(&before)
    }

    fn load(&self, rate: Option<f64>) -> Result<LoadTest, BenchError> {
        let target = TargetUrl::parse(&format!("http://{}/items", self.server.address()))?;
        Ok(LoadTest {
            users: self.args.users,
            spawn_rate: 10_000.0,
            duration: WARM_UP + Duration::from_secs(self.args.seconds + 60),
            max_rate: rate,
            traces: false,
            tasks: vec![RequestTask::new(Method::GET, target, "/items")],
        })
    }
}

/// An HTTP server that answers everything with 200 and a kilobyte.
fn serve<R: Runtime>() -> io::Result<ServerThread> {
    ServerThread::start::<R, _>(SERVER, |_: R, stream: R::Tcp, _| async {
        let service = service_fn(|_: Request<Incoming>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&BODY))))
        });
        // How a client leaves is its own affair.
        let _ = http1::Builder::new().serve_connection(HyperIo::new(stream), service).await;
    })
}

/// Sleeps, but not beyond a signal.
fn pause(time: Duration) {
    let began = Instant::now();
    while !interrupt::pressed() && began.elapsed() < time {
        thread::sleep(Duration::from_millis(20).min(time.saturating_sub(began.elapsed())));
    }
}

/// What had been recorded and used at one moment.
struct Snapshot {
    at: Instant,
    cpu: CpuTimes,
    distributions: Distributions,
}

impl Snapshot {
    fn take(registry: Registry<'static>) -> Result<Self, BenchError> {
        let distributions = registry.distributions().ok_or("the storage keeps exponential histograms")?;
        Ok(Self { at: Instant::now(), cpu: CpuTimes::now()?, distributions })
    }

    fn since(&self, before: &Self) -> Result<RunFigures, BenchError> {
        let latencies = self.distributions.since(&before.distributions).latency();
        let requests = latencies.count() as f64;
        let at = |share| quantile(&latencies, share).ok_or("no request was answered");
        let micros =
            |time: fn(&CpuTimes) -> Duration| (time(&self.cpu) - time(&before.cpu)).as_secs_f64() * 1e6 / requests;
        Ok(RunFigures {
            requests_per_second: requests / (self.at - before.at).as_secs_f64(),
            p50: at(0.5)?,
            p99: at(0.99)?,
            p999: at(0.999)?,
            engine: micros(|cpu| cpu.of(ENGINE)),
            exporters: micros(|cpu| cpu.without(&[THREADS[0], THREADS[1], THREADS[2], ENGINE, SERVER])),
        })
    }
}

/// A row of the table of pairs: what it is, how many decimals are shown, and where it is read.
type PairsRow = (&'static str, usize, fn(&RunFigures) -> f64);

const ROWS: [PairsRow; 7] = [
    ("requests/s", 0, |reading| reading.requests_per_second),
    ("p50 ms", 3, |reading| reading.p50),
    ("p99 ms", 3, |reading| reading.p99),
    ("p99.9 ms", 3, |reading| reading.p999),
    ("engine CPU µs/request", 3, |reading| reading.engine),
    ("exporters CPU µs/request", 3, |reading| reading.exporters),
    ("both CPU µs/request", 3, |reading| reading.engine + reading.exporters),
];

/// The pairs whose run without exporters was at the offered `rate`; prints a line for each of the others.
fn pairs_at(rate: f64, pairs: &[[RunFigures; 2]]) -> Vec<[RunFigures; 2]> {
    let mut kept = Vec::with_capacity(pairs.len());
    for (number, pair) in (1..).zip(pairs) {
        let reached = pair[0].requests_per_second;
        if (reached / rate - 1.0).abs() <= RATE_TOLERANCE {
            kept.push(*pair);
        } else {
            println!("Pair {number} is left out: off reached {reached:.0} of {rate:.0} requests/s offered.\n");
        }
    }
    kept
}

fn print_pairs(runtime: &str, rate: f64, packing: DatagramMode, pairs: &[[RunFigures; 2]]) {
    println!(
        "{runtime}: {} pairs at {rate:.0} requests/s offered, {}; medians (least to most).\n",
        pairs.len(),
        packing.name()
    );
    println!("| | off | on | on beside off, pair by pair | on is higher in | off beside the off before |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (name, decimals, of) in ROWS {
        let side = |side: usize| Spread::of(pairs.iter().map(|pair| of(&pair[side])));
        let (Some(off), Some(on)) = (side(0), side(1)) else { return };
        let higher = pairs.iter().filter(|[off, on]| of(on) > of(off)).count();
        let change = |from: &RunFigures, to: &RunFigures| 100.0 * (of(to) / of(from) - 1.0);
        // Nothing to compare with where one side is zero.
        let changes = Spread::of(pairs.iter().map(|[off, on]| change(off, on)).filter(|change| change.is_finite()));
        let noise = pairs.windows(2).map(|two| change(&two[0][0], &two[1][0])).filter(|change| change.is_finite());
        let percent =
            |spread: Option<Spread>| spread.map_or_else(|| "–".to_owned(), |spread| format!("{spread:+.1} %"));
        println!(
            "| {name} | {off:.decimals$} | {on:.decimals$} | {} | {higher} of {} | {} |",
            percent(changes),
            pairs.len(),
            percent(Spread::of(noise)),
        );
    }
    println!();
}

fn print_saturated(runtime: &str, rounds: &[Vec<f64>]) {
    println!("{runtime}: saturated, {} rounds; medians (least to most).\n", rounds.len());
    println!("| exporters | requests/s | beside off in the same round |");
    println!("|---|--:|--:|");
    for (at, name) in ["off"].into_iter().chain(DatagramMode::ALL.map(DatagramMode::name)).enumerate() {
        let Some(rate) = Spread::of(rounds.iter().map(|round| round[at])) else { return };
        let Some(change) = Spread::of(rounds.iter().map(|round| 100.0 * (round[at] / round[0] - 1.0))) else { return };
        println!("| {name} | {rate:.0} | {change:+.1} % |");
    }
    println!();
}
