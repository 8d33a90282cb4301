//! A scraper, and the page read by a strict parser.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_lite::future;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use loaddensity_metrics_shell::Outcome;
use loaddensity_metrics_shell::hyper_io::HyperIo;
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_vectors::prometheus::{TextPage, parse};

use super::{Arrived, Observed, Refused, refused, same_count};
use crate::engine::{ITERATIONS, TIME_TO_FIRST_BYTE, TargetUrl};

/// What a scraper that asks for nothing special must be given (Prometheus, exposition formats).
const CONTENT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long a page may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fetches `/metrics` once. Blocks, on a runtime made for it.
///
/// # Errors
/// Where there is no whole answer, or it has another status than 200 or another Content-Type than the format's.
pub fn scrape<R: Runtime>(address: SocketAddr) -> io::Result<Vec<u8>> {
    let target = TargetUrl::parse(&format!("http://{address}/metrics")).map_err(io::Error::other)?;
    scrape_url::<R>(&target)
}

/// The same of the page at `target`, an `http` URL.
///
/// # Errors
/// The same, or one that is not there within ten seconds.
pub fn scrape_url<R: Runtime>(target: &TargetUrl) -> io::Result<Vec<u8>> {
    R::run(|runtime| async move {
        let late = async {
            runtime.sleep(PATIENCE).await;
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no whole page within {PATIENCE:?}")))
        };
        future::or(get(&runtime, target), late).await
    })?
}

async fn get<R: Runtime>(runtime: &R, target: &TargetUrl) -> io::Result<Vec<u8>> {
    let mut opened = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
    for address in runtime.resolve(target.host(), target.port()).await? {
        opened = runtime.tcp_connect(address).await;
        if opened.is_ok() {
            break;
        }
    }
    let (mut sender, connection) = http1::handshake(HyperIo::new(opened?)).await.map_err(io::Error::other)?;
    let _driver = runtime.spawn(async {
        // What ends the connection is seen by the request on it.
        let _ = connection.await;
    });
    let request = Request::get(target.path()).header(HOST, target.authority()).body(Empty::<Bytes>::new());
    let response = sender.send_request(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?;
    let kind = response.headers().get(CONTENT_TYPE).cloned();
    if response.status() != StatusCode::OK || kind.as_ref().is_none_or(|kind| kind != CONTENT) {
        return Err(io::Error::other(format!("{} with Content-Type {kind:?}", response.status())));
    }
    Ok(response.into_body().collect().await.map_err(io::Error::other)?.to_bytes().to_vec())
}

/// Whether a strict parser takes the page.
///
/// # Errors
/// The first fault.
pub fn well_formed(page: &[u8]) -> Result<(), Refused> {
    parse(page).map(drop).map_err(refused)
}

/// Counts the requests on a page that was scraped while nothing was recorded: the sum of `loaddensity_requests_total`.
/// (While requests are recorded, the families of one page show slightly different moments.)
///
/// # Errors
/// A page that breaks the format, or one whose histograms have counted something else.
pub fn prometheus(page: &[u8]) -> Result<Arrived, Refused> {
    let text = String::from_utf8_lossy(page);
    let parsed = parse(page).map_err(refused)?;
    let mut arrived = Arrived::default();
    for sample in family(&parsed, "loaddensity_requests_total") {
        // Counters on the page are integers below 2^53.
        arrived.add(sample.label("outcome"), sample.value as u64)?;
    }
    let count = |family_name, sample_name| -> u64 {
        let counts = family(&parsed, family_name).filter(|sample| sample.name == sample_name);
        counts.map(|sample| sample.value as u64).sum()
    };
    same_count(&[
        ("requests", arrived.requests()),
        ("latencies", count("loaddensity_request_latency_ms", "loaddensity_request_latency_ms_count")),
        ("sizes", count("loaddensity_response_bytes", "loaddensity_response_bytes_count")),
    ])?;
    arrived.observed = observed(&parsed);
    let of = |outcome: &str| {
        let counts = format!("outcome=\"{outcome}\"}}");
        let wanted = |line: &&str| {
            line.starts_with("loaddensity_requests_total") && line.contains(&counts) && !line.ends_with(" 0")
        };
        text.lines().find(wanted).map(str::to_owned)
    };
    arrived.sample = Outcome::ALL.into_iter().filter_map(|outcome| of(outcome.as_str())).collect();
    Ok(arrived)
}

fn observed(page: &TextPage<'_>) -> Observed {
    let mut observed = Observed::default();
    for sample in family(page, &format!("loaddensity_{ITERATIONS}_total")) {
        observed.iterations += sample.value as u64;
    }
    let name = format!("loaddensity_{TIME_TO_FIRST_BYTE}_ms");
    for sample in family(page, &name) {
        match sample.name.strip_prefix(&name) {
            Some("_count") => observed.first_bytes += sample.value as u64,
            Some("_sum") => observed.add_first_byte_ms(sample.value),
            _ => {}
        }
    }
    observed
}

fn family<'p, 'a>(
    page: &'p TextPage<'a>,
    name: &str,
) -> impl Iterator<Item = &'p loaddensity_metrics_vectors::prometheus::TextSample<'a>> {
    page.family(name).into_iter().flat_map(|family| &family.samples)
}
