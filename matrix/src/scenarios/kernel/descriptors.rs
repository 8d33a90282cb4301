//! A process without file descriptors.

use std::fs::File;
use std::net::SocketAddr;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_lite::future::block_on;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporter, Exporters};

use crate::again::once_under;
use crate::backend_process::BackendProcess;
use crate::backends::any_page;
use crate::course::{Course, Trouble};
use crate::generators::{GeneratorSet, PACE};
use crate::items::ItemCounts;
use crate::law::{LATE, check_all_sent, check_reasons, shut_down, wait_until};
use crate::load_generator::{LoadGenerator, page_of};
use crate::own_instruments::settings;
use crate::scenarios::lifecycle::StagedExporters;
use crate::steady_load::SteadyLoad;

/// What the system says (EMFILE).
const NONE_LEFT: &str = "os error 24";

/// Who needs a descriptor.
const EXPORTERS: [(GeneratorOver, Exporter); 5] = [
    (GeneratorOver::Tcp, Exporter::Influxdb),
    (GeneratorOver::Tcp, Exporter::OpenTelemetry),
    (GeneratorOver::Tcp, Exporter::Prometheus),
    (GeneratorOver::UnixDatagrams, Exporter::Statsd),
    (GeneratorOver::UnixStreams, Exporter::Statsd),
];

/// Over which transport, and so by which of the generators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GeneratorOver {
    Tcp,
    UnixDatagrams,
    UnixStreams,
}

impl GeneratorOver {
    const fn of<R: Runtime>(self, generators: &GeneratorSet<R>) -> &LoadGenerator<R> {
        match self {
            Self::Tcp => &generators.tcp,
            Self::UnixDatagrams => &generators.datagrams,
            Self::UnixStreams => &generators.streams,
        }
    }
}

/// The process has no descriptor left while connections break, a scrape comes and a further exporter is to start. Then it has
/// some again, but where the exporters stop before that.
pub(crate) fn no_descriptors<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    once_under(&["prlimit", "--nofile=200:"])?;
    let mut backends = BackendProcess::start(&["prlimit", "--nofile=1000:"])?;
    let generators = GeneratorSet::<R>::start(&mut backends)?;
    let counted = CountedPage::<R>::start()?;
    let further = Exporters::<R>::start(settings(64)).map_err(|error| error.to_string())?;
    let page = generators.tcp.page()?;

    course.note("all descriptors are taken");
    let hog = Hog::start();
    // Which of them finds none first is chance: what another gives back, one may get.
    let (begun, mut silent) = (Instant::now(), EXPORTERS.to_vec());
    let mut scrapes = 0;
    while !silent.is_empty() || counted.failures() == 0 {
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(format!("without descriptors, nothing is said by {silent:?}").into());
        }
        backends.renew()?;
        if silent.contains(&(GeneratorOver::Tcp, Exporter::Prometheus)) {
            backends.begin_scrape(page)?;
            scrapes += 1;
        }
        if counted.failures() == 0 {
            backends.begin_scrape(counted.address)?;
            scrapes += 1;
        }
        thread::sleep(Duration::from_millis(50));
        silent.retain(|(transport, exporter)| !transport.of(&generators).error(*exporter).contains(NONE_LEFT));
    }
    match further.start_prometheus_exporter(any_page()) {
        Ok(_) => return Err("a page has started without a descriptor".to_owned().into()),
        Err(error) if error.to_string().contains(NONE_LEFT) => course.saw(format!("a further start: {error}")),
        Err(error) => return Err(format!("a page does not start for another reason: {error}").into()),
    }
    let failures = counted.failures();
    scrapes += check_that_nothing_spins(course, &mut backends, counted.address)?;
    counted.check_pauses(failures)?;

    if course.random.below(3) == 0 {
        let reports = generators.stop(course, Duration::from_secs(1))?;
        drop(hog);
        course.saw("stopped meanwhile");
        for report in &reports.unix {
            check_reasons(report, Exporter::Statsd, &LATE)?;
        }
        shut_down(course, further, Duration::from_secs(1), ItemCounts::default())?;
        counted.exporters.shut_down()?;
        return reports.check(&mut backends);
    }
    course.note("descriptors are free again");
    drop(hog);
    generators.catch_up(&mut backends)?;
    backends.wait_for("the scrapes that waited are answered", |counts| counts.scrapes == scrapes)?;

    further.start_prometheus_exporter(any_page()).map_err(|error| error.to_string())?;
    let load = SteadyLoad::start(further.registry(), PACE);
    wait_until("something is recorded", || load.recorded() != ItemCounts::default())?;
    let (recorded, _) = load.stop()?;
    backends.begin_scrape(page_of(&further)?)?;
    backends
        .wait_for("the further page is read", |counts| counts.scrapes == scrapes + 1 && counts.scraped == recorded)?;
    let report = shut_down(course, further, Duration::from_secs(20), recorded)?;
    check_all_sent(&report, Exporter::Prometheus, recorded)?;
    counted.exporters.shut_down()?;
    let reports = generators.stop(course, Duration::from_secs(20))?;
    reports.check_all_sent()?;
    reports.check(&mut backends)
}

/// A page of which it is counted how often it finds no descriptor for a client.
struct CountedPage<R: Runtime> {
    exporters: StagedExporters<R>,
    address: SocketAddr,
}

impl<R: Runtime> CountedPage<R> {
    fn start() -> Result<Self, Trouble> {
        let exporters = StagedExporters::<R>::start(settings(64))?;
        let started = block_on(exporters.exporters.start_prometheus_exporter(any_page()));
        Ok(Self { exporters, address: started.map_err(|error| error.to_string())? })
    }

    fn failures(&self) -> usize {
        self.exporters.runtime.stage().failed_accepts
    }

    /// For two seconds there were clients for which there was no descriptor, and `before` that it had failed so often. A page
    /// looks ten times a second. One that looks whenever it can, or at each step of a timer, does so more often on any machine.
    fn check_pauses(&self, before: usize) -> Result<(), Trouble> {
        let tries = self.failures() - before;
        if (1..=100).contains(&tries) {
            return Ok(());
        }
        Err(format!("without descriptors, a page has tried to accept {tries} times").into())
    }
}

/// No thread wants a processor all the time. One that tries without a pause does, however many others want it too. Meanwhile there
/// are clients of a page, always two at once, as one may get what somebody gives back; how many scrapes they have begun.
fn check_that_nothing_spins(
    course: &mut Course,
    backends: &mut BackendProcess,
    page: SocketAddr,
) -> Result<u64, Trouble> {
    let (begun, before) = (Instant::now(), backends.busy(process::id())?);
    let mut scrapes = 0;
    while begun.elapsed() < Duration::from_secs(2) {
        for _ in 0..2 {
            backends.begin_scrape(page)?;
            scrapes += 1;
        }
        thread::sleep(Duration::from_millis(200));
    }
    let after = backends.busy(process::id())?;
    let most = after.iter().map(|(thread, busy)| *busy - before.get(thread).copied().unwrap_or_default()).max();
    let share = most.unwrap_or_default().as_secs_f64() / begun.elapsed().as_secs_f64();
    course.note(format!("the busiest thread wants a processor for {:.0} % of the time", 100.0 * share));
    if share > 0.0 && share < 0.8 {
        return Ok(scrapes);
    }
    Err(format!("without descriptors, a thread wants a processor for {:.0} % of the time", 100.0 * share).into())
}

/// Takes every descriptor that there is, and whatever others give back. Dropping it frees them.
struct Hog {
    is_over: Arc<AtomicBool>,
    taking: Option<JoinHandle<()>>,
}

impl Hog {
    fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let end = is_over.clone();
        let taking = thread::spawn(move || {
            let mut taken = Vec::new();
            while !end.load(Ordering::SeqCst) {
                match File::open("/dev/null") {
                    Ok(file) => taken.push(file),
                    Err(_) => thread::sleep(Duration::from_micros(200)),
                }
            }
        });
        Self { is_over, taking: Some(taking) }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        if let Some(taking) = self.taking.take() {
            let _ = taking.join();
        }
    }
}
