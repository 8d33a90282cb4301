//! A runtime that breaks promises learns from the conformance suite which they are.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use loaddensity_metrics_conformance::{failure, resolving, timers, udp};
use loaddensity_metrics_shell::Timestamp;
use loaddensity_metrics_shell::runtime::{NoTcp, Runtime, UdpOptions, UdpSocket};
use loaddensity_metrics_std::Std;

/// [`Std`] with the mistakes that are easily made. It names neither TCP nor Unix sockets.
#[derive(Clone)]
struct Mistaken(Std);

/// The most that fits into the buffer of a [`CutUdp`].
const BUFFER: usize = 1_400;

/// A UDP socket that cuts datagrams to its buffer.
struct CutUdp(<Std as Runtime>::Udp);

impl Runtime for Mistaken {
    type Udp = CutUdp;
    type Tcp = NoTcp;
    type Listener = NoTcp;
    type Task = <Std as Runtime>::Task;

    const HAS_TCP: bool = false;

    fn run<F: Future>(main: impl FnOnce(Self) -> F) -> io::Result<F::Output> {
        Std::run(|runtime| main(Self(runtime)))
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Self::Task {
        self.0.spawn(future)
    }

    /// Makes its timer when it is polled.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let runtime = self.0.clone();
        async move { runtime.sleep(duration).await }
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    /// Milliseconds where nanoseconds are asked for.
    fn wall_clock(&self) -> Timestamp {
        Timestamp::from_unix_nanos(self.0.wall_clock().as_unix_nanos() / 1_000_000)
    }

    /// An empty list where there is no such name.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.resolve(host, port).await.unwrap_or_default())
    }

    async fn udp_connect(&self, options: UdpOptions) -> io::Result<CutUdp> {
        self.0.udp_connect(options).await.map(CutUdp)
    }
}

impl UdpSocket for CutUdp {
    fn try_send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.0.try_send(&datagram[..datagram.len().min(BUFFER)])
    }

    async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }
}

#[test]
fn a_broken_promise_is_told_with_its_rule_what_usually_breaks_it_and_what_was_seen() {
    type Case = (&'static str, fn(), [&'static str; 4]);
    let cases: [Case; 4] = [
        (
            "timers::a_sleep_counts_from_the_call",
            timers::a_sleep_counts_from_the_call::<Mistaken>,
            ["of Runtime::sleep:", "counted from this call and not from the first poll", "an `async fn`", "first poll"],
        ),
        (
            "timers::the_wall_clock_is_the_systems",
            timers::the_wall_clock_is_the_systems::<Mistaken>,
            [
                "of Runtime::wall_clock:",
                "The wall clock, which may be set back.",
                "milliseconds",
                "the wall clock is 1",
            ],
        ),
        (
            "resolving::a_name_that_does_not_exist_is_an_error",
            resolving::a_name_that_does_not_exist_is_an_error::<Mistaken>,
            ["of Runtime::resolve:", "never an empty list", "an empty list instead of an error", "Ok([])"],
        ),
        (
            "udp::datagrams_arrive_whole",
            udp::datagrams_arrive_whole::<Mistaken>,
            ["of UdpSocket::try_send:", "it is taken whole or not at all", "a buffer of fixed size", "1472"],
        ),
    ];
    for (name, case, parts) in cases {
        let says = failure::<Mistaken>(name, case).unwrap_or_else(|| panic!("{name} has passed"));
        assert!(says.contains("Mistaken breaks a promise: ") && says.contains(name), "{says}");
        let (rule, seen) = says.split_once("what was seen: ").expect("what was seen");
        assert!(parts[..3].iter().all(|part| rule.contains(part)), "{says}");
        assert!(seen.contains(parts[3]), "{says}");
    }
}

#[test]
fn a_promise_that_is_kept_is_no_failure() {
    assert_eq!(failure::<Mistaken>("timers::now_never_goes_back", timers::now_never_goes_back::<Mistaken>), None);
}

#[test]
#[cfg(unix)]
fn what_a_runtime_lacks_and_nobody_said_so_is_a_failure() {
    use loaddensity_metrics_conformance::unix;

    let says = failure::<Mistaken>("unix::unix_datagrams_arrive_whole", unix::unix_datagrams_arrive_whole::<Mistaken>);
    let says = says.expect("it has no Unix sockets");
    assert!(says.contains("has no Unix sockets") && says.contains("without: Unix, Connect, Listen)"), "{says}");
}
