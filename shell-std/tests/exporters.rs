//! The exporters on threads, for callers who await and for those who start them without a handle.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use loaddensity_metrics_std as metrics;
use metrics::runtime::Runtime as _;
use metrics::{AsyncExporters, Exporter, Sample, Settings, StatsdConfig, Std, Storage};

/// So few that a usual receive buffer holds their messages.
const REQUESTS: u64 = 60;
const SAMPLE: Sample = Sample::http(200, Duration::ZERO);

/// Whoever polls, with whichever executor: the work is done on threads.
#[test]
fn the_exporters_work_without_an_executor() {
    static STORAGE: Storage<8, 4, 256> = Storage::new();
    let (agent, config) = agent();
    let exporters = AsyncExporters::start_on(Std::global(), Settings::on(STORAGE.registry())).expect("free storage");
    block_on(exporters.start_statsd_sink(config)).expect("a socket");
    let recorder = exporters.local_recorder();
    let record = move || (0..REQUESTS / 4).for_each(|_| recorder.record_request("GET", "/items", SAMPLE));
    let threads = [(); 4].map(|()| thread::spawn(record));
    threads.into_iter().for_each(|thread| thread.join().expect("a thread of the engine"));
    let report = block_on(exporters.shutdown(Duration::from_secs(10)));
    assert_eq!((report.accounts[0].recorded, report.accounts[0].sent), (REQUESTS, REQUESTS), "{report}");
    assert_eq!(received(&agent), 3 * REQUESTS);
}

/// One test, for there is one process.
#[test]
fn the_calls_work_without_a_handle() {
    for _ in 0..2 {
        let (agent, config) = agent();
        metrics::start_statsd_sink(config).expect("a socket");
        let mut recorder = metrics::exporters().expect("they run").recorder();
        for _ in 0..REQUESTS {
            recorder.record_request("GET", "/items", SAMPLE);
        }
        drop(recorder);
        let report = metrics::shutdown(Duration::from_secs(10));
        let [account] = &report.accounts[..] else { panic!("one ran: {report}") };
        assert_eq!((account.exporter, account.sent), (Exporter::Statsd, REQUESTS), "{report}");
        assert_eq!(received(&agent), 3 * REQUESTS);
    }
}

/// A task of `Std::global()` ends when it is dropped, and needs no `run`.
#[test]
fn a_task_of_the_process_ends_when_it_is_dropped() {
    let (held, gone) = async_channel::bounded::<()>(1);
    let task = Std::global().spawn(async move {
        let _held = held;
        Std::global().sleep(Duration::from_secs(3_600)).await;
    });
    drop(task);
    assert!(gone.recv_blocking().is_err(), "the sender lived in the future");
}

fn agent() -> (UdpSocket, StatsdConfig) {
    let agent = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = agent.local_addr().expect("a bound address").port();
    (agent, StatsdConfig::default().port(port))
}

/// Datagrams that have arrived: over the loopback interface, those are all that were sent.
fn received(agent: &UdpSocket) -> u64 {
    agent.set_nonblocking(true).expect("a socket option");
    (0..).take_while(|_| agent.recv(&mut [0; 512]).is_ok()).count() as u64
}
