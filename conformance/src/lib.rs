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
//! only, on free ports, and fails after two minutes rather than hang. A case that needs what the machine lacks (IPv6),
//! or what a runtime may lack (Unix sockets), says on standard error that it was left out. Cases ask nothing of speed
//! beyond generous upper bounds.
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

#[cfg(unix)]
pub mod clock;
pub mod exporters;
pub mod floods;
pub mod generators;
pub mod hyper_io;
pub mod influxdb;
pub mod influxdb_interval;
pub mod lifecycle;
pub mod linger;
#[cfg(unix)]
pub mod moving;
pub mod opentelemetry;
pub mod otlp_delta;
pub mod prometheus;
pub mod proxy;
pub mod resolving;
pub mod secrets;
pub mod statsd;
pub mod statsd_interval;
#[cfg(unix)]
pub mod statsd_sockets;
#[cfg(unix)]
pub mod statsd_staged;
#[cfg(unix)]
pub mod statsd_unix;
pub mod tasks;
pub mod tcp;
pub mod timers;
pub mod tls;
pub mod tls_actions;
pub mod tls_otlp;
pub mod tls_page;
pub mod udp;
#[cfg(unix)]
pub mod unix;
pub mod urls;
pub mod wrong_ports;

#[cfg(unix)]
mod agent;
mod bare;
mod certificates;
#[cfg(unix)]
mod collector;
mod http_server;
mod load;
mod otlp_receiver;
mod protobuf;
mod proxy_server;
mod receiver;
mod scraper;
#[cfg(unix)]
mod staged;

pub use bare::{Bare, BareUdp};

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
            segments_arrive_as_datagrams
            segments_arrive_as_datagrams_over_ipv6
            refused_segments_are_reported_and_forgotten
            segments_too_large_are_an_error
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
        #[cfg(unix)]
        $crate::conformance_group!($runtime, unix:
            unix_datagrams_arrive_whole
            a_unix_datagram_waits_while_the_queue_is_full
            a_unix_stream_carries_every_byte
            a_unix_socket_that_is_not_there_is_an_error
            a_unix_socket_of_another_kind_is_an_error
            a_peer_that_goes_away_is_an_error
        );
        $crate::conformance_group!($runtime, hyper_io:
            http1_echo_over_one_connection
            http2_echo_of_concurrent_requests
            a_shutdown_ends_one_direction
            the_timer_ends_a_silent_connection
            tasks_end_with_their_owner
            tasks_that_end_are_forgotten
        );
        $crate::conformance_group!($runtime, floods:
            endless_interim_responses_over_http1
            endless_interim_responses_over_http2
            endless_interim_responses_over_tls
            endless_pings
            endless_pings_between_two_exports
            endless_settings
            endless_frames_without_a_meaning
            endless_bodies_over_http2
            endless_heads_over_http2
            endless_answers_over_http1
            clients_that_never_stop_sending
        );
        $crate::conformance_group!($runtime, prometheus:
            a_scrape_shows_every_request
            scrapes_share_a_connection
            head_delivers_no_page
            other_paths_and_methods_are_refused
            the_root_links_to_the_page
            the_accept_header_chooses_the_dialect
            pages_are_compressed_for_those_who_ask
            the_page_is_at_its_path
            only_those_with_credentials_get_the_page
            a_connection_without_requests_makes_room
            connections_are_limited
            idle_connections_are_closed
            long_heads_are_refused
            a_taken_port_is_reported
            a_foreign_address_is_reported
            a_stop_frees_the_port
            a_second_start_changes_only_what_is_different
            what_no_scrape_has_seen_is_unscraped
            a_client_that_does_not_read_is_cut_off
        );
        $crate::conformance_group!($runtime, linger:
            a_page_lingers_until_a_scrape_has_seen_it_all
            what_comes_after_the_stop_counts_for_nobody
            pages_of_each_kind_end_it
            nothing_to_see_does_not_linger
            a_page_lingers_no_longer_than_its_limit
            a_scrape_under_way_at_the_stop_leaves_the_rest
            a_new_start_ends_it
            a_page_that_lingers_holds_up_nothing
            a_shutdown_ends_it_by_its_deadline
            a_shutdown_waits_for_the_last_scrape
        );
        $crate::conformance_group!($runtime, tls:
            points_are_posted_over_tls
            a_server_that_asks_for_a_certificate_gets_it
            servers_that_prove_nothing_get_nothing
            a_certificate_that_stands_in_ca_file_is_trusted
            files_that_cannot_be_used_are_refused_at_the_start
            certificates_without_https_are_refused
        );
        $crate::conformance_group!($runtime, tls_actions:
            actions_start_exporters_with_tls
            actions_name_the_file_that_cannot_be_used
        );
        $crate::conformance_group!($runtime, tls_otlp:
            exports_go_over_tls
            calls_go_over_tls
            exports_to_servers_that_prove_nothing_are_lost
        );
        $crate::conformance_group!($runtime, tls_page:
            the_page_is_served_over_tls
            only_clients_with_a_certificate_get_the_page
            a_client_certificate_that_stands_in_client_ca_file_is_let_in
            a_page_that_is_not_trusted_counts_as_unscraped
            a_client_without_tls_is_closed
        );
        $crate::conformance_group!($runtime, proxy:
            plain_requests_go_to_the_proxy_in_absolute_form
            calls_go_through_a_tunnel
            tls_goes_through_a_tunnel
            what_the_proxy_refuses_is_said_of_the_proxy
            the_environments_proxy_is_followed
        );
        $crate::conformance_group!($runtime, urls:
            exports_arrive_where_the_environment_says
            calls_name_the_host_of_the_endpoint
            points_arrive_where_the_url_says
        );
        $crate::conformance_group!($runtime, influxdb:
            lines_arrive_over_udp
            a_stop_flushes_udp
            points_are_posted_to_influxdb_1
            a_url_is_used_as_it_stands
            each_api_is_spoken_to_as_it_wants
            refused_points_are_dropped
            a_success_that_is_no_acceptance_is_unconfirmed
            refusals_say_what_to_do
            a_database_is_created_on_request
            a_database_that_cannot_be_created_is_told_of
            a_partial_write_is_counted_as_the_answer_says
            an_unavailable_server_is_asked_again
            bodies_too_large_are_split
            silence_is_unconfirmed
            a_closed_connection_is_made_anew
            a_missing_server_changes_no_sum
            a_stop_does_not_wait_for_a_silent_server
            bad_urls_are_refused_at_the_start
        );
        $crate::conformance_group!($runtime, influxdb_interval:
            points_per_interval_add_up_over_udp
            points_per_interval_add_up_over_http
            an_interval_that_fails_is_made_up_for
            refused_intervals_are_dropped
            large_intervals_are_split
            a_silent_server_leaves_intervals_unconfirmed
            gauges_are_shown_in_both_modes
            bodies_are_compressed
            tags_of_ones_own_are_on_every_line
            settings_that_contradict_each_other_are_refused
        );
        $crate::conformance_group!($runtime, statsd:
            each_message_is_a_datagram
            messages_are_packed
            options_are_in_every_message
            messages_end_with_a_newline
            a_stop_flushes
            a_missing_receiver_changes_no_sum
        );
        $crate::conformance_group!($runtime, statsd_interval:
            gauges_come_at_every_interval
            gauges_come_at_the_stop
            a_gauge_that_does_not_fit_is_left_out
            messages_per_interval_add_up
            an_interval_has_one_counter_of_each_kind
            a_full_buffer_ends_an_interval
            counts_have_timestamps
            intervals_that_do_not_arrive_change_no_sum
            telemetry_tells_what_was_sent
            telemetry_comes_at_every_interval
        );
        #[cfg(unix)]
        $crate::conformance_group!($runtime, statsd_unix:
            messages_arrive_over_each_kind_of_socket
            what_comes_at_intervals_arrives_over_each_kind_of_socket
            packets_are_as_large_as_the_agent_reads
            an_agent_that_restarts_gets_what_has_waited
            a_missing_agent_changes_no_sum
            a_stop_does_not_wait_for_an_agent_that_does_not_read
            a_socket_of_another_kind_is_reported
        );
        #[cfg(unix)]
        $crate::conformance_group!($runtime, statsd_sockets:
            each_socket_sends_a_part_over_udp
            each_connection_sends_a_part_over_a_unix_stream
            several_sockets_send_unix_datagrams
            each_connection_is_made_anew
        );
        #[cfg(unix)]
        $crate::conformance_group!($runtime, statsd_staged:
            a_packet_that_breaks_off_is_sent_whole_again
            a_system_without_buffers_is_asked_again
            a_socket_that_fails_is_made_anew
            a_packet_that_is_too_long_is_dropped
        );
        #[cfg(unix)]
        $crate::conformance_group!($runtime, moving:
            a_host_that_moves_is_followed
            a_host_that_stays_keeps_its_socket
            a_refusal_makes_a_sink_look_at_the_name
            influxdb_over_udp_follows_its_host
        );
        #[cfg(unix)]
        $crate::conformance_group!($runtime, clock:
            exports_go_on_while_the_clock_is_set_back
            exporters_started_anew_go_on_from_the_same_start
            points_go_on_while_the_clock_is_set_back
            timestamps_of_counts_go_on_while_the_clock_is_set_back
        );
        $crate::conformance_group!($runtime, opentelemetry:
            the_last_export_holds_every_request
            exports_come_at_every_interval
            an_export_refused_in_the_trailers_is_dropped
            an_export_refused_by_trailers_only_is_dropped
            an_answer_without_a_status_is_no_success
            what_a_proxy_answers_says_what_to_do
            answers_in_the_requests_encoding_are_read
            over_http_the_status_decides
            an_unavailable_receiver_is_asked_again
            a_partial_success_is_counted
            a_partial_success_without_rejections_is_success
            a_large_export_is_sent_in_parts
            an_export_without_an_answer_is_given_up
            a_stop_does_not_wait_for_a_silent_receiver
            a_missing_receiver_changes_no_sum
            bad_endpoints_are_refused_at_the_start
        );
        $crate::conformance_group!($runtime, secrets:
            what_influxdb_repeats_is_masked
            what_an_otlp_receiver_repeats_is_masked
            what_a_grpc_receiver_repeats_is_masked
            what_a_connection_ends_with_is_masked
        );
        $crate::conformance_group!($runtime, wrong_ports:
            tls_is_named_where_it_is_spoken
            another_version_of_http_is_named
            what_is_no_http_is_named
        );
        $crate::conformance_group!($runtime, otlp_delta:
            deltas_add_up_over_grpc
            exponential_deltas_add_up_over_grpc
            parts_of_a_delta_are_sent_once
            deltas_that_are_refused_are_dropped
        );
        $crate::conformance_group!($runtime, exporters:
            all_four_account_for_every_request
            exporters_live_on_the_callers_runtime
            one_storage_serves_one_set_of_exporters
            dropped_exporters_flush_and_stop
            calls_after_a_shutdown_are_errors
            what_the_storage_has_no_room_for_is_reported
            futures_that_are_spawned_are_small
        );
        $crate::conformance_group!($runtime, generators:
            two_workers_lose_nothing_at_influxdb
            two_workers_lose_no_interval_at_influxdb
            two_generators_with_a_coarse_clock_are_put_apart
            two_workers_are_told_apart_at_dogstatsd
            counts_of_two_workers_that_say_their_second_are_told_apart
            two_workers_are_told_apart_on_their_pages
            two_workers_are_told_apart_in_their_resources
            what_an_exporter_was_given_wins_over_the_identity
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
            leave_out(case, &format!("no IPv6 loopback on this machine ({error})"));
            None
        }
    }
}

/// Whether `R` is a runtime without Unix sockets, which [`Runtime`] allows; says so where it is.
#[cfg(unix)]
fn lacks_unix_sockets<R: Runtime>(case: &str) -> bool {
    let nobody = std::path::Path::new("/nobody/listens/here");
    let refused = run(|runtime: R| async move {
        let datagrams = runtime.unix_datagram_connect(nobody).await.err();
        datagrams.into_iter().chain(runtime.unix_stream_connect(nobody).await.err()).collect::<Vec<_>>()
    });
    let lacks = refused.iter().any(|error| error.kind() == std::io::ErrorKind::Unsupported);
    if lacks {
        leave_out(case, "this runtime has no Unix sockets");
    }
    lacks
}

fn leave_out(case: &str, why: &str) {
    // Not `eprintln`, which the test harness hides when the test passes.
    let _ = writeln!(std::io::stderr(), "LEFT OUT: {case}: {why}");
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
            include_str!("conformance/clock.rs"),
            include_str!("conformance/exporters.rs"),
            include_str!("conformance/floods.rs"),
            include_str!("conformance/generators.rs"),
            include_str!("conformance/hyper_io.rs"),
            include_str!("conformance/influxdb.rs"),
            include_str!("conformance/influxdb_interval.rs"),
            include_str!("conformance/lifecycle.rs"),
            include_str!("conformance/linger.rs"),
            include_str!("conformance/moving.rs"),
            include_str!("conformance/opentelemetry.rs"),
            include_str!("conformance/otlp_delta.rs"),
            include_str!("conformance/prometheus.rs"),
            include_str!("conformance/proxy.rs"),
            include_str!("conformance/resolving.rs"),
            include_str!("conformance/secrets.rs"),
            include_str!("conformance/statsd.rs"),
            include_str!("conformance/statsd_interval.rs"),
            include_str!("conformance/statsd_sockets.rs"),
            include_str!("conformance/statsd_staged.rs"),
            include_str!("conformance/statsd_unix.rs"),
            include_str!("conformance/tasks.rs"),
            include_str!("conformance/tcp.rs"),
            include_str!("conformance/timers.rs"),
            include_str!("conformance/tls.rs"),
            include_str!("conformance/tls_actions.rs"),
            include_str!("conformance/tls_otlp.rs"),
            include_str!("conformance/tls_page.rs"),
            include_str!("conformance/udp.rs"),
            include_str!("conformance/unix.rs"),
            include_str!("conformance/urls.rs"),
            include_str!("conformance/wrong_ports.rs"),
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
