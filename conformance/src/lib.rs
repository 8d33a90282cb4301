//! Shows that a [`Runtime`] is right: there is a case for every promise of the trait, and no other case.
//!
//! The author of a runtime runs the suite with one line in a file under `tests/`:
//!
//! ```ignore
//! // Cargo.toml: [dev-dependencies] loaddensity-metrics-conformance = { path = "…/conformance" }
//! // tests/conformance.rs:
//! loaddensity_metrics_conformance::conformance!(my_crate::MyRuntime);
//! ```
//!
//! Each case becomes a `#[test]`. It makes a runtime of its own ([`Runtime::run`]), uses only the loopback interface
//! and free ports, and fails after two minutes instead of hanging. Cases do not test speed, except with generous
//! limits.
//!
//! A case that fails says which promise is broken, in the words of the trait, and what usually breaks it.
//!
//! What the runtime does without (a [`Capability`]) its author says in the same line. The cases that need it are then
//! ignored tests, which `cargo test` counts apart from those that passed:
//!
//! ```ignore
//! loaddensity_metrics_conformance::conformance!(my_crate::MyRuntime, without: Connect, Listen, Unix);
//! ```
//!
//! Where nothing is said of it, they fail; where the runtime has it all the same, a test of its own does. What the machine
//! lacks (IPv6) is only known when the case runs: it says on standard error that it was left out, and how many were so far.
//!
//! The suite compares with the operating system's sockets and clocks. So a runtime with a network or a clock of its own
//! cannot pass the whole suite. It can call the cases that apply, one by one.
//!
//! The exporters themselves are tested in `end-to-end/`, which can be run on any [`Runtime`] as well.

use std::any::{Any, type_name};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdTcpListener};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use loaddensity_metrics_shell::runtime::Runtime;

use capability::what_lacks;
use promises::promise_of;

pub mod connect;
pub mod listen;
pub mod resolving;
pub mod tasks;
pub mod tcp;
pub mod timers;
pub mod tls;
pub mod udp;
#[cfg(unix)]
pub mod unix;

mod bare;
mod capability;
mod folder;
mod promises;

pub use bare::{Bare, BareUdp, largest_future};
pub use capability::{Capability, has, lacks, leave_out};
pub use folder::Folder;

/// One `#[test]` for each case of the suite, run on the given [`Runtime`](loaddensity_metrics_shell::runtime::Runtime);
/// ignored are those that need a [`Capability`] which it is said to do without.
#[macro_export]
macro_rules! conformance {
    ($runtime:ty $(, without: $($lack:ident),+)? $(,)?) => {
        $(
            #[test]
            fn the_runtime_lacks_what_it_is_said_to() {
                $(assert!(
                    !$crate::has::<$runtime>($crate::Capability::$lack),
                    "the runtime has {}: take `{}` out of `without`, so that its cases run",
                    $crate::Capability::$lack,
                    stringify!($lack),
                );)+
            }
        )?
        $crate::conformance_group!($runtime, [$($($lack)+)?], timers:
            a_sleep_lasts_at_least_as_long
            a_sleep_counts_from_the_call
            sleeps_run_side_by_side
            a_sleep_that_is_dropped_harms_no_other
            an_endless_sleep_is_no_fault
            now_never_goes_back
            the_wall_clock_is_the_systems
        );
        $crate::conformance_group!($runtime, [$($($lack)+)?], tasks:
            tasks_run_beside_main
            a_task_starts_further_tasks
            other_threads_start_tasks
            dropping_a_task_drops_its_future
            dropping_a_task_on_another_thread_drops_its_future
            dropping_a_finished_task_does_nothing
            tasks_end_with_the_runtime
            a_task_that_comes_too_late_is_dropped
            a_panic_ends_its_task_alone
            a_task_that_gives_way_holds_up_no_timer
        );
        $crate::conformance_group!($runtime, [$($($lack)+)?], resolving:
            localhost_is_this_machine
            addresses_in_text_form_stay_as_they_are
            a_name_that_does_not_exist_is_an_error
            nonsense_is_an_error
        );
        $crate::conformance_group!($runtime, [$($($lack)+)?], udp:
            datagrams_arrive_whole
            datagrams_arrive_whole_over_ipv6
            many_datagrams_arrive_in_order
            a_refused_datagram_is_reported_and_forgotten
            a_refusal_is_looked_at_without_sending
            a_socket_with_room_is_writable
            a_datagram_too_large_is_an_error
            segments_arrive_as_datagrams
            segments_arrive_as_datagrams_over_ipv6
            refused_segments_are_reported_and_forgotten
            segments_too_large_are_an_error
        );
        $crate::conformance_group!($runtime, [$($($lack)+)?], connect:
            connects_to_a_foreign_listener
            a_refused_connection_is_an_error
        );
        $crate::conformance_group!($runtime, [$($($lack)+)?], listen:
            port_0_takes_a_free_port
            accepts_a_foreign_client
            a_port_in_use_is_an_error
            dropping_the_listener_frees_the_port
            a_port_with_lingering_connections_is_free
            a_cancelled_accept_loses_nothing
        );
        $crate::conformance_group!($runtime, [$($($lack)+)?], tcp:
            large_transfers_both_ways_at_once
            large_transfers_over_ipv6
            many_connections_at_once
            a_closed_side_reads_on
            a_cancelled_task_closes_its_connection
        );
        $crate::conformance_group!($runtime, [$($($lack)+)?], tls:
            a_session_carries_every_byte
            a_session_that_is_cut_is_an_error
        );
        #[cfg(unix)]
        $crate::conformance_group!($runtime, [$($($lack)+)?], unix:
            unix_datagrams_arrive_whole
            a_unix_datagram_waits_while_the_queue_is_full
            waiting_for_room_takes_no_processor
            a_unix_datagram_too_large_is_an_error
            a_unix_stream_carries_every_byte
            a_unix_socket_that_is_not_there_is_an_error
            a_unix_socket_of_another_kind_is_an_error
            a_peer_that_goes_away_is_an_error
        );
    };
}

/// The cases that go another way on a [`Bare`] runtime, run on a [`Bare`] runtime of `$runtime`; and a test that
/// `$runtime` itself has Unix sockets.
#[macro_export]
macro_rules! bare_conformance {
    ($runtime:ty) => {
        $crate::conformance_group!($crate::Bare<$runtime>, [], udp:
            segments_arrive_as_datagrams
            refused_segments_are_reported_and_forgotten
        );

        #[test]
        fn the_inner_runtime_has_unix_sockets() {
            assert!($crate::has::<$runtime>($crate::Capability::Unix));
        }
    };
}

/// A module of tests, one for each case of one group; [`conformance!`] is made of these. In brackets stand the names of each
/// [`Capability`] that the runtime lacks.
#[macro_export]
macro_rules! conformance_group {
    (@tests $ignored:tt $runtime:ty, $group:ident: $($case:ident)+) => {
        mod $group {
            #[allow(unused_imports, reason = "the runtime may be named through the parent's imports")]
            use super::*;

            $($crate::conformance_group!(@test $ignored $runtime, $group, $case);)+
        }
    };
    (@test [$($ignored:tt)*] $runtime:ty, $group:ident, $case:ident) => {
        #[test]
        $($ignored)*
        fn $case() {
            let case = concat!(stringify!($group), "::", stringify!($case));
            $crate::tested::<$runtime>(case, $crate::$group::$case::<$runtime>);
        }
    };
    // What the runtime's author says it does without cannot run. `cargo test` shows the reason, and a test of its own fails where
    // the runtime has it all the same. Which group needs what stands in `NEEDS` too, for cases that are not ignored.
    (@ignored $lack:literal $($group:tt)+) => {
        $crate::conformance_group!(@tests [#[ignore = $lack]] $($group)+);
    };
    ($runtime:ty, [Datagrams $($rest:ident)*], udp: $($case:ident)+) => {
        $crate::conformance_group!(@ignored "the runtime has no UDP sockets" $runtime, udp: $($case)+);
    };
    ($runtime:ty, [Unix $($rest:ident)*], unix: $($case:ident)+) => {
        $crate::conformance_group!(@ignored "the runtime has no Unix sockets" $runtime, unix: $($case)+);
    };
    ($runtime:ty, [Connect $($rest:ident)*], connect: $($case:ident)+) => {
        $crate::conformance_group!(@ignored "the runtime has no TCP connections" $runtime, connect: $($case)+);
    };
    ($runtime:ty, [Connect $($rest:ident)*], tcp: $($case:ident)+) => {
        $crate::conformance_group!(@ignored "the runtime has no TCP connections" $runtime, tcp: $($case)+);
    };
    ($runtime:ty, [Connect $($rest:ident)*], tls: $($case:ident)+) => {
        $crate::conformance_group!(@ignored "the runtime has no TCP connections" $runtime, tls: $($case)+);
    };
    ($runtime:ty, [Listen $($rest:ident)*], listen: $($case:ident)+) => {
        $crate::conformance_group!(@ignored "the runtime has no TCP listeners" $runtime, listen: $($case)+);
    };
    ($runtime:ty, [Listen $($rest:ident)*], tcp: $($case:ident)+) => {
        $crate::conformance_group!(@ignored "the runtime has no TCP listeners" $runtime, tcp: $($case)+);
    };
    ($runtime:ty, [$other:ident $($rest:ident)*], $group:ident: $($case:ident)+) => {
        $crate::conformance_group!($runtime, [$($rest)*], $group: $($case)+);
    };
    ($runtime:ty, [], $group:ident: $($case:ident)+) => {
        $crate::conformance_group!(@tests [] $runtime, $group: $($case)+);
    };
}

/// What a runtime needs for the cases of each group.
const NEEDS: [(&str, &[Capability]); 9] = [
    ("timers", &[]),
    ("tasks", &[]),
    ("resolving", &[]),
    ("udp", &[Capability::Datagrams]),
    ("unix", &[Capability::Unix]),
    ("connect", &[Capability::Connect]),
    ("listen", &[Capability::Listen]),
    ("tcp", &[Capability::Connect, Capability::Listen]),
    ("tls", &[Capability::Connect]),
];

/// Runs the case of this name (`group::case`) as [`watched`] does.
///
/// # Panics
/// If there is a [`failure`]: with its text.
pub fn tested<R: Runtime>(name: &str, case: fn()) {
    if let Some(failure) = failure::<R>(name, case) {
        panic!("{failure}");
    }
}

/// Runs the case of this name (`group::case`), and says what is wrong if it fails: which promise the runtime breaks, what
/// usually breaks it, and what was seen; or what the runtime would have to have for the case.
///
/// # Panics
/// If the suite has no such case.
#[must_use]
pub fn failure<R: Runtime>(name: &str, case: fn()) -> Option<String> {
    let group = name.split_once("::").map_or(name, |(group, _)| group);
    let (_, needs) = NEEDS.iter().find(|(known, _)| *known == group).expect("a group of the suite");
    let promise = promise_of(name).expect("a case of the suite");
    let runtime = type_name::<R>();
    let (lacking, lack) = mpsc::channel();
    let ended = ended(name, move || match needs.iter().find(|&&capability| !has::<R>(capability)) {
        Some(&capability) => lacking.send((capability, what_lacks::<R>())).expect("somebody waits"),
        None => case(),
    });
    if let Ok((capability, all)) = lack.try_recv() {
        return Some(format!(
            "{runtime} has no {capability}, so {name} could not run.\n\
             If that is meant, say so, and what needs it is counted as ignored: conformance!({runtime}, without: {all})"
        ));
    }
    let seen = ended.err()?;
    let seen = text(&*seen);
    let (of, rule, usually) = (promise.of, promise.rule, promise.usually);
    Some(format!(
        "{runtime} breaks a promise: {name}\n\
         the rule, in the documentation of {of}: \"{rule}\"\n\
         what usually breaks it: {usually}\n\
         what was seen: {seen}"
    ))
}

/// How long a case may take. It is far more than any case needs, and turns a hang into a failure.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `case` on a thread of its own, which gets this name.
///
/// # Panics
/// If `case` panics, or if it has not ended after two minutes.
pub fn watched(name: &str, case: impl FnOnce() + Send + 'static) {
    if let Err(panic) = ended(name, case) {
        panic::resume_unwind(panic);
    }
}

/// How `case` has ended on a thread of its own.
fn ended(name: &str, case: impl FnOnce() + Send + 'static) -> thread::Result<()> {
    let (ended, end) = mpsc::channel::<()>();
    let runner = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ended = ended;
        case();
    });
    let runner = runner.expect("the operating system has a thread");
    // Nothing is ever sent. The signal is that the sender is dropped, when the case returns or panics.
    if end.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
        let text = format!("{name} has not ended after {LIMIT:?}");
        eprintln!("{text}");
        return Err(Box::new(text));
    }
    runner.join()
}

/// What a panic said.
fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text")
}

/// Runs `main` on a new runtime.
///
/// # Panics
/// If the operating system has no resources for a runtime.
pub fn run<R: Runtime, F: Future>(main: impl FnOnce(R) -> F) -> F::Output {
    R::run(main).expect("the operating system has resources for a runtime")
}

/// Waits until `condition` holds; [`watched`] ends the case if it never does.
pub async fn until<R: Runtime>(runtime: &R, mut condition: impl FnMut() -> bool) {
    while !condition() {
        runtime.sleep(Duration::from_millis(1)).await;
    }
}

/// A free port of the IPv4 loopback interface.
pub const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A free port of the IPv6 loopback interface. If the machine has no IPv6, this says so and returns `None`.
fn ipv6_loopback() -> Option<SocketAddr> {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    match StdTcpListener::bind(address) {
        Ok(_) => Some(address),
        Err(error) => {
            leave_out(&format!("no IPv6 loopback on this machine ({error})"));
            None
        }
    }
}

/// A TCP port of the IPv4 loopback interface on which nobody listens.
///
/// # Panics
/// If no port is free.
#[must_use]
pub fn unused_port() -> SocketAddr {
    let listener = StdTcpListener::bind(LOOPBACK).expect("a free port");
    listener.local_addr().expect("a bound address")
}

/// Notes that it was dropped. A test puts it into a future to see when the future is dropped.
#[derive(Debug)]
pub struct Guard(Arc<AtomicBool>);

/// Tells whether a [`Guard`] was dropped.
#[derive(Debug)]
pub struct DropWatch(Arc<AtomicBool>);

impl Guard {
    /// A guard, and the watch that tells when the guard is dropped.
    #[must_use]
    pub fn new() -> (Self, DropWatch) {
        let dropped = Arc::new(AtomicBool::new(false));
        (Self(dropped.clone()), DropWatch(dropped))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl DropWatch {
    /// Whether the guard was dropped.
    #[must_use]
    pub fn dropped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The cases in the source `group` that `suite` does not name. `suite` is the source of a macro that must name all
/// cases: a case that it does not name would never run.
#[must_use]
pub fn unnamed_cases<'a>(suite: &str, group: &'a str) -> Vec<&'a str> {
    let named: Vec<&str> = suite.lines().map(str::trim).collect();
    let cases = group.split("\npub fn ").skip(1).map(|rest| rest.split(['<', '(']).next().unwrap_or_default());
    cases.filter(|case| !named.contains(case)).collect()
}

#[cfg(test)]
mod tests {
    use super::{promise_of, unnamed_cases};

    #[test]
    fn the_macro_names_every_case_and_each_shows_a_promise() {
        let groups = [
            include_str!("connect.rs"),
            include_str!("listen.rs"),
            include_str!("resolving.rs"),
            include_str!("tasks.rs"),
            include_str!("tcp.rs"),
            include_str!("timers.rs"),
            include_str!("tls.rs"),
            include_str!("udp.rs"),
            include_str!("unix.rs"),
        ];
        for group in groups {
            assert_eq!(unnamed_cases(include_str!("lib.rs"), group), [""; 0], "conformance! does not name these");
            // Of a source that names no case, every case is unnamed.
            let without: Vec<_> =
                unnamed_cases("", group).into_iter().filter(|case| promise_of(case).is_none()).collect();
            assert_eq!(without, [""; 0], "promises.rs does not say what these show");
        }
    }
}
