//! Shows that a [`Runtime`] is right: every promise of the trait is a case here, and so are the exporters on top of it.
//!
//! Whoever brings a runtime runs the suite with one line in a file under `tests/`:
//!
//! ```ignore
//! // Cargo.toml: [dev-dependencies] loaddensity-metrics-shell = { path = "…/shell", features = ["conformance"] }
//! // tests/conformance.rs:
//! loaddensity_metrics_shell::conformance!(my_crate::MyRuntime);
//! ```
//!
//! Each case becomes a `#[test]`. It makes a runtime of its own ([`Runtime::run`]), talks over the loopback interface
//! only, on free ports, and fails after two minutes rather than hang. A case that needs what the machine lacks (IPv6)
//! says on standard error that it was left out. Cases ask nothing of speed beyond generous upper bounds.
//!
//! The suite compares with the operating system's sockets and clocks. A runtime with a network or a clock of its own
//! therefore cannot pass it as a whole, but can call the cases that apply, one by one.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener as StdTcpListener};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::runtime::Runtime;

pub mod exporters;
pub mod hyper_io;
pub mod influxdb;
pub mod lifecycle;
pub mod opentelemetry;
pub mod prometheus;
pub mod resolving;
pub mod statsd;
pub mod tasks;
pub mod tcp;
pub mod timers;
pub mod udp;

mod http_server;
mod load;
mod otlp_receiver;
mod receiver;

/// One `#[test]` for each case of the suite, run on the given [`Runtime`](crate::runtime::Runtime).
#[macro_export]
macro_rules! conformance {
    ($runtime:ty) => {
        $crate::conformance_group!($runtime, timers:
            a_sleep_lasts_at_least_as_long
            a_sleep_counts_from_the_call
            sleeps_run_side_by_side
            a_sleep_that_is_dropped_harms_no_other
            now_never_goes_back
            the_wall_clock_is_the_systems
        );
        $crate::conformance_group!($runtime, tasks:
            tasks_run_beside_main
            a_task_starts_further_tasks
            other_threads_start_tasks
            dropping_a_task_drops_its_future
            dropping_a_task_on_another_thread_drops_its_future
            dropping_a_finished_task_does_nothing
            tasks_end_with_the_runtime
            a_task_that_comes_too_late_is_dropped
            a_panic_ends_its_task_alone
        );
        $crate::conformance_group!($runtime, resolving:
            localhost_is_this_machine
            addresses_in_text_form_stay_as_they_are
            a_name_that_does_not_exist_is_an_error
            nonsense_is_an_error
        );
        $crate::conformance_group!($runtime, udp:
            datagrams_arrive_whole
            datagrams_arrive_whole_over_ipv6
            many_datagrams_arrive_in_order
            a_refused_datagram_is_reported_and_forgotten
            a_datagram_too_large_is_an_error
        );
        $crate::conformance_group!($runtime, tcp:
            port_0_takes_a_free_port
            connects_to_a_foreign_listener
            accepts_a_foreign_client
            large_transfers_both_ways_at_once
            large_transfers_over_ipv6
            many_connections_at_once
            a_closed_side_reads_on
            a_refused_connection_is_an_error
            a_port_in_use_is_an_error
            dropping_the_listener_frees_the_port
            a_port_with_lingering_connections_is_free
            a_cancelled_accept_loses_nothing
            a_cancelled_task_closes_its_connection
        );
        $crate::conformance_group!($runtime, hyper_io:
            http1_echo_over_one_connection
            http2_echo_of_concurrent_requests
            a_shutdown_ends_one_direction
            the_timer_ends_a_silent_connection
            tasks_end_with_their_owner
            tasks_that_end_are_forgotten
        );
        $crate::conformance_group!($runtime, prometheus:
            a_scrape_shows_every_request
            scrapes_share_a_connection
            head_delivers_no_page
            other_paths_and_methods_are_refused
            a_taken_port_is_reported
            a_foreign_address_is_reported
            a_stop_frees_the_port
            a_second_start_changes_only_what_is_different
            what_no_scrape_has_seen_is_unscraped
            a_client_that_does_not_read_is_cut_off
        );
        $crate::conformance_group!($runtime, influxdb:
            lines_arrive_over_udp
            a_stop_flushes_udp
            points_are_posted_to_influxdb_1
            a_url_is_used_as_it_stands
            refused_points_are_dropped
            an_unavailable_server_is_asked_again
            bodies_too_large_are_split
            silence_is_unconfirmed
            a_closed_connection_is_made_anew
            a_missing_server_changes_no_sum
            a_stop_does_not_wait_for_a_silent_server
            bad_urls_are_refused_at_the_start
        );
        $crate::conformance_group!($runtime, statsd:
            each_message_is_a_datagram
            messages_are_packed
            a_stop_flushes
            a_missing_receiver_changes_no_sum
        );
        $crate::conformance_group!($runtime, opentelemetry:
            the_last_export_holds_every_request
            exports_come_at_every_interval
            an_export_refused_in_the_trailers_is_dropped
            an_export_refused_by_trailers_only_is_dropped
            an_answer_without_a_status_is_no_success
            an_unavailable_receiver_is_asked_again
            a_partial_success_is_counted
            a_partial_success_without_rejections_is_success
            a_large_export_is_sent_in_parts
            a_stop_does_not_wait_for_a_silent_receiver
            a_missing_receiver_changes_no_sum
            bad_endpoints_are_refused_at_the_start
        );
        $crate::conformance_group!($runtime, exporters:
            all_four_account_for_every_request
            exporters_live_on_the_callers_runtime
            one_storage_serves_one_set_of_exporters
            dropped_exporters_flush_and_stop
            calls_after_a_shutdown_are_errors
        );
        $crate::conformance_group!($runtime, lifecycle:
            a_failed_restart_changes_nothing
            a_page_moves
            the_report_has_every_run
            what_is_wrong_at_the_end_is_told
            an_endless_deadline_is_no_fault
            stops_share_one_deadline
            a_shutdown_hurries_a_stop
        );
    };
}

/// A module of tests, one for each case of one group; [`conformance!`](crate::conformance!) is made of these.
#[macro_export]
macro_rules! conformance_group {
    ($runtime:ty, $group:ident: $($case:ident)+) => {
        mod $group {
            #[allow(unused_imports, reason = "the runtime may be named through the parent's imports")]
            use super::*;

            $(
                #[test]
                fn $case() {
                    $crate::conformance::watched($crate::conformance::$group::$case::<$runtime>);
                }
            )+
        }
    };
}

/// How long a case may take. Far more than any needs; it turns a hang into a failure.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs `case` on a thread of its own.
///
/// # Panics
/// Where `case` panics, and where it has not ended after two minutes.
pub fn watched(case: fn()) {
    let (ended, end) = mpsc::channel::<()>();
    let runner = thread::spawn(move || {
        let _ended = ended;
        case();
    });
    // Nothing is ever sent: the sender's drop, on return as on panic, is the signal.
    if end.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the case has not ended after {LIMIT:?}");
    }
    if let Err(panic) = runner.join() {
        panic::resume_unwind(panic);
    }
}

/// Drives `main` on a runtime made for it.
fn run<R: Runtime, F: Future>(main: impl FnOnce(R) -> F) -> F::Output {
    R::run(main).expect("the operating system has resources for a runtime")
}

/// Waits until `condition` holds; [`watched`] ends the case if it never does.
async fn until<R: Runtime>(runtime: &R, mut condition: impl FnMut() -> bool) {
    while !condition() {
        runtime.sleep(Duration::from_millis(1)).await;
    }
}

/// A free port of the IPv4 loopback interface.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A free port of the IPv6 loopback interface; says so and returns `None` where the machine has none.
fn ipv6_loopback(case: &str) -> Option<SocketAddr> {
    let address = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    match StdTcpListener::bind(address) {
        Ok(_) => Some(address),
        Err(error) => {
            // Not `eprintln`, which the test harness hides when the test passes.
            let _ = writeln!(std::io::stderr(), "LEFT OUT: {case}: no IPv6 loopback on this machine ({error})");
            None
        }
    }
}

/// A TCP port of the IPv4 loopback interface on which nobody listens.
fn unused_port() -> SocketAddr {
    let listener = StdTcpListener::bind(LOOPBACK).expect("a free port");
    listener.local_addr().expect("a bound address")
}

/// Notes its own end, to show when a future is dropped.
struct Guard(Arc<AtomicBool>);

/// What remains of a [`Guard`].
struct Watch(Arc<AtomicBool>);

impl Guard {
    fn new() -> (Self, Watch) {
        let dropped = Arc::new(AtomicBool::new(false));
        (Self(dropped.clone()), Watch(dropped))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Watch {
    fn dropped(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    /// A case that the macro forgets would never run.
    #[test]
    fn the_macro_names_every_case() {
        let groups = [
            include_str!("conformance/exporters.rs"),
            include_str!("conformance/hyper_io.rs"),
            include_str!("conformance/influxdb.rs"),
            include_str!("conformance/lifecycle.rs"),
            include_str!("conformance/opentelemetry.rs"),
            include_str!("conformance/prometheus.rs"),
            include_str!("conformance/resolving.rs"),
            include_str!("conformance/statsd.rs"),
            include_str!("conformance/tasks.rs"),
            include_str!("conformance/tcp.rs"),
            include_str!("conformance/timers.rs"),
            include_str!("conformance/udp.rs"),
        ];
        let named: Vec<&str> = include_str!("conformance.rs").lines().map(str::trim).collect();
        for group in groups {
            let cases = group.split("\npub fn ").skip(1).map(|rest| rest.split_once('<').expect("generic").0);
            for case in cases {
                assert!(named.contains(&case), "conformance! does not name {case}");
            }
        }
    }
}
