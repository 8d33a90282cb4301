//! What datagrams cost the exporters' side: CPU time and system calls per million requests, sent one by one and by
//! segmentation offload, on each runtime. Prints a Markdown table.
//!
//! `cargo run --profile bench -p loaddensity-metrics-benches --bin udp [-- RATE [SECONDS [ROUNDS]]]`
//!
//! The main thread records at a fixed rate into exporters that have a thread of their own; a third thread reads what
//! arrives over the loopback interface. CPU of the exporters is that of the process less that of those two threads.
//! Plain and offloaded runs alternate, and the one that took the least CPU is shown. System calls are those at the UDP
//! socket, counted by a runtime around the real one. What the receiver's socket has no room for is lost there.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_benches::backends::{BenchError, ONE_LINE, PACKED};
use loaddensity_metrics_benches::{clock, trace};
use loaddensity_metrics_core::{HeapStorage, Timestamp};
use loaddensity_metrics_shell::runtime::{self, Runtime, UdpOptions};
use loaddensity_metrics_shell::{Account, Exporters, InfluxdbConfig, InfluxdbUdp, Settings, StatsdConfig};
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;
use rustix::time::{ClockId, clock_gettime};

/// Series of the load.
const SERIES: usize = 100;

fn main() -> Result<(), BenchError> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let load = UdpLoad { rate: number(50_000)?, seconds: number(2)?, rounds: number(3)? };
    // Made here, so that no run pays for it.
    let _ = trace::work(SERIES);
    println!("{} requests a second for {} s, the best of {} rounds.\n", load.rate, load.seconds, load.rounds);
    println!(
        "| runtime | mode | sending | datagrams/request | calls/Mrequests | datagrams/call | CPU s/Mrequests | plain/this | dropped | lost at the receiver |"
    );
    println!("|---|---|---|--:|--:|--:|--:|--:|--:|--:|");
    table::<Smol>("smol", load)?;
    table::<Tokio>("tokio", load)
}

#[derive(Clone, Copy)]
struct UdpLoad {
    /// Requests a second.
    rate: u64,
    seconds: u64,
    rounds: u64,
}

#[derive(Clone, Copy)]
enum SendMode {
    StatsdMessages,
    StatsdPacked,
    InfluxdbLines,
    InfluxdbPacked,
}

impl SendMode {
    const ALL: [Self; 4] = [Self::StatsdMessages, Self::StatsdPacked, Self::InfluxdbLines, Self::InfluxdbPacked];

    const fn name(self) -> &'static str {
        match self {
            Self::StatsdMessages => "DogStatsD, a datagram each",
            Self::StatsdPacked => "DogStatsD, packed",
            Self::InfluxdbLines => "InfluxDB, a datagram each",
            Self::InfluxdbPacked => "InfluxDB, packed",
        }
    }
}

fn table<R: Runtime>(runtime: &str, load: UdpLoad) -> Result<(), BenchError> {
    for mode in SendMode::ALL {
        let mut best: [Option<UdpRun>; 2] = [None, None];
        for _ in 0..load.rounds {
            for (offload, best) in [false, true].into_iter().zip(&mut best) {
                let run = run::<R>(mode, offload, load)?;
                if best.as_ref().is_none_or(|best| run.cpu < best.cpu) {
                    *best = Some(run);
                }
            }
        }
        let [Some(plain), Some(offloaded)] = best else { return Err("no rounds".into()) };
        for (sending, run) in [("plain", &plain), ("offload", &offloaded)] {
            run.print(runtime, mode, sending, plain.cpu_per_million());
        }
    }
    Ok(())
}

/// What one run took.
struct UdpRun {
    account: Account,
    cpu: Duration,
    calls: u64,
    datagrams: u64,
    arrived: u64,
}

impl UdpRun {
    fn millions(&self) -> f64 {
        self.account.sent as f64 / 1e6
    }

    fn cpu_per_million(&self) -> f64 {
        self.cpu.as_secs_f64() / self.millions()
    }

    fn print(&self, runtime: &str, mode: SendMode, sending: &str, plain: f64) {
        let Self { account, calls, datagrams, arrived, .. } = self;
        let cpu = self.cpu_per_million();
        println!(
            "| {runtime} | {} | {sending} | {:.2} | {:.0} | {:.1} | {cpu:.3} | {:.1} | {} | {:.1} % |",
            mode.name(),
            *datagrams as f64 / account.sent as f64,
            *calls as f64 / self.millions(),
            *datagrams as f64 / *calls as f64,
            plain / cpu,
            account.dropped.total(),
            100.0 * (datagrams - arrived) as f64 / *datagrams as f64,
        );
    }
}

fn run<R: Runtime>(mode: SendMode, offload: bool, load: UdpLoad) -> Result<UdpRun, BenchError> {
    let storage: &'static HeapStorage = Box::leak(Box::new(HeapStorage::new(SERIES, 1, 32_768)?));
    let receiver = DatagramCounter::start()?;
    let exporters: Exporters<CountingRuntime<R>> = Exporters::start(Settings::on(storage.registry()))?;
    let (calls, datagrams) = (CALLS.load(Ordering::SeqCst), DATAGRAMS.load(Ordering::SeqCst));
    start(&exporters, mode, receiver.address, offload)?;
    let before = (process_cpu(), clock::cpu());
    record(&exporters, load);
    let account = match mode {
        SendMode::StatsdMessages | SendMode::StatsdPacked => exporters.stop_statsd_sink()?,
        SendMode::InfluxdbLines | SendMode::InfluxdbPacked => exporters.stop_influxdb_sink()?,
    };
    let account = account.ok_or("the exporter did not run")?;
    exporters.shutdown(Duration::from_secs(1));
    let (arrived, receiver_cpu) = receiver.finish()?;
    let engine = clock::cpu() - before.1;
    Ok(UdpRun {
        account,
        cpu: (process_cpu() - before.0).saturating_sub(engine + receiver_cpu),
        calls: CALLS.load(Ordering::SeqCst) - calls,
        datagrams: DATAGRAMS.load(Ordering::SeqCst) - datagrams,
        arrived,
    })
}

fn start<R: Runtime>(
    exporters: &Exporters<R>,
    mode: SendMode,
    to: SocketAddr,
    offload: bool,
) -> Result<(), BenchError> {
    let port = to.port();
    let statsd = StatsdConfig::default().port(port).segmentation_offload(offload);
    let target = InfluxdbUdp::new("127.0.0.1", port);
    let influxdb = InfluxdbConfig::default().target(target).segmentation_offload(offload);
    match mode {
        SendMode::StatsdMessages => exporters.start_statsd_sink(statsd)?,
        SendMode::StatsdPacked => exporters.start_statsd_sink(statsd.datagram_bytes(PACKED).fill_datagrams(true))?,
        SendMode::InfluxdbLines => {
            exporters.start_influxdb_sink(influxdb.datagram_bytes(ONE_LINE))?;
        }
        SendMode::InfluxdbPacked => exporters.start_influxdb_sink(influxdb.datagram_bytes(PACKED))?,
    }
    Ok(())
}

/// Records the trace over and over at the rate of `load`, a little every half millisecond.
fn record<R: Runtime>(exporters: &Exporters<R>, load: UdpLoad) {
    let (mut recorder, work) = (exporters.recorder(), trace::work(SERIES));
    let names = work.names.iter();
    let series: Vec<_> = names.map(|(method, name)| recorder.series(method, name)).collect();
    let (start, requests) = (Instant::now(), load.rate * load.seconds);
    let mut events = work.events.iter().cycle();
    let mut recorded = 0;
    while recorded < requests {
        let due = ((start.elapsed().as_secs_f64() * load.rate as f64) as u64).min(requests).max(recorded);
        for (position, event) in (recorded..due).zip(&mut events) {
            let sample = event.sample(trace::completed_at(position as usize));
            recorder.record(series[event.series as usize], sample);
        }
        recorded = due;
        thread::sleep(Duration::from_micros(500));
    }
}

/// Reads and counts datagrams until an empty one comes.
struct DatagramCounter {
    address: SocketAddr,
    thread: thread::JoinHandle<io::Result<(u64, Duration)>>,
}

impl DatagramCounter {
    fn start() -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let address = socket.local_addr()?;
        let thread = thread::spawn(move || {
            let (mut datagram, mut arrived) = ([0; 65_536], 0);
            while socket.recv(&mut datagram)? != 0 {
                arrived += 1;
            }
            Ok((arrived, clock::cpu()))
        });
        Ok(Self { address, thread })
    }

    /// Datagrams that arrived, and the CPU that reading them took.
    fn finish(self) -> Result<(u64, Duration), BenchError> {
        let end = UdpSocket::bind("127.0.0.1:0")?;
        while !self.thread.is_finished() {
            // A full buffer has no room for the end either.
            end.send_to(&[], self.address)?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(self.thread.join().map_err(|_| "the receiver panicked")??)
    }
}

/// CPU time that this process has used.
fn process_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

static CALLS: AtomicU64 = AtomicU64::new(0);
static DATAGRAMS: AtomicU64 = AtomicU64::new(0);

/// A runtime that counts what its UDP sockets are asked to send.
#[derive(Clone)]
struct CountingRuntime<R>(R);

struct CountingUdp<U>(U);

impl<U: runtime::UdpSocket> runtime::UdpSocket for CountingUdp<U> {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let sent = self.0.try_send(datagram)?;
        DATAGRAMS.fetch_add(1, Ordering::Relaxed);
        Ok(sent)
    }

    fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        let sent = self.0.try_send_segments(datagrams, segment)?;
        DATAGRAMS.fetch_add(sent as u64, Ordering::Relaxed);
        Ok(sent)
    }

    async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }
}

impl<R: Runtime> Runtime for CountingRuntime<R> {
    type Udp = CountingUdp<R::Udp>;
    type Tcp = R::Tcp;
    type Listener = R::Listener;
    type Task = R::Task;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        R::run(|runtime| main(Self(runtime)))
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> R::Task {
        self.0.spawn(future)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        self.0.sleep(duration)
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn wall_clock(&self) -> Timestamp {
        self.0.wall_clock()
    }

    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.resolve(host, port).await
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<Self::Udp> {
        self.0.udp_connect(options).await.map(CountingUdp)
    }

    async fn tcp_connect(&self, peer: SocketAddr) -> io::Result<R::Tcp> {
        self.0.tcp_connect(peer).await
    }

    async fn tcp_listen(&self, local: SocketAddr) -> io::Result<R::Listener> {
        self.0.tcp_listen(local).await
    }
}
