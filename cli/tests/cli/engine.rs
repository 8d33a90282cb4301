//! The load engine against servers that behave, and that don't.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hyper::Method;
use loaddensity_metrics_cli::engine::{self, Finished, LoadTest, RequestTask, TargetUrl};
use loaddensity_metrics_shell::runtime::Runtime;
use loaddensity_metrics_shell::{Exporters, HeapStorage, Outcome, Registry, Settings};
use loaddensity_metrics_smol::Smol;
use loaddensity_metrics_tokio::Tokio;

/// What a server writes to each request, and whether it then closes the connection without having said so.
#[derive(Clone, Copy)]
struct Behaviour {
    answer: &'static str,
    closes: bool,
}

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789";

/// A server on plain sockets.
struct ServerThread {
    address: SocketAddr,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    requests: AtomicU64,
    /// Connections that the server has closed.
    closed: AtomicU64,
    /// The traces that requests named.
    traces: Mutex<Vec<String>>,
}

impl ServerThread {
    fn start(behaviour: Behaviour) -> Self {
        Self::start_with(behaviour, |_| {})
    }

    /// `before` is called before each answer, with the number of the request on its connection.
    fn start_with(behaviour: Behaviour, before: impl Fn(u64) + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let counts = Arc::<Counts>::default();
        let shared = counts.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (counts, before) = (shared.clone(), before.clone());
                thread::spawn(move || {
                    serve(stream, behaviour, &counts, before);
                    counts.closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, counts }
    }

    fn counts(&self) -> (u64, u64) {
        (self.counts.connections.load(Ordering::SeqCst), self.counts.requests.load(Ordering::SeqCst))
    }

    fn task(&self) -> RequestTask {
        let url = format!("http://{}/x?y", self.address);
        RequestTask::new(Method::GET, TargetUrl::parse(&url).expect("a URL"), "x")
    }
}

fn serve(mut stream: TcpStream, behaviour: Behaviour, counts: &Counts, before: impl Fn(u64)) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    for number in 1.. {
        let mut line = String::new();
        // Head only: the engine sends no bodies.
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(trace) = line.strip_prefix("traceparent: ") {
                counts.traces.lock().expect("no panic").push(trace.trim_end().to_owned());
            }
        }
        counts.requests.fetch_add(1, Ordering::SeqCst);
        before(number);
        if stream.write_all(behaviour.answer.as_bytes()).is_err() || behaviour.closes {
            return;
        }
    }
}

/// A load test of half a second at 200 requests per second, against one server.
fn half_a_second(server: &ServerThread, users: u32) -> LoadTest {
    LoadTest {
        users,
        spawn_rate: 1_000.0,
        duration: Duration::from_millis(500),
        max_rate: Some(200.0),
        traces: false,
        tasks: vec![server.task()],
    }
}

/// A storage of this test's own. The exporters want one that lives as long as the process.
fn storage() -> &'static HeapStorage {
    Box::leak(Box::new(HeapStorage::new(7, 4, 16).expect("a small storage")))
}

fn run<R: Runtime>(test: LoadTest) -> (Registry<'static>, Finished) {
    let storage = storage();
    let exporters = Exporters::<R>::start(Settings::on(storage.registry())).expect("exporters");
    let running = engine::start::<R>(test, exporters.local_recorder()).expect("a thread");
    let finished = running.join().expect("a run");
    (exporters.registry(), finished)
}

fn on_both(case: impl Fn(fn(LoadTest) -> (Registry<'static>, Finished))) {
    case(run::<Tokio>);
    case(run::<Smol>);
}

#[test]
fn each_user_keeps_one_connection() {
    on_both(|run| {
        let server = ServerThread::start(Behaviour { answer: GOOD, closes: false });
        let (registry, finished) = run(half_a_second(&server, 3));
        let totals = registry.totals();
        assert_eq!(server.counts(), (3, totals.requests()));
        assert_eq!((totals.failures(), finished.abandoned), (0, 0));
        let most = 200.0 * finished.elapsed.as_secs_f64() + 21.0;
        assert!(totals.requests() > 3 && totals.requests() as f64 <= most, "{}", totals.requests());
        assert_eq!(totals.sizes[0].sum, 10 * totals.requests());
        assert!(finished.elapsed >= Duration::from_millis(500));
    });
}

#[test]
fn a_connection_that_was_closed_while_idle_is_no_failure() {
    on_both(|run| {
        let closing = ServerThread::start(Behaviour { answer: GOOD, closes: true });
        let counts = closing.counts.clone();
        // The user goes from one server to the other. This one answers when the other has closed its connection.
        let patient = ServerThread::start_with(Behaviour { answer: GOOD, closes: false }, move |number| {
            while counts.closed.load(Ordering::SeqCst) < number {
                thread::sleep(Duration::from_millis(1));
            }
        });
        let test = half_a_second(&closing, 1);
        let (registry, _) = run(LoadTest { tasks: vec![closing.task(), patient.task()], ..test });
        let ((connections, requests), totals) = (closing.counts(), registry.totals());
        assert!(requests > 1);
        assert_eq!(connections, requests);
        assert_eq!(patient.counts().0, 1);
        assert_eq!((totals.requests(), totals.failures()), (requests + patient.counts().1, 0));
    });
}

#[test]
fn what_is_no_whole_answer_is_a_failure_of_no_bytes() {
    on_both(|run| {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "SSH-2.0-OpenSSH_9.9\r\n",
            "",
        ] {
            let server = ServerThread::start(Behaviour { answer, closes: true });
            let (registry, _) = run(half_a_second(&server, 2));
            let totals = registry.totals();
            assert!(totals.requests() > 1, "{answer:?}");
            assert_eq!(totals.failures(), totals.requests(), "{answer:?}");
            assert_eq!(totals.sizes[1].sum, 0, "{answer:?}");
        }
    });
}

#[test]
fn every_request_of_a_traced_test_names_a_trace_of_its_own_and_exemplars_are_among_them() {
    on_both(|run| {
        for traces in [true, false] {
            let server = ServerThread::start(Behaviour { answer: GOOD, closes: false });
            let (registry, _) = run(LoadTest { traces, ..half_a_second(&server, 2) });
            let mut named = server.counts.traces.lock().expect("no panic").clone();
            assert_eq!(named.len() as u64, if traces { registry.requests() } else { 0 });
            let series = registry.series("GET", "x");
            let exemplars: Vec<_> =
                (0..12).filter_map(|bucket| registry.exemplar(series, Outcome::Success, bucket)).collect();
            assert_eq!(exemplars.is_empty(), !traces);
            for exemplar in exemplars {
                let (trace, span) = (exemplar.trace.trace_id, exemplar.trace.span_id);
                let header = format!("00-{:032x}-{:016x}-01", u128::from_be_bytes(trace), u64::from_be_bytes(span));
                assert!(named.contains(&header), "{header}");
            }
            let all = named.len();
            named.sort_unstable();
            named.dedup();
            assert_eq!(named.len(), all);
        }
    });
}

#[test]
fn a_test_can_be_stopped_before_its_time() {
    let server = ServerThread::start(Behaviour { answer: GOOD, closes: false });
    let storage = storage();
    let exporters = Exporters::<Tokio>::start(Settings::on(storage.registry())).expect("exporters");
    let test = LoadTest { duration: Duration::from_secs(3_600), ..half_a_second(&server, 2) };
    let running = engine::start::<Tokio>(test, exporters.local_recorder()).expect("a thread");
    while exporters.registry().requests() < 20 {
        thread::sleep(Duration::from_millis(1));
    }
    let gauges = || exporters.registry().gauges().map(|(name, value)| (name.to_string(), value)).collect::<Vec<_>>();
    let shown = |users, rate| [("active_users".to_owned(), users), ("target_rate".to_owned(), rate)];
    while gauges() != shown(2.0, 200.0) {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(!running.is_finished());
    running.stop();
    let finished = running.join().expect("a run");
    assert!(finished.elapsed < Duration::from_secs(600));
    assert_eq!(gauges(), shown(0.0, 0.0));
    assert_eq!(server.counts(), (2, exporters.registry().requests()));
}
