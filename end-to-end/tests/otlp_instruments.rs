//! Instruments of the engine's own over OTLP, by gRPC and by HTTP, in totals and in intervals: what a receiver took adds up to
//! what was recorded, whatever it refused.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use loaddensity_metrics_shell::hyper_io::{HyperIo, HyperTasks};
use loaddensity_metrics_tokio::{
    Account, Counter, DropReason, Exporters, HeapStorage, Histogram, HistogramAggregation, OpenTelemetryConfig,
    Recorder, Registry, Series, Settings, Temporality, Tokio, Unit,
};
use loaddensity_metrics_vectors::otlp::{self, DecodedPoint, DecodedValue};
use support::{PATIENCE, assert_settled, rarely_to, record, wait_until};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

/// How an exporter sends, and what.
#[derive(Clone, Copy, Debug)]
struct SendMode {
    is_grpc: bool,
    is_delta: bool,
    histograms: HistogramAggregation,
}

/// All of them.
fn modes() -> impl Iterator<Item = SendMode> {
    let histograms = [HistogramAggregation::Explicit, HistogramAggregation::Exponential];
    histograms.into_iter().flat_map(|histograms| {
        [(true, true), (true, false), (false, true), (false, false)].map(|(is_grpc, is_delta)| SendMode {
            is_grpc,
            is_delta,
            histograms,
        })
    })
}

impl SendMode {
    fn config(self, receiver: SocketAddr) -> OpenTelemetryConfig {
        let config = if self.is_grpc { OpenTelemetryConfig::default() } else { OpenTelemetryConfig::http() };
        let temporality = if self.is_delta { Temporality::Delta } else { Temporality::Cumulative };
        rarely_to(receiver, config).temporality(temporality).histograms(self.histograms)
    }
}

/// What a receiver got in one body, and whether it took it.
#[derive(Debug)]
struct Got {
    points: Vec<DecodedPoint>,
    is_taken: bool,
}

#[derive(Clone)]
struct Receiver {
    mode: SendMode,
    /// How many bodies of own instruments it will refuse, the first ones.
    refuses: Arc<Mutex<usize>>,
    got: mpsc::Sender<Got>,
}

impl Receiver {
    /// A receiver of what is sent so, which refuses the first bodies of own instruments.
    fn start(mode: SendMode, refuses: usize) -> (SocketAddr, mpsc::Receiver<Got>) {
        let (address_to, address) = mpsc::channel();
        let (got_to, got) = mpsc::channel();
        let receiver = Self { mode, refuses: Arc::new(Mutex::new(refuses)), got: got_to };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(receiver.serve(&address_to));
        });
        (address.recv_timeout(PATIENCE).expect("bound"), got)
    }

    async fn serve(self, address: &mpsc::Sender<SocketAddr>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        address.send(listener.local_addr().expect("bound")).expect("awaited");
        let tasks = HyperTasks::new(Tokio::current().expect("in tokio"));
        while let Ok((stream, _)) = listener.accept().await {
            let (receiver, stream) = (self.clone(), HyperIo::new(stream.compat()));
            let service = service_fn(move |request| receiver.clone().answer(request));
            // An error is the client's way of closing the connection.
            if self.mode.is_grpc {
                let server = hyper::server::conn::http2::Builder::new(tasks.executor());
                let connection = server.serve_connection(stream, service);
                tasks.spawn(async move { drop(connection.await) });
            } else {
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(stream, service);
                tasks.spawn(async move { drop(connection.await) });
            }
        }
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        let body = request.into_body().collect().await.expect("a whole request").to_bytes();
        let message = if self.mode.is_grpc { otlp::unframe(&body).expect("one gRPC frame") } else { &body[..] };
        otlp::canonical(message).expect("what prost would write");
        let read = if self.mode.is_delta { otlp::decode_delta } else { otlp::decode };
        let points = read(message).expect("OTLP of this temporality");
        let is_taken = !is_own(&points) || {
            let mut refuses = self.refuses.lock().expect("no panic");
            let left = *refuses;
            *refuses = left.saturating_sub(1);
            left == 0
        };
        let _ = self.got.send(Got { points, is_taken });
        Ok(match (self.mode.is_grpc, is_taken) {
            (true, _) => {
                let status = HeaderValue::from_static(if is_taken { "0" } else { "3" });
                let trailers = HeaderMap::from_iter([("grpc-status".parse().expect("a name"), status)]);
                let body = Full::new(Bytes::from_static(&[0; 5])).with_trailers(async move { Some(Ok(trailers)) });
                Response::builder().header("content-type", "application/grpc").body(body.boxed()).expect("an answer")
            }
            (false, true) => Response::new(Empty::new().boxed()),
            (false, false) => Response::builder().status(400).body(Empty::new().boxed()).expect("an answer"),
        })
    }
}

/// Whether a body has points of own instruments. Those of requests and of own instruments never share one.
fn is_own(points: &[DecodedPoint]) -> bool {
    let of_requests = ["loaddensity.requests", "loaddensity.request.latency", "loaddensity.response.size"];
    let is_own = |point: &DecodedPoint| !of_requests.contains(&point.metric.as_str());
    let first = is_own(points.first().expect("a point"));
    assert!(points.iter().all(|point| is_own(point) == first), "a body of two kinds: {points:?}");
    first
}

/// An engine with instruments of its own.
struct Observer {
    recorder: Recorder<'static>,
    series: [Series; 2],
    checks_failed: Counter,
    first_byte: Histogram<Duration>,
    sent: Histogram<u64>,
    /// Declared later than the others.
    iterations: Option<Counter>,
    calls: u64,
    sums: ObservedSums,
}

/// What was counted of each metric: of a counter the sum, of a histogram the count and the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct ObservedSums {
    checks_failed: i64,
    iterations: i64,
    first_byte: (u64, f64),
    sent: (u64, f64),
}

impl Observer {
    fn new(registry: Registry<'static>) -> Self {
        let mut recorder = registry.recorder();
        let series = ["/a", "/b"].map(|name| recorder.series("GET", name));
        Self {
            series,
            checks_failed: registry.counter("checks_failed", Unit::One, "Checks that failed").expect("room"),
            first_byte: registry.timer("time_to_first_byte", "").expect("room"),
            sent: registry.histogram("sent", Unit::Bytes, "Bytes of a request").expect("room"),
            iterations: None,
            recorder,
            calls: 0,
            sums: ObservedSums::default(),
        }
    }

    /// Ten requests, and 7 times 4 observations; also of iterations, once they are declared. Times are multiples of half a
    /// millisecond, so that sums are exact.
    fn observe(&mut self) {
        record(&mut self.recorder, 10);
        for number in 0..7_u64 {
            let series = self.series[number as usize % 2];
            self.recorder.add(self.checks_failed, series, number);
            for _ in 0..2 {
                self.recorder.observe(self.first_byte, series, Duration::from_micros(500 * number));
            }
            self.recorder.observe(self.sent, series, 100 * number);
            self.calls += 4;
            self.sums.checks_failed += number as i64;
            self.sums.first_byte.0 += 2;
            self.sums.first_byte.1 += number as f64;
            self.sums.sent.0 += 1;
            self.sums.sent.1 += 100.0 * number as f64;
            if let Some(iterations) = self.iterations {
                self.recorder.add_to_run(iterations, 3);
                self.calls += 1;
                self.sums.iterations += 3;
            }
        }
    }

    fn declare_later(&mut self) {
        self.iterations = self.recorder.registry().run_counter("iterations", Unit::One, "").ok();
        assert!(self.iterations.is_some());
    }
}

/// What these bodies show: of intervals all together, of totals the last values.
fn sums<'g>(bodies: impl Iterator<Item = &'g Got>, is_delta: bool) -> ObservedSums {
    let mut values = BTreeMap::new();
    for point in bodies.flat_map(|got| &got.points) {
        let (count, sum) = match point.value {
            DecodedValue::Sum(sum) => (0, sum as f64),
            DecodedValue::Histogram { count, sum, .. } | DecodedValue::Exponential { count, sum, .. } => (count, sum),
            DecodedValue::Gauge(_) => panic!("{point:?}"),
        };
        let known = values.entry((point.metric.as_str(), &point.attributes)).or_insert((0, 0.0));
        *known = if is_delta { (known.0 + count, known.1 + sum) } else { (count, sum) };
    }
    let of = |name: &str| {
        let own = values.iter().filter(|((metric, _), _)| *metric == format!("loaddensity.{name}"));
        own.fold((0, 0.0), |sum, (_, value)| (sum.0 + value.0, sum.1 + value.1))
    };
    ObservedSums {
        checks_failed: of("checks_failed").1 as i64,
        iterations: of("iterations").1 as i64,
        first_byte: of("time_to_first_byte"),
        sent: of("sent"),
    }
}

/// Exporters on a storage with room for own instruments.
fn exporters() -> Exporters {
    let storage = HeapStorage::builder(16, 4, 64).counters(2).histograms(2).build().expect("a size that exists");
    Exporters::start(Settings::on(Box::leak(Box::new(storage)).registry())).expect("a fresh storage is free")
}

fn observations(exporters: &Exporters) -> Account {
    exporters.status()[0].observations.expect("there is room for own instruments")
}

/// Records once before an exporter starts, then in four rounds, and once before the stop. Returns what its receiver got, which
/// refuses so many bodies of own instruments, the accounts of requests and of observations, the engine, and what it had counted
/// before the start.
fn run(mode: SendMode, refuses: usize) -> (Vec<Got>, [Account; 2], Observer, ObservedSums) {
    let exporters = exporters();
    let mut engine = Observer::new(exporters.recorder().registry());
    // Counted before the exporter starts: in no interval, but in every total.
    engine.observe();
    let (sums_before, calls_before) = (engine.sums, engine.calls);
    let (receiver, got) = Receiver::start(mode, refuses);
    let config = mode.config(receiver).interval(Duration::from_millis(30));
    exporters.start_opentelemetry_exporter(config).expect("starts");
    for round in 1..=4 {
        engine.observe();
        wait_until("the round is settled", || {
            let (requests, observed) = (exporters.status()[0].account, observations(&exporters));
            let is_settled = observed.sent + observed.dropped.total() == engine.calls - calls_before;
            requests.sent == 10 * round && is_settled
        });
        if round == 2 {
            engine.declare_later();
        }
    }
    engine.observe();
    let report = exporters.shutdown(PATIENCE);
    let [requests] = report.accounts[..] else { panic!("{report}") };
    let [observed] = report.observations[..] else { panic!("{report}") };
    assert_settled(&requests);
    assert_settled(&observed);
    assert_eq!((requests.recorded, requests.sent), (50, 50), "{mode:?}");
    assert_eq!(observed.recorded, engine.calls - calls_before, "{mode:?}");
    (got.try_iter().collect(), [requests, observed], engine, sums_before)
}

fn difference(now: ObservedSums, before: ObservedSums) -> ObservedSums {
    let less = |now: (u64, f64), before: (u64, f64)| (now.0 - before.0, now.1 - before.1);
    ObservedSums {
        checks_failed: now.checks_failed - before.checks_failed,
        iterations: now.iterations - before.iterations,
        first_byte: less(now.first_byte, before.first_byte),
        sent: less(now.sent, before.sent),
    }
}

#[test]
fn own_instruments_arrive_exactly_in_every_mode() {
    for mode in modes() {
        let (got, [_, observed], engine, before) = run(mode, 0);
        assert_eq!((observed.sent, observed.dropped.total()), (observed.recorded, 0), "{mode:?}");
        let expected = if mode.is_delta { difference(engine.sums, before) } else { engine.sums };
        let own = got.iter().filter(|got| is_own(&got.points));
        assert_eq!(sums(own.clone(), mode.is_delta), expected, "{mode:?}");
        let points: Vec<_> = own.flat_map(|got| &got.points).collect();
        assert!(points.iter().all(|point| !point.attributes.contains_key("outcome")));
        let of_run = points.iter().filter(|point| point.metric == "loaddensity.iterations");
        assert!(of_run.clone().count() >= 2 && of_run.clone().all(|point| point.attributes.is_empty()), "{mode:?}");
        let units: BTreeSet<_> = points.iter().map(|point| (point.metric.as_str(), point.unit.as_str())).collect();
        let declared = [("checks_failed", "1"), ("iterations", "1"), ("sent", "By"), ("time_to_first_byte", "ms")];
        let declared = declared.map(|(name, unit)| (format!("loaddensity.{name}"), unit));
        assert!(units.into_iter().eq(declared.iter().map(|(name, unit)| (name.as_str(), *unit))), "{mode:?}");
        if mode.is_delta {
            // No time is in two intervals.
            let mut ends = BTreeMap::new();
            for point in points {
                let end = ends.insert((&point.metric, &point.attributes), point.time).unwrap_or_default();
                assert!(point.start >= end && point.time > point.start, "{point:?}");
            }
        }
    }
}

#[test]
fn a_receiver_that_refuses_own_instruments_costs_no_request_and_the_rest_arrives() {
    for mode in modes() {
        let (got, [requests, observed], engine, before) = run(mode, 2);
        assert_eq!(requests.dropped.total(), 0, "{mode:?}");
        let refused = observed.dropped.get(DropReason::Refused);
        let own = |is_taken| got.iter().filter(move |got| is_own(&got.points) && got.is_taken == is_taken);
        assert_eq!(own(false).count(), 2, "{mode:?}");
        assert_eq!(observed.dropped.total(), refused, "{mode:?}: {observed:?}");
        if mode.is_delta {
            assert!(refused != 0 && observed.sent != 0, "{mode:?}: {observed:?}");
            let all = got.iter().filter(|got| is_own(&got.points));
            assert_eq!(sums(all, true), difference(engine.sums, before), "nothing is sent twice: {mode:?}");
        } else {
            // Later totals hold what was refused before.
            assert_eq!((observed.sent, refused), (observed.recorded, 0), "{mode:?}");
            assert_eq!(sums(own(true), false), engine.sums, "{mode:?}");
        }
    }
}

#[test]
fn an_exporter_that_starts_anew_begins_a_new_account_and_a_new_interval() {
    let mode = SendMode { is_grpc: true, is_delta: true, histograms: HistogramAggregation::Explicit };
    let (receiver, got) = Receiver::start(mode, 0);
    let exporters = exporters();
    let mut engine = Observer::new(exporters.recorder().registry());
    for run in 0..3 {
        exporters.start_opentelemetry_exporter(mode.config(receiver)).expect("starts");
        let before = engine.sums;
        (0..=run).for_each(|_| engine.observe());
        let expected = difference(engine.sums, before);
        assert_eq!(observations(&exporters).recorded, 28 * (run + 1));
        exporters.stop_opentelemetry_exporter().expect("stops").expect("it ran");
        // Between two runs nobody counts for an exporter.
        engine.observe();
        let bodies: Vec<_> = got.try_iter().collect();
        assert_eq!(sums(bodies.iter().filter(|got| is_own(&got.points)), true), expected, "run {run}");
    }
    let report = exporters.shutdown(PATIENCE);
    let sent: Vec<_> = report.observations.iter().map(|account| account.sent).collect();
    assert_eq!(sent, [28, 56, 84], "{report}");
}

#[test]
fn without_room_for_own_instruments_there_is_no_account_of_them() {
    for mode in modes() {
        let (receiver, got) = Receiver::start(mode, 0);
        let exporters = support::exporters();
        exporters.start_opentelemetry_exporter(mode.config(receiver)).expect("starts");
        record(&mut exporters.recorder(), 10);
        assert_eq!(exporters.status()[0].observations, None);
        let report = exporters.shutdown(PATIENCE);
        assert!(report.observations.is_empty() && report.accounts[0].sent == 10, "{report}");
        assert!(got.try_iter().all(|got| !is_own(&got.points)));
    }
}
