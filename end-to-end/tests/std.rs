//! The exporters that need no TCP, end to end, on [`Std`](loaddensity_metrics_std::Std). The others are refused.

use loaddensity_metrics_end_to_end::end_to_end_group;
use loaddensity_metrics_std::{
    Exporters, InfluxdbConfig, InfluxdbHttp, InfluxdbTarget, InfluxdbUrl, OpenTelemetryConfig, PrometheusConfig,
    Settings, StartError, Std, Storage,
};

end_to_end_group!(Std, statsd:
    each_message_is_a_datagram
    messages_are_packed
    options_are_in_every_message
    messages_end_with_a_newline
    a_stop_flushes
    a_missing_receiver_changes_no_sum
);
end_to_end_group!(Std, lifecycle:
    the_exporters_thread_is_as_its_user_wants_it
    a_hook_that_fails_leaves_nothing_that_runs
);
end_to_end_group!(Std, statsd_instruments:
    own_instruments_add_up
    own_instruments_that_do_not_arrive_change_no_sum
    telemetry_counts_observations
);
end_to_end_group!(Std, observations:
    messages_per_observation_add_up
    observations_are_sampled_as_requests_are
    observations_that_do_not_arrive_change_no_sum
);
end_to_end_group!(Std, statsd_interval:
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
end_to_end_group!(Std, statsd_unix:
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
end_to_end_group!(Std, statsd_sockets:
    each_socket_sends_a_part_over_udp
    each_connection_sends_a_part_over_a_unix_stream
    several_sockets_send_unix_datagrams
    each_closed_connection_is_replaced
);
#[cfg(unix)]
end_to_end_group!(Std, statsd_staged:
    a_packet_that_was_cut_off_is_sent_whole_again
    a_system_without_buffers_is_asked_again
    a_failed_socket_is_replaced
    a_packet_that_is_too_long_is_dropped
);
#[cfg(unix)]
end_to_end_group!(Std, moving:
    a_host_whose_address_changes_is_followed
    a_host_that_keeps_its_address_keeps_its_socket
    a_refusal_makes_a_sink_resolve_the_name_early
    influxdb_over_udp_follows_its_host
);
end_to_end_group!(Std, influxdb:
    lines_arrive_over_udp
    a_stop_flushes_udp
);
end_to_end_group!(Std, influxdb_interval:
    points_per_interval_add_up_over_udp
);
end_to_end_group!(Std, influxdb_instruments:
    own_instruments_add_up_over_udp
);
end_to_end_group!(Std, generators:
    two_workers_are_told_apart_at_dogstatsd
    counts_with_timestamps_of_two_workers_are_told_apart
);

/// The start fails with an error text; the exporters do not try for ever.
#[test]
fn exporters_that_need_tcp_are_refused_at_their_start() {
    static STORAGE: Storage<8, 2, 64> = Storage::new();
    let exporters = Exporters::start(Settings::on(STORAGE.registry())).expect("threads");
    let page = exporters.start_prometheus_exporter(PrometheusConfig::default()).expect_err("it listens");
    let http = InfluxdbHttp::new("127.0.0.1", 8086);
    let url = InfluxdbUrl::new("http://127.0.0.1:8086/write?db=load");
    let posts = [InfluxdbTarget::from(http), url.into()].map(|target| {
        let config = InfluxdbConfig::default().target(target);
        exporters.start_influxdb_sink(config).expect_err("it posts")
    });
    let exports = exporters.start_opentelemetry_exporter(OpenTelemetryConfig::default()).expect_err("it posts");
    let refused: Vec<StartError> = [page, exports].into_iter().chain(posts).collect();
    let texts = [
        "prometheus: `port` is \"9646\"; this runtime has no TCP; run the exporters on another shell",
        "opentelemetry: `protocol` is \"grpc\"; this runtime has no TCP; run the exporters on another shell",
        "influxdb: `target` is \"http\"; this runtime has no TCP; send points over `udp`, or run the exporters on another shell",
        "influxdb: `target` is \"http\"; this runtime has no TCP; send points over `udp`, or run the exporters on another shell",
    ];
    assert_eq!(refused.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
    assert!(exporters.status().is_empty(), "something runs");
}
