//! An engine's life: threads that come and go, exporters that are started and stopped, forks, and clocks that are set.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_end_to_end::load::settings;
use loaddensity_metrics_end_to_end::scraper::ScrapeClient;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Account, DropReason, Exporter, Exporters, HeapStorage, Registry, Sample, Settings};

use crate::backends::{any_page, influxdb_at, otlp_at};
use crate::course::{Course, Trouble};
use crate::far_backends::{FarBackends, FarRequests};
use crate::law::{account_of, check_settled, check_stored, shut_down, wait_until};
use crate::resources::Resources;
use crate::traffic::Traffic;

/// Engine threads in waves. Each claims a recorder, records over series that all have and one of its own, and ends, every
/// tenth by a panic.
pub(crate) fn threads_come_and_go<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    const THREADS: u64 = 5_000;
    // Fewer than a wave has threads: the others share the spill shard.
    const SHARDS: usize = 32;
    // Fewer than there are threads, so that series are folded too.
    const SERIES: usize = 512;
    // Once all series are there, and each thread has been on each shard: what is left is the storage's cells, which are zero pages
    // until they are counted in, and what the allocator keeps.
    const MOST_GROWTH: u64 = 16 << 10;
    let mut backends = FarBackends::start::<R>()?;
    let storage = HeapStorage::classic(SERIES, SHARDS, 16_384).map_err(|error| error.to_string())?;
    let registry = Box::leak(Box::new(storage)).registry();
    let exporters = Exporters::<R>::start(Settings::on(registry)).map_err(|error| error.to_string())?;
    let page = backends.start_all(&exporters)?;
    let (mut threads, mut recorded, mut most_shared, mut residents) = (0, 0, 0, Vec::new());
    while threads < THREADS {
        let wave = (50 + course.random.below(200) as u64).min(THREADS - threads);
        let requests = 100 + course.random.below(200) as u64;
        most_shared = most_shared.max(run_wave(registry, threads..threads + wave, requests)?);
        threads += wave;
        recorded += wave * requests;
        let usage = registry.usage();
        if (usage.recorders, usage.spill_recorders) != (0, 0) {
            return Err(format!("threads that have ended still have recorders: {usage:?}").into());
        }
        residents.push(Resources::now()?.resident);
        // Nothing is shown by requests that find no room.
        wait_until("what was recorded is sent", || {
            exporters
                .status()
                .iter()
                .all(|status| status.account.held < 8_192 || status.exporter == Exporter::Prometheus)
        })?;
    }
    course.saw(format!("{threads} threads in {} waves", residents.len()));
    let usage = registry.usage();
    if most_shared == 0 || usage.folded == 0 || usage.series != SERIES {
        return Err(format!("every thread found a shard or a series: {most_shared} shared, {usage:?}").into());
    }
    let (middle, end) = (residents[residents.len() / 2], residents[residents.len() - 1]);
    course.saw(format!("{} KiB after half of them, {end} KiB after all", middle));
    if end > middle + MOST_GROWTH {
        return Err(format!("memory grows from wave to wave: {residents:?} KiB").into());
    }
    let shown = ScrapeClient::connect(page).ask("GET", "/metrics").sums().requests;
    let report = shut_down(course, exporters, Duration::from_secs(60), recorded)?;
    for account in &report.accounts {
        if account.sent + account.dropped.get(DropReason::RingFull) != recorded {
            return Err(format!("with backends that take everything: {account:?}").into());
        }
    }
    let sent = |exporter| Ok::<_, Trouble>(account_of(&report, exporter)?.sent);
    let stored = FarRequests {
        points: sent(Exporter::Influxdb)?,
        repeated: 0,
        total: recorded,
        counted: sent(Exporter::Statsd)?,
    };
    let aggregates = [shown, sent(Exporter::Prometheus)?, sent(Exporter::OpenTelemetry)?];
    expect_stored(&mut backends, stored)?;
    if aggregates != [recorded; 3] {
        return Err(format!("{recorded} requests, and aggregates of {aggregates:?}").into());
    }
    Ok(())
}

/// Runs threads with these numbers side by side. How many shared a shard at the most.
fn run_wave(registry: Registry<'static>, numbers: std::ops::Range<u64>, requests: u64) -> Result<usize, Trouble> {
    let panics = |number: u64| number % 10 == 9;
    let threads: Vec<_> = numbers
        .map(|number| {
            let body = move || {
                let mut recorder = registry.recorder();
                let own = recorder.series("GET", &format!("/own/{number}"));
                let shared = ["/a", "/b", "/c"].map(|name| recorder.series("POST", name));
                for request in 0..requests {
                    let series = if request % 4 == 3 { own } else { shared[request as usize % 4] };
                    let status = if request % 10 == 0 { 500 } else { 200 };
                    recorder.record(series, Sample::http(status, Duration::from_millis(request)));
                    if request % 64 == 63 {
                        // So that threads of a wave are there together, and the pump has a chance.
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                if panics(number) {
                    // Without the hook's message: the recorder is dropped as the stack unwinds.
                    panic::resume_unwind(Box::new(number));
                }
                recorder.is_sharing()
            };
            Ok((number, thread::Builder::new().spawn(body)?))
        })
        .collect::<std::io::Result<_>>()?;
    let mut sharing = 0;
    for (number, thread) in threads {
        match thread.join() {
            Ok(is_sharing) if !panics(number) => sharing += usize::from(is_sharing),
            Err(_) if panics(number) => {}
            _ => return Err(format!("thread {number} ended otherwise than it should").into()),
        }
    }
    Ok(sharing)
}

/// Starts and stops of all four exporters in every order, while a thread records.
pub(crate) fn start_stop_cycles<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    const CYCLES: usize = 2_000;
    const SETTLED: usize = 100;
    // A socket, a task or a body that is not given back takes more than a KiB a cycle.
    const MOST_GROWTH: u64 = (CYCLES - SETTLED) as u64;
    let mut backends = FarBackends::start::<R>()?;
    let settings = settings(64);
    let mut traffic = Traffic::start(settings.registry, CYCLE_BATCH);
    let mut sums = [RunSums::default(); Exporter::ALL.len()];
    let mut settled = None;
    let mut cycle = 0;
    while cycle < CYCLES {
        let next = if cycle < SETTLED { SETTLED } else { CYCLES };
        let cycles = (1 + course.random.below(50)).min(next - cycle);
        cycle_for(course, Exporters::<R>::start(settings), &backends, &traffic, cycles, &mut sums)?;
        cycle += cycles;
        course.note(format!("{cycle} cycles: {:?}", Resources::now()?));
        if cycle == SETTLED {
            settled = Some(settle(None)?);
        }
    }
    let first = settled.ok_or_else(|| "no cycle was run".to_owned())?;
    let end = settle(Some(first))?;
    course.saw(format!("{CYCLES} cycles"));
    course.saw(format!("first {first:?}, at the end {end:?}"));
    if end.resident > first.resident + MOST_GROWTH {
        return Err(format!("memory grows from cycle to cycle: first {first:?}, at the end {end:?}").into());
    }
    let exporters = Exporters::<R>::start(settings).map_err(|error| error.to_string())?;
    exporters.start_opentelemetry_exporter(otlp_at(backends.receiver)).map_err(|error| error.to_string())?;
    let (recorded, slowest) = std::mem::replace(&mut traffic, Traffic::start(settings.registry, 0)).stop()?;
    exporters.shutdown(Duration::from_secs(20));
    traffic.stop()?;
    course.saw(format!("the slowest millisecond of the engine took {slowest:?}"));
    if slowest > Duration::from_secs(1) {
        return Err(format!("the engine was held up for {slowest:?}").into());
    }
    let of = |exporter| sums[exporter as usize];
    if sums.iter().any(|sum| sum.runs != CYCLES as u64 || sum.sent == 0) {
        return Err(format!("an exporter has not run each time: {sums:?}").into());
    }
    let (points, counted) = (of(Exporter::Influxdb).sent, of(Exporter::Statsd).sent);
    expect_stored(&mut backends, FarRequests { points, repeated: 0, total: recorded, counted })
}

/// Requests a millisecond while exporters come and go.
const CYCLE_BATCH: u64 = 5;

/// What the accounts of all runs of an exporter add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RunSums {
    runs: u64,
    recorded: u64,
    sent: u64,
}

impl RunSums {
    fn add(&mut self, account: &Account) {
        self.runs += 1;
        self.recorded += account.recorded;
        self.sent += account.sent;
    }
}

/// So many cycles with one handle of exporters, and its shutdown.
fn cycle_for<R: Runtime>(
    course: &mut Course,
    exporters: Result<Exporters<R>, loaddensity_metrics_shell::StartError>,
    backends: &FarBackends,
    traffic: &Traffic,
    cycles: usize,
    sums: &mut [RunSums; Exporter::ALL.len()],
) -> Result<(), Trouble> {
    let exporters = exporters.map_err(|error| error.to_string())?;
    let mut accounts = Vec::new();
    for _ in 0..cycles {
        let mut bounds = [(0, 0); Exporter::ALL.len()];
        for exporter in shuffled(course) {
            let before = traffic.recorded();
            start_one(&exporters, exporter, backends)?;
            bounds[exporter as usize] = (before, traffic.recorded() + CYCLE_BATCH);
        }
        let most = traffic.recorded();
        // As short as a run can be, or with some requests.
        if course.random.below(2) == 0 {
            wait_until("the engine records", || traffic.recorded() > most)?;
        }
        let before = traffic.recorded();
        let ended = stop_all(course, &exporters)?;
        let after = traffic.recorded() + CYCLE_BATCH;
        for account in ended {
            let (first, last) = bounds[account.exporter as usize];
            let possible = before.saturating_sub(last)..=after - first;
            check_settled(&account, account.recorded)?;
            if !possible.contains(&account.recorded) {
                return Err(format!("{possible:?} requests came between start and stop: {account:?}").into());
            }
            // An export shows what was recorded when it was made: what comes during the last one is in none.
            let (cause, most) = match account.exporter {
                Exporter::Prometheus => (DropReason::Unscraped, account.recorded),
                Exporter::OpenTelemetry => (DropReason::Deadline, after - before),
                _ => (DropReason::Deadline, 0),
            };
            if account.dropped.get(cause) != account.dropped.total() || account.dropped.total() > most {
                return Err(
                    format!("with a backend that takes everything, {most} at most are lost: {account:?}").into()
                );
            }
            accounts.push(account);
        }
    }
    let runs: Vec<_> = exporters.ended_runs().iter().map(|run| run.account).collect();
    let mut report = exporters.shutdown(Duration::from_secs(20)).accounts;
    accounts.sort_by_key(|account| account.exporter);
    for account in &accounts {
        sums[account.exporter as usize].add(account);
    }
    let mut by_exporter = runs;
    by_exporter.sort_by_key(|account| account.exporter);
    report.truncate(accounts.len() + 1);
    if by_exporter != accounts || report != accounts {
        return Err(format!("the runs that have ended are {by_exporter:?}, and the stops said {accounts:?}").into());
    }
    Ok(())
}

fn shuffled(course: &mut Course) -> [Exporter; Exporter::ALL.len()] {
    let mut order = Exporter::ALL;
    for last in (1..order.len()).rev() {
        order.swap(last, course.random.below(last + 1));
    }
    order
}

fn start_one<R: Runtime>(exporters: &Exporters<R>, exporter: Exporter, backends: &FarBackends) -> Result<(), Trouble> {
    let started = match exporter {
        Exporter::Prometheus => exporters.start_prometheus_exporter(any_page()).map(|page| {
            ScrapeClient::connect(page).ask("GET", "/metrics");
        }),
        Exporter::Influxdb => exporters.start_influxdb_sink(influxdb_at(backends.influxdb)),
        Exporter::Statsd => exporters.start_statsd_sink(backends.statsd()),
        Exporter::OpenTelemetry => exporters.start_opentelemetry_exporter(otlp_at(backends.receiver)),
        other => return Err(format!("nobody starts {other} here").into()),
    };
    Ok(started.map_err(|error| error.to_string())?)
}

/// Stops all side by side, or one after another in any order.
fn stop_all<R: Runtime>(course: &mut Course, exporters: &Exporters<R>) -> Result<Vec<Account>, Trouble> {
    if course.random.below(4) == 0 {
        return Ok(exporters.stop_all().map_err(|error| error.to_string())?);
    }
    let order = shuffled(course);
    let stopped = order.map(|exporter| match exporter {
        Exporter::Prometheus => exporters.stop_prometheus_exporter(),
        Exporter::Influxdb => exporters.stop_influxdb_sink(),
        Exporter::Statsd => exporters.stop_statsd_sink(),
        _ => exporters.stop_opentelemetry_exporter(),
    });
    let mut accounts = Vec::new();
    for account in stopped {
        let account = account.map_err(|error| error.to_string())?;
        accounts.push(account.ok_or_else(|| "an exporter that was started did not run".to_owned())?);
    }
    Ok(accounts)
}

/// What this process takes up, once it has as many threads and descriptors as before, or has no more to give back.
fn settle(before: Option<Resources>) -> Result<Resources, Trouble> {
    let begun = Instant::now();
    let mut last = Resources::now()?;
    // Threads for calls that block end after some time without such a call: async-io's and tokio's within ten seconds.
    while begun.elapsed() < Duration::from_secs(15) {
        thread::sleep(Duration::from_millis(50));
        last = Resources::now()?;
        let is_settled = before.map_or(begun.elapsed() > Duration::from_secs(2), |before| {
            (before.threads, before.descriptors) == (last.threads, last.descriptors)
        });
        if is_settled {
            return Ok(last);
        }
    }
    Err(format!("threads or descriptors are not given back: {before:?} before, {last:?} now").into())
}

/// Checks what the backends have. What was sent has arrived; that they have read it may take a moment.
fn expect_stored(backends: &mut FarBackends, expected: FarRequests) -> Result<(), Trouble> {
    let mut stored = backends.requests()?;
    for _ in 0..500 {
        if stored == expected {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
        stored = backends.requests()?;
    }
    Err(format!("the backends should have {expected:?}, and have {stored:?}").into())
}
