//! Clients of the page that are hostile, clumsy or slow, beside a scraper.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporter, Exporters, PageLimits, Sample};

use crate::backends::any_page;
use crate::course::{Course, Trouble};
use crate::hostile::{HostileAnswers, serve_hostile};
use crate::items::{ItemCounts, on_page};
use crate::law::{check_all_sent, shut_down, wait_until};
use crate::own_instruments::settings;
use crate::process::ForkedProcess;
use crate::resources::Resources;
use crate::steady_load::SteadyLoad;

/// Clients at a time.
const CLIENTS: usize = 2_000;
/// Series of the page: some 4 MB, more than sockets hold for a client that does not read.
const SERIES: usize = 1_600;
/// The longest time of a scrape, with all its attempts.
const SCRAPE_TIME: Duration = Duration::from_secs(15);
/// Clients that are told that there is no place for them, beside those that have one (shell/src/prometheus.rs).
const TURNED_AWAY: usize = 16;

/// Clients that do all that clients do, from a process of their own, and a scraper among them.
pub(crate) fn hostile_clients<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let connections = [64, 256, 1_024][course.random.below(3)];
    let (seed, time) = (course.random.next(), course.between(6_000, 10_000));
    let mut clients = ForkedProcess::start(|lines| serve_hostile::<R>(lines, CLIENTS, connections / 4, seed))?;
    let settings = settings(SERIES);
    let exporters = Exporters::<R>::start(settings).map_err(|error| error.to_string())?;
    let limits = PageLimits::default().connections(connections);
    let limits = limits.head_timeout(Duration::from_secs(2)).idle_timeout(Duration::from_secs(2));
    let page = exporters.start_prometheus_exporter(any_page().limits(limits)).map_err(|error| error.to_string())?;
    let mut recorder = settings.registry.recorder();
    for number in 3..SERIES {
        let series = recorder.series("GET", &format!("/a/name/that/makes/the/page/larger/{number}"));
        recorder.record(series, Sample::ok(Duration::from_millis(1)));
    }
    let before_traffic = ItemCounts { requests: (SERIES - 3) as u64, observations: 0 };
    let load = SteadyLoad::start(settings.registry, BATCH);
    scrape(page, SCRAPE_TIME)?;
    let base = Resources::now()?;
    clients.say(&page.to_string())?;
    let begun = Instant::now();
    let (mut scrapes, mut attempts, mut slowest, mut most) = (0, 0, Duration::ZERO, base);
    let mut last = ItemCounts::default();
    while begun.elapsed() < time {
        let (least, asked) = (before_traffic + load.recorded(), Instant::now());
        let scraped = scrape(page, SCRAPE_TIME)?;
        slowest = slowest.max(asked.elapsed());
        let greatest = before_traffic + load.recorded() + ItemCounts::of_engine(BATCH);
        let is_right = scraped.counts.include(least) && greatest.include(scraped.counts);
        if !is_right || scraped.series < SERIES - 3 {
            return Err(format!("{least:?} to {greatest:?} of {SERIES} series, and a scrape shows {scraped:?}").into());
        }
        (scrapes, attempts, last) = (scrapes + 1, attempts + scraped.attempts, scraped.counts);
        let now = Resources::now()?;
        most.descriptors = most.descriptors.max(now.descriptors);
        most.resident = most.resident.max(now.resident);
        thread::sleep(Duration::from_millis(20));
    }
    let answers: HostileAnswers = clients.ask("answers")?.parse()?;
    course.saw(format!("{connections} places, {} connections: {answers}", answers.connections));
    course.saw(format!("{scrapes} scrapes in {attempts} attempts, the slowest {slowest:?}"));
    course.saw(format!(
        "{} descriptors and {} KiB at first, {} and {} at most",
        base.descriptors, base.resident, most.descriptors, most.resident
    ));
    if answers.connections < CLIENTS as u64 || !answers.has_all() {
        return Err(format!("the clients did not do all that they should: {answers}").into());
    }
    if let Some(wrong) = answers.wrong {
        return Err(format!("a hostile client was answered wrongly: {wrong}").into());
    }
    check_bounds(connections, base, most)?;
    // The clients go on.
    let (recorded, held_up) = load.stop()?;
    if held_up > Duration::from_secs(1) {
        return Err(format!("the engine was held up for {held_up:?}").into());
    }
    let deadline = course.between(200, 2_000);
    let report = shut_down(course, exporters, deadline, before_traffic + recorded)?;
    // What the last whole page showed.
    check_all_sent(&report, Exporter::Prometheus, last)?;
    clients.say("over")?;
    clients.finish()?;
    wait_until("the port is free", || TcpListener::bind(page).is_ok())
}

/// Requests of the engine in a millisecond.
const BATCH: u64 = 5;

/// Checks what the page has used beside what was there before: `connections` and what each may have.
fn check_bounds(connections: usize, base: Resources, most: Resources) -> Result<(), Trouble> {
    // Head and answer have `head_bytes` each; the rest is hyper's own, the task's and the allocator's.
    const KIB_OF_A_CONNECTION: usize = 96;
    // What makes room is closed by its own task, which has its turn before the next client is accepted.
    const CLOSING: usize = 8;
    // What the allocator keeps between the pieces of many connections, however many those are.
    const ONCE: usize = 16 << 10;
    let descriptors = base.descriptors + connections + TURNED_AWAY + CLOSING;
    let at_most = most.descriptors.max(connections + base.descriptors) - base.descriptors;
    let resident = base.resident + (KIB_OF_A_CONNECTION * at_most + ONCE) as u64;
    if most.descriptors > descriptors || most.resident > resident {
        let allowed = format!("{descriptors} descriptors and {resident} KiB");
        return Err(format!("{connections} connections, which may have {allowed}: {base:?}, then {most:?}").into());
    }
    Ok(())
}

/// What a scrape has shown, and how often it was tried.
#[derive(Clone, Copy, Debug)]
struct WholeScrape {
    counts: ItemCounts,
    series: usize,
    attempts: usize,
}

/// Scrapes, again where the connection was closed or turned away before the page began, which hostile clients may bring about.
fn scrape(page: SocketAddr, limit: Duration) -> Result<WholeScrape, Trouble> {
    let begun = Instant::now();
    for attempts in 1.. {
        let answer = ask(page, limit).unwrap_or_default();
        match answer.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|rest| rest.split_once("\r\n\r\n")) {
            Some((_, body)) => {
                let body = dechunked(body).ok_or_else(|| format!("a page was cut off after {} bytes", body.len()))?;
                let lines = body.lines().filter(|line| line.starts_with("loaddensity_requests_total{"));
                return Ok(WholeScrape { counts: on_page(&body), series: lines.count(), attempts });
            }
            None if answer.is_empty() || answer.starts_with("HTTP/1.1 503 ") => {}
            None => return Err(format!("a scrape was answered: {}", answer.get(..200).unwrap_or(&answer)).into()),
        }
        if begun.elapsed() > limit {
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err(format!("a scraper got no page in {limit:?}").into())
}

fn ask(page: SocketAddr, limit: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&page, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: page\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // Before a page begins, its connection may have to make room.
        Err(error) if answer.is_empty() => Err(error),
        Err(error) => Ok(format!("{} bytes, then {error}", answer.len())),
        Ok(_) => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// The body without its chunks, if it is whole.
fn dechunked(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size, 16).ok()?;
        whole.push_str(rest.get(..size)?);
        body = rest[size..].strip_prefix("\r\n")?;
        if size == 0 {
            return body.is_empty().then_some(whole);
        }
    }
}
