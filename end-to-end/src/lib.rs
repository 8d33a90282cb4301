//! The exporters' end-to-end tests: from the start calls to what a backend receives.
//!
//! Each case is a function generic over the [`Runtime`](loaddensity_metrics_shell::runtime::Runtime);
//! [`end_to_end!`] makes a `#[test]` of each. `tests/tokio.rs` and `tests/smol.rs` run them all. The author of another
//! runtime can do the same with one line. (`conformance/` tests whether a runtime itself is right.)
//!
//! The backends here are small ones of our own, so that they can stall, refuse, send wrong answers and flood. Other
//! files in `tests/` use other people's software: tonic, hyper, and the parsers of `vectors/`.

use loaddensity_metrics_conformance::{Bare, DropWatch, Guard, LOOPBACK, largest_future, run, until, unused_port};
#[cfg(unix)]
use loaddensity_metrics_conformance::{Capability, Folder, lacks};

#[cfg(unix)]
pub mod clock;
pub mod exporters;
pub mod floods;
pub mod generators;
pub mod hyper_io;
pub mod influxdb;
pub mod influxdb_instruments;
pub mod influxdb_interval;
pub mod lifecycle;
pub mod linger;
#[cfg(unix)]
pub mod moving;
pub mod observations;
pub mod opentelemetry;
pub mod otlp_delta;
pub mod own_instruments;
pub mod prometheus;
pub mod proxy;
pub mod secrets;
pub mod statsd;
pub mod statsd_instruments;
pub mod statsd_interval;
#[cfg(unix)]
pub mod statsd_sockets;
#[cfg(unix)]
pub mod statsd_staged;
#[cfg(unix)]
pub mod statsd_unix;
pub mod tls;
pub mod tls_actions;
pub mod tls_otlp;
pub mod tls_page;
pub mod urls;
pub mod wrong_ports;

#[cfg(unix)]
mod agent;
mod certificates;
#[cfg(unix)]
mod collector;
#[doc(hidden)]
pub mod http_server;
#[doc(hidden)]
pub mod load;
#[doc(hidden)]
pub mod otlp_receiver;
mod protobuf;
mod proxy_server;
#[doc(hidden)]
pub mod receiver;
#[doc(hidden)]
pub mod scraper;
#[cfg(unix)]
#[doc(hidden)]
pub mod staged;

/// For the macros, which other crates call.
#[doc(hidden)]
pub use loaddensity_metrics_conformance::watched;

/// One `#[test]` for each case, run on the given [`Runtime`](loaddensity_metrics_shell::runtime::Runtime).
#[macro_export]
macro_rules! end_to_end {
    ($runtime:ty) => {
        $crate::end_to_end_group!($runtime, hyper_io:
            http1_echo_over_one_connection
            http2_echo_of_concurrent_requests
            a_shutdown_ends_only_one_direction
            the_timer_ends_a_silent_connection
            tasks_end_with_their_owner
            tasks_that_have_ended_take_no_memory
        );
        $crate::end_to_end_group!($runtime, floods:
            an_exporter_survives_endless_interim_responses_over_http1
            an_exporter_survives_endless_interim_responses_over_http2
            an_exporter_survives_endless_interim_responses_over_tls
            an_exporter_survives_endless_pings
            an_exporter_survives_endless_pings_between_two_exports
            an_exporter_survives_endless_settings
            an_exporter_survives_endless_frames_without_effect
            an_exporter_survives_endless_bodies_over_http2
            an_exporter_survives_endless_heads_over_http2
            an_exporter_survives_endless_answers_over_http1
            the_page_survives_clients_that_never_stop_sending
        );
        $crate::end_to_end_group!($runtime, prometheus:
            a_scrape_shows_every_request
            scrapes_share_a_connection
            head_delivers_no_page
            other_paths_and_methods_are_refused
            a_request_needs_one_host
            the_root_links_to_the_page
            the_accept_header_chooses_the_dialect
            pages_are_compressed_for_clients_that_accept_gzip
            the_page_is_at_its_path
            only_clients_with_credentials_get_the_page
            a_connection_without_requests_makes_room
            a_page_that_begins_is_whole
            connections_are_limited
            idle_connections_are_closed
            long_heads_are_refused
            a_taken_port_is_reported
            a_foreign_address_is_reported
            a_stop_frees_the_port
            a_second_start_changes_only_what_is_different
            requests_that_no_scrape_has_seen_are_unscraped
            a_client_that_does_not_read_is_cut_off
        );
        $crate::end_to_end_group!($runtime, own_instruments:
            a_scrape_shows_every_observation
            a_page_lingers_until_its_last_observations_were_seen
            without_room_for_instruments_nothing_is_said_of_observations
        );
        $crate::end_to_end_group!($runtime, linger:
            a_page_lingers_until_a_scrape_has_seen_all_of_it
            requests_after_the_stop_are_shown_but_not_counted
            pages_of_each_format_end_the_lingering
            a_page_without_unseen_values_does_not_linger
            a_page_lingers_no_longer_than_its_limit
            a_scrape_that_began_before_the_stop_leaves_the_rest_to_the_next
            a_new_start_ends_the_lingering
            a_page_that_lingers_does_not_delay_other_exporters
            a_shutdown_ends_the_lingering_at_its_deadline
            a_shutdown_waits_for_the_last_scrape
        );
        $crate::end_to_end_group!($runtime, tls:
            points_are_posted_over_tls
            a_server_that_asks_for_a_certificate_gets_it
            servers_without_a_good_certificate_get_nothing
            a_server_certificate_in_ca_file_is_trusted
            files_that_cannot_be_used_are_refused_at_the_start
            certificates_without_https_are_refused
        );
        $crate::end_to_end_group!($runtime, tls_actions:
            actions_start_exporters_with_tls
            actions_name_the_file_that_cannot_be_used
        );
        $crate::end_to_end_group!($runtime, tls_otlp:
            exports_go_over_tls
            calls_go_over_tls
            exports_to_servers_without_a_good_certificate_are_lost
        );
        $crate::end_to_end_group!($runtime, tls_page:
            the_page_is_served_over_tls
            only_clients_with_a_certificate_get_the_page
            a_client_certificate_in_client_ca_file_is_accepted
            a_page_that_is_not_trusted_counts_as_unscraped
            a_client_without_tls_is_closed
        );
        $crate::end_to_end_group!($runtime, proxy:
            plain_requests_go_to_the_proxy_in_absolute_form
            calls_go_through_a_tunnel
            tls_goes_through_a_tunnel
            errors_of_the_proxy_name_the_proxy
            the_environments_proxy_is_followed
        );
        $crate::end_to_end_group!($runtime, urls:
            exports_arrive_where_the_environment_says
            calls_name_the_host_of_the_endpoint
            points_arrive_where_the_url_says
        );
        $crate::end_to_end_group!($runtime, influxdb:
            lines_arrive_over_udp
            a_stop_flushes_udp
            points_are_posted_to_influxdb_1
            a_url_is_used_unchanged
            each_api_gets_its_path_its_query_and_its_credentials
            refused_points_are_dropped
            a_success_with_an_unexpected_body_is_unconfirmed
            refusals_say_what_to_do
            a_database_is_created_on_request
            the_error_says_why_a_database_could_not_be_created
            a_partial_write_drops_as_many_points_as_the_answer_says
            an_unavailable_server_is_asked_again
            bodies_that_are_too_large_are_split
            a_server_that_refuses_every_size_is_asked_with_pauses
            a_body_without_an_answer_is_sent_again
            only_the_point_that_the_server_cannot_take_is_dropped
            a_stop_tries_again
            a_closed_connection_is_replaced
            a_missing_server_changes_no_sum
            a_stop_does_not_wait_for_a_silent_server
            bad_urls_are_refused_at_the_start
        );
        $crate::end_to_end_group!($runtime, influxdb_interval:
            points_per_interval_add_up_over_udp
            points_per_interval_add_up_over_http
            a_failed_interval_is_added_to_the_next_one
            refused_intervals_are_dropped
            large_intervals_are_split
            only_the_series_that_the_server_cannot_take_is_dropped
            a_silent_server_leaves_intervals_unconfirmed
            gauges_are_shown_in_both_modes
            bodies_are_compressed
            constant_tags_are_on_every_line
            settings_that_contradict_each_other_are_refused
        );
        $crate::end_to_end_group!($runtime, influxdb_instruments:
            own_instruments_add_up_over_udp
            own_instruments_add_up_over_http
            a_refused_instrument_costs_no_request
            an_interval_of_instruments_that_failed_is_in_the_next_one
            a_silent_server_leaves_observations_unconfirmed
            storage_without_room_for_instruments_sends_none
            a_constant_tag_with_the_name_of_an_instruments_field_is_refused
        );
        $crate::end_to_end_group!($runtime, observations:
            messages_per_observation_add_up
            observations_are_sampled_as_requests_are
            points_per_observation_add_up_over_udp
            points_per_observation_add_up_over_http
            a_refused_observation_costs_no_request
            observations_that_do_not_arrive_change_no_sum
            storage_without_rings_is_refused
        );
        $crate::end_to_end_group!($runtime, statsd:
            each_message_is_a_datagram
            messages_are_packed
            options_are_in_every_message
            messages_end_with_a_newline
            a_stop_flushes
            a_missing_receiver_changes_no_sum
        );
        $crate::end_to_end_group!($runtime, statsd_instruments:
            own_instruments_add_up
            own_instruments_that_do_not_arrive_change_no_sum
            telemetry_counts_observations
        );
        $crate::end_to_end_group!($runtime, statsd_interval:
            gauges_come_at_every_interval
            gauges_come_at_the_stop
            a_gauge_that_does_not_fit_is_left_out
            messages_per_interval_add_up
            an_interval_has_one_counter_of_each_kind
            a_full_buffer_ends_an_interval
            counts_have_timestamps
            intervals_that_do_not_arrive_change_no_sum
            telemetry_counts_what_was_sent
            telemetry_comes_at_every_interval
        );
        #[cfg(unix)]
        $crate::end_to_end_group!($runtime, statsd_unix:
            messages_arrive_over_each_kind_of_socket
            aggregates_gauges_and_telemetry_arrive_over_each_kind_of_socket
            own_instruments_arrive_over_each_kind_of_socket
            packets_are_as_large_as_the_agent_reads
            an_agent_that_restarts_gets_what_has_waited
            a_packet_that_a_stream_did_not_take_goes_out_as_a_datagram
            a_missing_agent_changes_no_sum
            a_stop_does_not_wait_for_an_agent_that_does_not_read
            a_socket_of_another_kind_is_reported
        );
        #[cfg(unix)]
        $crate::end_to_end_group!($runtime, statsd_sockets:
            each_socket_sends_a_part_over_udp
            each_connection_sends_a_part_over_a_unix_stream
            several_sockets_send_unix_datagrams
            each_closed_connection_is_replaced
        );
        #[cfg(unix)]
        $crate::end_to_end_group!($runtime, statsd_staged:
            a_packet_that_was_cut_off_is_sent_whole_again
            a_system_without_buffers_is_asked_again
            a_failed_socket_is_replaced
            a_packet_that_is_too_long_is_dropped
        );
        #[cfg(unix)]
        $crate::end_to_end_group!($runtime, moving:
            a_host_whose_address_changes_is_followed
            a_host_that_keeps_its_address_keeps_its_socket
            a_refusal_makes_a_sink_resolve_the_name_early
            influxdb_over_udp_follows_its_host
            influxdb_waits_until_its_host_name_resolves
        );
        #[cfg(unix)]
        $crate::end_to_end_group!($runtime, clock:
            exports_go_on_while_the_clock_is_set_back
            exporters_that_are_started_again_keep_the_same_start_time
            points_go_on_while_the_clock_is_set_back
            timestamps_of_counts_go_on_while_the_clock_is_set_back
        );
        $crate::end_to_end_group!($runtime, opentelemetry:
            the_last_export_holds_every_request
            exports_come_at_every_interval
            an_export_refused_in_the_trailers_is_dropped
            an_export_refused_by_trailers_only_is_dropped
            an_answer_without_a_grpc_status_is_unconfirmed
            the_error_of_an_answer_by_a_proxy_says_what_to_do
            answers_in_the_requests_encoding_are_read
            over_http_the_status_decides_the_outcome
            an_unavailable_receiver_is_asked_again
            a_stop_tries_again
            an_export_without_an_answer_is_sent_again
            a_limit_of_the_receiver_is_learned
            a_partial_success_is_counted
            a_partial_success_without_rejections_is_success
            a_large_export_is_sent_in_parts
            an_export_without_an_answer_is_abandoned_after_its_timeout
            a_stop_does_not_wait_for_a_silent_receiver
            a_missing_receiver_changes_no_sum
            bad_endpoints_are_refused_at_the_start
        );
        $crate::end_to_end_group!($runtime, secrets:
            secrets_that_influxdb_repeats_are_hidden
            secrets_that_an_otlp_receiver_repeats_are_hidden
            secrets_that_a_grpc_receiver_repeats_are_hidden
            secrets_in_the_last_words_of_a_connection_are_hidden
        );
        $crate::end_to_end_group!($runtime, wrong_ports:
            the_error_says_that_the_port_speaks_tls
            the_error_says_that_the_port_speaks_another_version_of_http
            the_error_says_that_the_port_does_not_speak_http
        );
        $crate::end_to_end_group!($runtime, otlp_delta:
            deltas_add_up_over_grpc
            exponential_deltas_add_up_over_grpc
            parts_of_a_delta_are_sent_once
            deltas_that_are_refused_are_dropped
        );
        $crate::end_to_end_group!($runtime, exporters:
            all_four_account_for_every_request
            exporters_live_on_the_callers_runtime
            one_storage_serves_one_set_of_exporters
            dropped_exporters_flush_and_stop
            calls_after_a_shutdown_are_errors
            exceeded_limits_of_the_storage_are_reported
            spawned_futures_are_small
        );
        $crate::end_to_end_group!($runtime, generators:
            two_workers_lose_nothing_at_influxdb
            two_workers_lose_no_interval_at_influxdb
            two_generators_with_a_coarse_clock_have_different_timestamps
            two_workers_are_told_apart_at_dogstatsd
            counts_with_timestamps_of_two_workers_are_told_apart
            two_workers_are_told_apart_on_their_pages
            two_workers_are_told_apart_in_their_resources
            labels_of_an_exporter_win_over_the_identity
        );
        $crate::end_to_end_group!($runtime, lifecycle:
            the_exporters_thread_is_as_its_user_wants_it
            a_hook_that_fails_leaves_nothing_that_runs
            a_failed_restart_changes_nothing
            a_page_moves_to_another_port_or_address
            the_report_has_every_run
            errors_at_the_stop_are_reported
            an_endless_deadline_is_allowed
            stops_share_one_deadline
            a_shutdown_shortens_a_stop
        );
    };
}

/// A module of tests, one for each case of one group; [`end_to_end!`] is made of these.
#[macro_export]
macro_rules! end_to_end_group {
    ($runtime:ty, $group:ident: $($case:ident)+) => {
        mod $group {
            #[allow(unused_imports, reason = "the runtime may be named through the parent's imports")]
            use super::*;

            $(
                #[test]
                fn $case() {
                    let case = concat!(stringify!($group), "::", stringify!($case));
                    $crate::watched(case, $crate::$group::$case::<$runtime>);
                }
            )+
        }
    };
}

#[cfg(test)]
mod tests {
    use loaddensity_metrics_conformance::unnamed_cases;

    /// A case that the macro does not name would never run.
    #[test]
    fn the_macro_names_every_case() {
        let groups = [
            include_str!("clock.rs"),
            include_str!("exporters.rs"),
            include_str!("floods.rs"),
            include_str!("generators.rs"),
            include_str!("hyper_io.rs"),
            include_str!("influxdb.rs"),
            include_str!("influxdb_instruments.rs"),
            include_str!("influxdb_interval.rs"),
            include_str!("lifecycle.rs"),
            include_str!("linger.rs"),
            include_str!("moving.rs"),
            include_str!("opentelemetry.rs"),
            include_str!("otlp_delta.rs"),
            include_str!("prometheus.rs"),
            include_str!("proxy.rs"),
            include_str!("secrets.rs"),
            include_str!("statsd.rs"),
            include_str!("statsd_interval.rs"),
            include_str!("statsd_sockets.rs"),
            include_str!("statsd_staged.rs"),
            include_str!("statsd_unix.rs"),
            include_str!("tls.rs"),
            include_str!("tls_actions.rs"),
            include_str!("tls_otlp.rs"),
            include_str!("tls_page.rs"),
            include_str!("urls.rs"),
            include_str!("wrong_ports.rs"),
        ];
        for group in groups {
            assert_eq!(unnamed_cases(include_str!("lib.rs"), group), [""; 0], "end_to_end! does not name these");
        }
    }
}
