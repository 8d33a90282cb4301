//! An engine's life: threads that come and go, exporters that are started and stopped, forks, and clocks that are set.

use std::any::TypeId;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use loaddensity_metrics_conformance::{run, until};
use loaddensity_metrics_core::AccountKind;
use loaddensity_metrics_end_to_end::http_server::{HttpReply, HttpServer, Posted};
use loaddensity_metrics_end_to_end::load::TestEngine;
use loaddensity_metrics_end_to_end::otlp_receiver::{OtlpReply, OtlpTestServer, ReceivedExport};
use loaddensity_metrics_end_to_end::scraper::ScrapeClient;
use loaddensity_metrics_end_to_end::staged::{Staged, StagedSockets};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{
    Account, AsyncExporters, DropReason, DropStage, Exporter, Exporters, HeapStorage, Registry, Report, Sample,
    SampleRate, Settings, StartError, StatsdSocket, StopError, Temporality,
};

use loaddensity_metrics_smol::Smol;

use crate::backends::{any_page, influxdb_at, otlp_at, statsd_to};
use crate::course::{Course, Trouble};
use crate::far_backends::{FarBackends, FarCounts};
use crate::items::{ItemCounts, KINDS, in_line, in_message, is_of_own, is_of_own_instruments, on_page, word};
use crate::law::{
    account_in, account_of, accounts, broken, check_all_sent, check_report, check_settled, shut_down, wait_until,
};
use crate::observations_as::are_one_by_one;
use crate::own_instruments::{DeclaredInstruments, settings, with_room};
use crate::process::ForkedProcess;
use crate::resources::Resources;
use crate::steady_load::SteadyLoad;

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
    // Where observations are sent one by one: fewer than a thread observes between two rests, so that rings are full all the time.
    const RING: usize = 128;
    let storage = with_room(HeapStorage::builder(SERIES, SHARDS, 16_384).classic(), RING);
    let storage = storage.build().map_err(|error| error.to_string())?;
    let registry = Box::leak(Box::new(storage)).registry();
    let exporters = Exporters::<R>::start(Settings::on(registry)).map_err(|error| error.to_string())?;
    // One by one, half of what comes through the rings is sampled.
    let rate = if are_one_by_one() { 0.5 } else { 1.0 };
    let rate = SampleRate::new(rate).ok_or_else(|| "the scenario itself: no rate".to_owned())?;
    let page = backends.start_all(&exporters, backends.statsd().sample_rate(rate))?;
    let (mut threads, mut requests_of_all, mut most_shared, mut residents) = (0, 0, 0, Vec::new());
    while threads < THREADS {
        let wave = (50 + course.random.below(200) as u64).min(THREADS - threads);
        let requests = 100 + course.random.below(200) as u64;
        most_shared = most_shared.max(run_wave(registry, threads..threads + wave, requests)?);
        threads += wave;
        requests_of_all += wave * requests;
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
    let recorded = ItemCounts::of_engine(requests_of_all);
    let shown = shown(page);
    let report = shut_down(course, exporters, Duration::from_secs(60), recorded)?;
    for kind in KINDS {
        for account in accounts(&report, kind) {
            let sampled = account.dropped.get(DropReason::Sampled);
            if account.sent + sampled + account.dropped.at(DropStage::Queueing) != recorded.of(kind) {
                return Err(broken(kind, "with backends that take everything", account));
            }
            check_causes(kind, account)?;
        }
    }
    let sent = |exporter| sent_by(&report, exporter);
    let stored = FarCounts {
        points: sent(Exporter::Influxdb)?,
        total: recorded,
        instances: 1,
        counted: sent(Exporter::Statsd)?,
    };
    let aggregates = [shown, sent(Exporter::Prometheus)?, sent(Exporter::OpenTelemetry)?];
    expect_stored(&mut backends, stored, 0)?;
    if aggregates != [recorded; 3] {
        return Err(format!("{recorded:?}, and aggregates of {aggregates:?}").into());
    }
    Ok(())
}

/// Where observations are sent one by one, full rings and sampling have cost some, and are told of; else nothing has.
fn check_causes(kind: AccountKind, account: &Account) -> Result<(), Trouble> {
    let of_events = are_one_by_one() && matches!(account.exporter, Exporter::Influxdb | Exporter::Statsd);
    let is_sampled = of_events && account.exporter == Exporter::Statsd;
    let is_full = of_events && kind == AccountKind::Observations;
    let [sampled, full] = [DropReason::Sampled, DropReason::RingFull].map(|reason| account.dropped.get(reason));
    // A ring of requests may be full too, on a machine that does something else besides.
    if (sampled != 0) == is_sampled && (kind == AccountKind::Requests || (full != 0) == is_full) {
        return Ok(());
    }
    Err(broken(kind, format_args!("sampled: {is_sampled}, full rings: {is_full}"), account))
}

/// Runs threads with these numbers side by side. How many shared a shard at the most.
fn run_wave(registry: Registry<'static>, numbers: std::ops::Range<u64>, requests: u64) -> Result<usize, Trouble> {
    let instruments = DeclaredInstruments::declare(registry);
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
                    instruments.observe(&mut recorder, series);
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
    // By then the allocator has what it keeps: until then the memory of some thousand threads and tasks comes to it.
    const SETTLED: usize = 1_000;
    // A socket, a task or a body that is not given back takes more than a KiB a cycle.
    const MOST_GROWTH: u64 = (CYCLES - SETTLED) as u64;
    let mut backends = FarBackends::start::<R>()?;
    let settings = settings(64);
    let mut load = SteadyLoad::start(settings.registry, CYCLE_BATCH);
    let mut sums = [[RunSums::default(); Exporter::ALL.len()]; KINDS.len()];
    let mut settled = None;
    let mut cycle = 0;
    while cycle < CYCLES {
        let next = if cycle < SETTLED { SETTLED } else { CYCLES };
        let cycles = (1 + course.random.below(50)).min(next - cycle);
        cycle_for(course, Exporters::<R>::start(settings), &backends, &load, cycles, &mut sums)?;
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
    let (recorded, slowest) = std::mem::replace(&mut load, SteadyLoad::start(settings.registry, 0)).stop()?;
    exporters.shutdown(Duration::from_secs(20));
    load.stop()?;
    course.saw(format!("the slowest millisecond of the engine took {slowest:?}"));
    if slowest > Duration::from_secs(1) {
        return Err(format!("the engine was held up for {slowest:?}").into());
    }
    if sums.iter().flatten().any(|sum| sum.runs != CYCLES as u64 || sum.sent == 0) {
        return Err(format!("an exporter has not run each time: {sums:?}").into());
    }
    let [requests, observations] = sums.map(|of_kind| of_kind.map(|sum| sum.sent));
    let sent = |exporter: Exporter| {
        let (requests, observations) = (requests[exporter as usize], observations[exporter as usize]);
        ItemCounts { requests, observations }
    };
    let (points, counted) = (sent(Exporter::Influxdb), sent(Exporter::Statsd));
    // A call that is under way when a run of intervals begins or ends has a value already and is not counted yet: one of both is
    // another run's. Of this engine's that is one of some thousand runs, and each is one observation more or less.
    // One by one, each is in a ring before a run begins or after it, as a request is.
    let apart = if are_one_by_one() { 0 } else { CYCLES as u64 / 100 };
    let expected = FarCounts { points, total: recorded, instances: 1, counted };
    let stored = expect_stored(&mut backends, expected, apart)?;
    let [points, counted] = [(stored.points, points), (stored.counted, counted)]
        .map(|(stored, sent)| stored.observations.abs_diff(sent.observations));
    course.saw(format!("{points} observations of influxdb and {counted} of statsd more or less than sent"));
    Ok(())
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
    exporters: Result<Exporters<R>, StartError>,
    backends: &FarBackends,
    load: &SteadyLoad,
    cycles: usize,
    sums: &mut [[RunSums; Exporter::ALL.len()]; KINDS.len()],
) -> Result<(), Trouble> {
    let exporters = exporters.map_err(|error| error.to_string())?;
    let mut accounts = Vec::new();
    for _ in 0..cycles {
        let mut bounds = [(ItemCounts::default(), ItemCounts::default()); Exporter::ALL.len()];
        for exporter in shuffled(course) {
            let before = load.recorded();
            start_one(&exporters, exporter, backends)?;
            bounds[exporter as usize] = (before, load.recorded() + ItemCounts::of_engine(CYCLE_BATCH));
        }
        let most = load.recorded();
        // As short as a run can be, or with some requests.
        if course.random.below(2) == 0 {
            wait_until("the engine records", || load.recorded() != most)?;
        }
        let before = load.recorded();
        accounts.extend(stop_all(course, &exporters)?);
        let after = load.recorded() + ItemCounts::of_engine(CYCLE_BATCH);
        let runs = exporters.ended_runs();
        for run in &runs[runs.len().saturating_sub(Exporter::ALL.len())..] {
            for kind in KINDS {
                let (first, last) = bounds[run.exporter as usize];
                let [first, before, last, after] = [first, before, last, after].map(|counts| counts.of(kind));
                let account = account_in(run, kind)?;
                check_run(kind, &account, before.saturating_sub(last)..=after - first, after - before)?;
                sums[kind as usize][run.exporter as usize].add(&account);
            }
        }
    }
    let runs: Vec<_> = exporters.ended_runs().iter().map(|run| run.account).collect();
    let mut report = exporters.shutdown(Duration::from_secs(20)).accounts;
    accounts.sort_by_key(|account| account.exporter);
    let mut by_exporter = runs;
    by_exporter.sort_by_key(|account| account.exporter);
    report.truncate(accounts.len() + 1);
    if by_exporter != accounts || report != accounts {
        return Err(format!("the runs that have ended are {by_exporter:?}, and the stops said {accounts:?}").into());
    }
    Ok(())
}

/// A run with a backend that takes everything, of which `possible` is what was recorded between start and stop, and `at_stop`
/// what may have been while the stop lasted.
fn check_run(kind: AccountKind, account: &Account, possible: RangeInclusive<u64>, at_stop: u64) -> Result<(), Trouble> {
    check_settled(kind, account, account.recorded)?;
    if !possible.contains(&account.recorded) {
        return Err(broken(kind, format_args!("{possible:?} came between start and stop"), account));
    }
    // An export or an interval shows what was recorded when it was made: what comes during the last one is in none. What leaves
    // one by one leaves whole, as requests do here.
    let (cause, most) = match (account.exporter, kind) {
        (Exporter::Prometheus, _) => (DropReason::Unscraped, account.recorded),
        (Exporter::Influxdb | Exporter::Statsd, _) if kind == AccountKind::Requests || are_one_by_one() => {
            (DropReason::Deadline, 0)
        }
        _ => (DropReason::Deadline, at_stop),
    };
    if account.dropped.get(cause) == account.dropped.total() && account.dropped.total() <= most {
        return Ok(());
    }
    Err(broken(kind, format_args!("with a backend that takes everything, {most} at most are lost"), account))
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

/// A process that forks before its exporters start and while they export. Each fork has exporters of its own, on storage of its
/// own.
pub(crate) fn forks<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let mut backends = FarBackends::start::<R>()?;
    let settings = settings(64);
    let requests_of: Vec<_> = (0..8).map(|_| 100 + course.random.below(2_000) as u64).collect();
    let (before, after) = requests_of.split_at(2);
    let early = before.iter().zip(1..).map(|(&requests, number)| {
        ForkedProcess::start(|lines| {
            lines.hear()?;
            engine_of_a_fork::<R>(&backends, number, requests)
        })
    });
    let early = early.collect::<Result<Vec<_>, _>>()?;
    let exporters = Exporters::<R>::start(settings).map_err(|error| error.to_string())?;
    let page = backends.start_all(&exporters, backends.statsd())?;
    let load = SteadyLoad::start(settings.registry, 20);
    for mut fork in early {
        fork.say("go")?;
        fork.finish()?;
    }
    let (mut of_forks, mut instances) = (before.iter().sum::<u64>(), 1 + before.len() as u64);
    for (&requests, number) in after.iter().zip(3..) {
        thread::sleep(course.between(5, 200));
        let so_far = load.recorded().requests;
        let fork = ForkedProcess::start(|_| {
            the_parents_exporters_are_not_ours(&exporters, settings)?;
            if starts_in_a_fork::<R>() { engine_of_a_fork::<R>(&backends, number, requests) } else { Ok(()) }
        })?;
        wait_until("the parent's page is served beside its fork", || shown(page).requests > so_far)?;
        fork.finish()?;
        if starts_in_a_fork::<R>() {
            (of_forks, instances) = (of_forks + requests, instances + 1);
        }
    }
    course.saw(format!("{} forks, {instances} of all that export, {of_forks} requests of forks", requests_of.len()));
    let more = backends.counts()?.points + ItemCounts::of_engine(1);
    wait_until("the parent goes on", || backends.counts().is_ok_and(|now| now.points.include(more)))?;
    let (recorded, slowest) = load.stop()?;
    if slowest > Duration::from_secs(1) {
        return Err(format!("the engine was held up for {slowest:?}").into());
    }
    let report = shut_down(course, exporters, Duration::from_secs(20), recorded)?;
    for exporter in [Exporter::Influxdb, Exporter::Statsd, Exporter::OpenTelemetry] {
        check_all_sent(&report, exporter, recorded)?;
    }
    let all = recorded + ItemCounts::of_engine(of_forks);
    expect_stored(&mut backends, FarCounts { points: all, total: all, instances, counted: all }, 0).map(drop)
}

/// Whether a fork of a process in which exporters run may start its own. async-io has one reactor for the process, whose thread is
/// not in the fork: there everything waits for it (docs/generators.md).
fn starts_in_a_fork<R: Runtime>() -> bool {
    TypeId::of::<R>() != TypeId::of::<Smol>()
}

/// Neither the handle nor the storage of the parent does anything in a fork: its requests are exported by the parent alone.
fn the_parents_exporters_are_not_ours<R: Runtime>(exporters: &Exporters<R>, settings: Settings) -> Result<(), Trouble> {
    match (Exporters::<R>::start(settings), exporters.stop_all()) {
        (Err(StartError::StorageInUse), Err(StopError::ShutDown)) => Ok(()),
        other => Err(format!("a fork uses its parent's exporters: {other:?}").into()),
    }
}

/// What an engine does in a fork.
fn engine_of_a_fork<R: Runtime>(backends: &FarBackends, number: u32, requests: u64) -> Result<(), Trouble> {
    let settings = settings(64);
    let identity = settings.identity.with_worker(number, None).map_err(|error| error.to_string())?;
    let exporters = Exporters::<R>::start(settings.identity(identity)).map_err(|error| error.to_string())?;
    let page = backends.start_all(&exporters, backends.statsd())?;
    let (own, mut engine) = (DeclaredInstruments::declare(settings.registry), TestEngine::new(settings.registry));
    engine.record(requests);
    for number in 0..requests {
        let series = engine.series_of(number);
        own.observe(&mut engine.recorder, series);
    }
    let (shown, recorded) = (shown(page), ItemCounts::of_engine(requests));
    let report = exporters.shutdown(Duration::from_secs(20));
    Exporter::ALL.into_iter().try_for_each(|exporter| check_all_sent(&report, exporter, recorded))?;
    let is_balanced = |kind| accounts(&report, kind).iter().all(Account::balanced);
    if shown == recorded && KINDS.into_iter().all(is_balanced) {
        return Ok(());
    }
    Err(format!("a fork recorded {recorded:?}, and the page shows {shown:?}: {report}").into())
}

/// The totals that a page shows.
fn shown(page: SocketAddr) -> ItemCounts {
    on_page(ScrapeClient::connect(page).ask("GET", "/metrics").text())
}

/// What an exporter says that it has sent.
fn sent_by(report: &Report, exporter: Exporter) -> Result<ItemCounts, Trouble> {
    let [requests, observations] = KINDS.map(|kind| account_of(report, kind, exporter).map(|account| account.sent));
    Ok(ItemCounts { requests: requests?, observations: observations? })
}

/// The wall clock is set back and ahead by hours while exporters export. Engine and exporters take their times from it.
pub(crate) fn stepped_clock<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let influxdb = HttpServer::start(|_, _| HttpReply::Status(204));
    let receiver = OtlpTestServer::start::<R>(|_| OtlpReply::Accept);
    let settings = settings(64);
    let [temporality_by_chance, aggregate] = [(); 2].map(|()| course.random.below(2) == 0);
    let temporality = if temporality_by_chance { Temporality::Delta } else { Temporality::Cumulative };
    let staged = StagedExporters::<R>::start(settings)?;
    let said = |error: StartError| error.to_string();
    let page = block_on(async {
        let of_points = influxdb_at(influxdb.address).aggregate(aggregate).interval(STEPPED_INTERVAL);
        let of_points = of_points.instruments_interval(STEPPED_INTERVAL);
        staged.exporters.start_influxdb_sink(of_points).await.map_err(said)?;
        let of_exports = otlp_at(receiver.address).temporality(temporality).interval(STEPPED_INTERVAL);
        staged.exporters.start_opentelemetry_exporter(of_exports).await.map_err(said)?;
        let of_counts = statsd_to(StatsdSocket::UnixDatagram("/staged".into())).aggregate(true).packed(false);
        let of_counts = of_counts.instruments_interval(STEPPED_INTERVAL);
        let of_counts = of_counts.aggregation_interval(STEPPED_INTERVAL).timestamps_of_counts(true);
        staged.exporters.start_statsd_sink(of_counts).await.map_err(said)?;
        staged.exporters.start_prometheus_exporter(any_page()).await.map_err(said)
    })?;
    let load = SteadyLoad::start_without_times(settings.registry, 5);
    // Of requests: what observations are sent one by one does not wait for an interval.
    let is_of_requests = |post: &Posted| !is_of_own_instruments(&post.body);
    let arrived = || {
        let posts = influxdb.posts().iter().filter(|post| is_of_requests(post)).count();
        let datagrams = &staged.runtime.stage().datagrams;
        let datagrams = datagrams.iter().filter(|datagram| !is_of_own(datagram.as_bytes())).count();
        [posts, receiver.exports().len(), datagrams]
    };
    let mut most_ahead = Duration::ZERO;
    for step in 0..8 {
        let by = course.between(HOUR, 6 * HOUR);
        {
            let mut stage = staged.runtime.stage();
            // Each way at least once; then as the seed says, also right again.
            (stage.set_back, stage.set_ahead) = match if step < 2 { step } else { course.random.below(3) } {
                0 => (by, Duration::ZERO),
                1 => (Duration::ZERO, by),
                _ => (Duration::ZERO, Duration::ZERO),
            };
            most_ahead = most_ahead.max(stage.set_ahead);
            course.note(format!("{:?} back, {:?} ahead", stage.set_back, stage.set_ahead));
        }
        let before = arrived();
        wait_until("points, exports and counts go on", || {
            arrived().iter().zip(before).all(|(now, before)| *now >= before + 3)
        })?;
        // Three of each take two intervals, however the clock is set: times that are sent must not stand still.
        let posts: Vec<_> = influxdb.posts().into_iter().filter(is_of_requests).collect();
        let points = posts[before[0]..].iter().flat_map(|post| post.body.lines().map(|line| in_line(line).0));
        let exports = receiver.exports_after(before[1]);
        goes_on("points", &points.collect::<Vec<_>>())?;
        goes_on("exports", &exports.iter().map(|export| export.time).collect::<Vec<_>>())?;
    }
    let (recorded, _) = load.stop()?;
    let shown = shown(page);
    let (report, datagrams) = staged.shut_down()?;
    check_report(course, &report, recorded)?;
    // A clock that is set loses nothing.
    Exporter::ALL.into_iter().try_for_each(|exporter| check_all_sent(&report, exporter, recorded))?;
    let arrivals = SteppedArrivals {
        bodies: influxdb.posts().into_iter().map(|post| post.body).collect(),
        exports: receiver.exports(),
        datagrams,
    };
    for kind in KINDS {
        arrivals.check(course, kind, temporality, recorded.of(kind), most_ahead)?;
    }
    if shown != recorded {
        return Err(format!("{recorded:?}, and {shown:?} on the page").into());
    }
    Ok(())
}

/// Whether the times in nanoseconds of what came within two intervals or more are not all of one moment.
fn goes_on(what: &str, times: &[u64]) -> Result<(), Trouble> {
    let span = times.iter().max().zip(times.iter().min()).map_or(0, |(last, first)| last - first);
    if u128::from(span) >= STEPPED_INTERVAL.as_nanos() / 2 {
        return Ok(());
    }
    Err(format!("the clock was set, and the times of {what} stand still: {} over {span} ns", times.len()).into())
}

/// What came while the clock was set.
struct SteppedArrivals {
    bodies: Vec<String>,
    exports: Vec<ReceivedExport>,
    datagrams: Vec<String>,
}

/// Times, and what came with each.
type TimedCounts = Vec<(u64, u64)>;

impl SteppedArrivals {
    /// All of one kind has come, in the order of its times.
    fn check(
        &self,
        course: &mut Course,
        kind: AccountKind,
        temporality: Temporality,
        recorded: u64,
        most_ahead: Duration,
    ) -> Result<(), Trouble> {
        let ways: [(&str, u64, TimedCounts); 3] = [
            ("points", 1_000_000_000, self.points(kind)),
            ("exports", 1_000_000_000, self.exported(kind, temporality)?),
            ("counts", 1, self.counts(kind)),
        ];
        for (what, second, items) in &ways {
            let came: u64 = items.iter().map(|(_, count)| count).sum();
            let span = items.last().map_or(0, |last| last.0).abs_diff(items.first().map_or(0, |first| first.0));
            course.saw(format!("{} {what} of {}", items.len(), word(kind)));
            // They follow a clock that is ahead, and show so that it was. Counts of own instruments have no times.
            let has_times = kind == AccountKind::Requests || *what != "counts";
            let has_followed = !has_times || span / second >= most_ahead.as_secs() - 60;
            if !items.is_sorted_by_key(|(time, _)| *time) || !has_followed || came != recorded {
                return Err(format!(
                    "{recorded} {}, {came} in {what} over {} s; times in order: {}; clock {most_ahead:?} ahead",
                    word(kind),
                    span / second,
                    items.is_sorted_by_key(|(time, _)| *time)
                )
                .into());
            }
        }
        Ok(())
    }

    fn points(&self, kind: AccountKind) -> TimedCounts {
        let is_own = kind == AccountKind::Observations;
        let lines = self.bodies.iter().flat_map(|body| body.lines());
        let lines = lines.filter(|line| is_of_own_instruments(line) == is_own).map(in_line);
        lines.map(|(time, counts)| (time, counts.of(kind))).collect()
    }

    fn exported(&self, kind: AccountKind, temporality: Temporality) -> Result<TimedCounts, Trouble> {
        let is_own = kind == AccountKind::Observations;
        let exports: Vec<_> = self.exports.iter().filter(|export| export.is_of_own_instruments() == is_own).collect();
        if exports.windows(2).any(|pair| match temporality {
            Temporality::Delta => pair[1].start < pair[0].time,
            _ => pair[1].start != pair[0].start,
        }) {
            return Err(format!("{temporality:?} of {}: starts of intervals went astray", word(kind)).into());
        }
        let counts = exports
            .iter()
            .map(|export| (export.time, if is_own { export.observations() } else { export.sums().requests }));
        Ok(match temporality {
            Temporality::Delta => counts.collect(),
            _ => counts.scan(0, |last, (time, total)| Some((time, total - std::mem::replace(last, total)))).collect(),
        })
    }

    fn counts(&self, kind: AccountKind) -> TimedCounts {
        let messages = self.datagrams.iter().flat_map(|datagram| datagram.lines());
        let counts = messages.map(|message| (time_of(message), in_message(message).of(kind)));
        counts.filter(|(_, count)| *count != 0).collect()
    }
}

/// A count's time in seconds.
fn time_of(message: &str) -> u64 {
    message.split('|').find_map(|part| part.strip_prefix('T')?.parse().ok()).unwrap_or_default()
}

const HOUR: u64 = 3_600_000;
const STEPPED_INTERVAL: Duration = Duration::from_millis(50);

/// Exporters on a runtime whose clock the scenario sets.
pub(crate) struct StagedExporters<R: Runtime> {
    pub(crate) exporters: AsyncExporters<Staged<R>>,
    pub(crate) runtime: Staged<R>,
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl<R: Runtime> StagedExporters<R> {
    pub(crate) fn start(settings: Settings) -> Result<Self, Trouble> {
        let (sender, handed) = mpsc::channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let thread = thread::spawn(move || {
            run(|inner: R| async move {
                let runtime = Staged::new(inner, StagedSockets::default());
                let started = AsyncExporters::start_on(runtime.clone(), settings);
                let _ = sender.send(started.map(|exporters| (exporters, runtime.clone())));
                until(&runtime, || over.load(Ordering::SeqCst)).await;
            });
        });
        let started = handed.recv().map_err(|_| "the runtime did not start".to_owned())?;
        let (exporters, runtime) = started.map_err(|error| error.to_string())?;
        Ok(Self { exporters, runtime, is_over, thread })
    }

    /// The report, and the datagrams of DogStatsD.
    pub(crate) fn shut_down(self) -> Result<(Report, Vec<String>), Trouble> {
        let report = block_on(self.exporters.shutdown(Duration::from_secs(20)));
        let datagrams = std::mem::take(&mut self.runtime.stage().datagrams);
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().map_err(|_| "the runtime's thread panicked".to_owned())?;
        Ok((report, datagrams))
    }
}

/// What this process takes up, once it has as many threads and descriptors as before, or has no more to give back.
fn settle(before: Option<Resources>) -> Result<Resources, Trouble> {
    let begun = Instant::now();
    let mut last = Resources::now()?;
    // Threads for calls that block end after some time without such a call: async-io's and tokio's within ten seconds.
    while begun.elapsed() < Duration::from_secs(15) {
        thread::sleep(Duration::from_millis(50));
        last = Resources::now()?;
        let is_settled = match before {
            None => begun.elapsed() > Duration::from_secs(2),
            Some(before) => (before.threads, before.descriptors) == (last.threads, last.descriptors),
        };
        if is_settled {
            return Ok(last);
        }
    }
    Err(format!("threads or descriptors are not given back: {before:?} before, {last:?} now").into())
}

/// Checks what the backends have, where so many observations may be more or less. What was sent has arrived; that they have read
/// it may take a moment.
fn expect_stored(backends: &mut FarBackends, expected: FarCounts, apart: u64) -> Result<FarCounts, Trouble> {
    let mut stored = backends.counts()?;
    for _ in 0..500 {
        if stored == expected {
            return Ok(stored);
        }
        thread::sleep(Duration::from_millis(20));
        stored = backends.counts()?;
    }
    if stored.agrees_with(expected, apart) {
        return Ok(stored);
    }
    Err(format!("the backends should have {expected:?}, and have {stored:?}").into())
}
