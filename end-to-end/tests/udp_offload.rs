//! Sockets that take several datagrams in unusual ways, as other runtimes, kernels and networks may do. No message is
//! sent twice, none is lost without being counted, and every request is accounted for.

mod support;

use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, UdpSocket as StdUdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loaddensity_metrics_shell::Exporters;
use loaddensity_metrics_tokio::runtime::{Runtime, UdpOptions, UdpSocket};
use loaddensity_metrics_tokio::{
    Account, DropReason, InfluxdbConfig, InfluxdbUdp, Settings, StatsdConfig, StatsdSocket, Timestamp, Tokio,
    TokioListener, TokioStream, TokioTask, TokioUdp,
};
use support::{PATIENCE, assert_settled, record, registry};

/// So few requests that even a burst of all their messages fits into the usual buffer of a socket.
const REQUESTS: u64 = 60;

/// The methods that all these sockets hand to the inner socket unchanged.
macro_rules! as_beneath {
    () => {
        async fn writable(&self) -> io::Result<()> {
            self.0.writable().await
        }

        fn take_error(&self) -> io::Result<Option<io::Error>> {
            self.0.take_error()
        }
    };
}

/// A socket with only the required methods; the trait provides the others.
struct Minimal(TokioUdp);

impl UdpSocket for Minimal {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.try_send(datagram)
    }

    as_beneath!();
}

/// A socket that takes at most three datagrams in a call.
struct TakesThree(TokioUdp);

impl UdpSocket for TakesThree {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.try_send(datagram)
    }

    fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        let mut datagrams = datagrams.chunks(segment).take(3);
        self.0.try_send(datagrams.next().expect("one or more"))?;
        Ok(1 + datagrams.take_while(|datagram| self.0.try_send(datagram).is_ok()).count())
    }

    as_beneath!();
}

/// A socket that takes several datagrams in the first two calls, and then only one in a call.
struct ChangesItsMind(TokioUdp, AtomicUsize);

impl UdpSocket for ChangesItsMind {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.try_send(datagram)
    }

    fn try_send_segments(&self, datagrams: &[u8], segment: usize) -> io::Result<usize> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => self.0.try_send_segments(datagrams, segment),
            2 => self.0.try_send(&datagrams[..segment]).map(|_| 1),
            _ => panic!("the socket took only one of several, so it must get one at a time"),
        }
    }

    as_beneath!();
}

/// A socket that fails if it gets several datagrams, with an error that does not say why.
struct FailsWithSeveral(TokioUdp);

impl UdpSocket for FailsWithSeveral {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.try_send(datagram)
    }

    fn try_send_segments(&self, _: &[u8], _: usize) -> io::Result<usize> {
        Err(io::Error::other("no memory for so many"))
    }

    as_beneath!();
}

/// A socket that takes the first 20 datagrams, and then only every third.
struct LosesMost(TokioUdp, AtomicUsize);

impl UdpSocket for LosesMost {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        match self.1.fetch_add(1, Ordering::SeqCst) {
            // Whole requests at first, so that some are sent.
            0..20 => self.0.try_send(datagram),
            call if call % 3 == 0 => self.0.try_send(datagram),
            _ => Err(io::Error::other("out of order")),
        }
    }

    fn try_send_segments(&self, _: &[u8], _: usize) -> io::Result<usize> {
        Err(io::Error::other("out of order"))
    }

    as_beneath!();
}

/// Of these sockets, every second one that is made takes nothing.
struct FailsAtAll(TokioUdp, usize);

impl UdpSocket for FailsAtAll {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        if self.1 % 2 == 1 { Err(io::Error::other("out of order")) } else { self.0.try_send(datagram) }
    }

    as_beneath!();
}

macro_rules! from_udp {
    ($($socket:ident: $make:expr),+) => {
        $(impl From<TokioUdp> for $socket {
            fn from(socket: TokioUdp) -> Self {
                let make: fn(TokioUdp) -> Self = $make;
                make(socket)
            }
        })+
    };
}

from_udp!(
    Minimal: Minimal,
    TakesThree: TakesThree,
    ChangesItsMind: |socket| ChangesItsMind(socket, AtomicUsize::new(0)),
    FailsWithSeveral: FailsWithSeveral,
    LosesMost: |socket| LosesMost(socket, AtomicUsize::new(0)),
    FailsAtAll: |socket| {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        FailsAtAll(socket, MADE.fetch_add(1, Ordering::SeqCst))
    }
);

#[test]
fn all_is_sent_by_a_runtime_without_segments() {
    everything_is_sent::<Minimal>();
}

#[test]
fn all_is_sent_by_a_socket_that_takes_a_part_of_a_call() {
    everything_is_sent::<TakesThree>();
}

#[test]
fn all_is_sent_by_a_socket_that_refuses_the_offload_later() {
    everything_is_sent::<ChangesItsMind>();
}

#[test]
fn all_is_sent_by_a_socket_that_fails_with_several_datagrams() {
    everything_is_sent::<FailsWithSeveral>();
}

fn everything_is_sent<S: UdpSocket + From<TokioUdp>>() {
    for (statsd, least) in [(None, 3 * REQUESTS), (Some(300), 1), (Some(1_432), 1)] {
        let (account, items, datagrams) = statsd_run::<S>(statsd);
        assert_eq!((account.sent, items.len() as u64), (REQUESTS, 3 * REQUESTS), "{statsd:?}");
        assert!(datagrams >= least, "{datagrams} datagrams of {statsd:?}");
        let count = |text: &str| items.iter().filter(|item| item.contains(text)).count() as u64;
        assert_eq!(
            ["load.requests:1|c|", "load.request.latency:7.9|ms|", "load.response.size:512|h|"].map(count),
            [REQUESTS; 3]
        );
    }
    let (account, mut lines) = influxdb_run::<S>();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((account.sent, lines.len() as u64), (REQUESTS, REQUESTS), "each has a timestamp of its own");
}

/// A runtime that was written before the trait had Unix sockets still compiles.
#[test]
fn a_runtime_without_unix_sockets_says_so_at_the_start() {
    for socket in [StatsdSocket::Unix as fn(PathBuf) -> _, StatsdSocket::UnixDatagram, StatsdSocket::UnixStream] {
        let config = StatsdConfig::default().socket(socket("/run/dsd".into()));
        let error = exporters::<TokioUdp>().start_statsd_sink(config).expect_err("it has none").to_string();
        assert!(error.contains("no Unix sockets") && error.ends_with("give host and port"), "{error}");
    }
}

/// Datagrams that a socket does not take are held and sent through the socket that replaces it. A request counts as
/// sent when all of its messages were sent, and as dropped if the stop's deadline comes first.
#[test]
fn datagrams_that_are_not_taken_wait_for_the_next_socket() {
    for datagram_bytes in [None, Some(150), Some(300)] {
        let (account, items, _) = statsd_run::<LosesMost>(datagram_bytes);
        assert_eq!(account.dropped.get(DropReason::Unreachable) + account.sent, REQUESTS, "{account:?}");
        assert!(items.len() as u64 >= 3 * account.sent, "{} messages of {} requests", items.len(), account.sent);
        assert!(account.sent > 0, "{account:?}");
    }
}

/// The other socket takes the messages of the failed one.
#[test]
fn one_socket_of_several_that_fails_loses_nothing() {
    for segmentation_offload in [false, true] {
        let (socket, port) = receiver();
        let exporters = exporters::<FailsAtAll>();
        let config = StatsdConfig::default().port(port).sockets(2).prefix("load");
        exporters.start_statsd_sink(config.segmentation_offload(segmentation_offload)).expect("starts");
        record(&mut exporters.recorder(), REQUESTS);
        let until = Instant::now() + PATIENCE;
        while exporters.status()[0].account.sent < REQUESTS && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let account = exporters.stop_statsd_sink().expect("stops").expect("it ran");
        assert_settled(&account);
        assert_eq!((account.sent, items(&received(&socket)).len() as u64), (REQUESTS, 3 * REQUESTS));
    }
}

/// Runs a sink. Returns the account, the messages that arrived, and the number of their datagrams.
fn statsd_run<S: UdpSocket + From<TokioUdp>>(datagram_bytes: Option<usize>) -> (Account, Vec<String>, u64) {
    let (socket, port) = receiver();
    let exporters = exporters::<S>();
    let config = StatsdConfig::default().port(port).prefix("load").datagram_bytes(datagram_bytes);
    exporters.start_statsd_sink(config).expect("starts");
    record(&mut exporters.recorder(), REQUESTS);
    let account = exporters.stop_statsd_sink().expect("stops").expect("it ran");
    assert_settled(&account);
    let datagrams = received(&socket);
    let most = datagram_bytes.unwrap_or(8_192);
    assert!(datagrams.iter().all(|datagram| datagram.len() <= most));
    (account, items(&datagrams), datagrams.len() as u64)
}

fn influxdb_run<S: UdpSocket + From<TokioUdp>>() -> (Account, Vec<String>) {
    let (socket, port) = receiver();
    let exporters = exporters::<S>();
    let target = InfluxdbUdp::new("127.0.0.1", port);
    let config = InfluxdbConfig::default().target(target).datagram_bytes(400);
    exporters.start_influxdb_sink(config).expect("starts");
    record(&mut exporters.recorder(), REQUESTS);
    let account = exporters.stop_influxdb_sink().expect("stops").expect("it ran");
    assert_settled(&account);
    (account, items(&received(&socket)))
}

fn exporters<S: UdpSocket + From<TokioUdp>>() -> Exporters<TokioWith<S>> {
    Exporters::start(Settings::on(registry(64, 4, 4_096))).expect("a fresh storage is free")
}

fn receiver() -> (StdUdpSocket, u16) {
    let socket = StdUdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let port = socket.local_addr().expect("bound").port();
    (socket, port)
}

/// All datagrams that were sent to `socket`. Over the loopback interface they have arrived already.
fn received(socket: &StdUdpSocket) -> Vec<Vec<u8>> {
    let end = StdUdpSocket::bind("127.0.0.1:0").expect("a free port");
    end.send_to(b"end", socket.local_addr().expect("bound")).expect("sent");
    let mut buffer = vec![0; 65_536];
    let mut datagrams = Vec::new();
    loop {
        let length = socket.recv(&mut buffer).expect("a datagram");
        match &buffer[..length] {
            b"end" => return datagrams,
            datagram => datagrams.push(datagram.to_vec()),
        }
    }
}

fn items(datagrams: &[Vec<u8>]) -> Vec<String> {
    let text = |datagram: &Vec<u8>| String::from_utf8(datagram.clone()).expect("UTF-8");
    let texts = datagrams.iter().map(text);
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).filter(|line| !line.is_empty()).collect()
}

/// tokio, with sockets of another kind.
struct TokioWith<S>(Tokio, PhantomData<fn() -> S>);

impl<S> Clone for TokioWith<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<S: UdpSocket + From<TokioUdp>> Runtime for TokioWith<S> {
    type Udp = S;
    type Tcp = TokioStream;
    type Listener = TokioListener;
    type Task = TokioTask;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        Tokio::run(|runtime| main(Self(runtime, PhantomData)))
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> TokioTask {
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

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<S> {
        self.0.udp_connect(options).await.map(S::from)
    }

    async fn tcp_connect(&self, peer: SocketAddr) -> io::Result<TokioStream> {
        self.0.tcp_connect(peer).await
    }

    async fn tcp_listen(&self, local: SocketAddr) -> io::Result<TokioListener> {
        self.0.tcp_listen(local).await
    }
}
