//! The exporters on a runtime without the optional parts of the trait. The cases for Unix sockets say that they are
//! left out, and all others pass.

#![cfg(unix)]

use loaddensity_metrics_conformance::Bare;
use loaddensity_metrics_end_to_end::end_to_end_group;

macro_rules! cases_on {
    ($runtime:ty) => {
        use super::*;

        end_to_end_group!(Bare<$runtime>, statsd:
            each_message_is_a_datagram
            messages_are_packed
        );
        end_to_end_group!(Bare<$runtime>, statsd_unix:
            messages_arrive_over_each_kind_of_socket
            aggregates_gauges_and_telemetry_arrive_over_each_kind_of_socket
            packets_are_as_large_as_the_agent_reads
            an_agent_that_restarts_gets_what_has_waited
            a_packet_that_a_stream_did_not_take_goes_out_as_a_datagram
            a_missing_agent_changes_no_sum
            a_stop_does_not_wait_for_an_agent_that_does_not_read
            a_socket_of_another_kind_is_reported
        );
        end_to_end_group!(Bare<$runtime>, statsd_sockets:
            each_socket_sends_a_part_over_udp
            each_connection_sends_a_part_over_a_unix_stream
            several_sockets_send_unix_datagrams
            each_closed_connection_is_replaced
        );
    };
}

mod smol {
    cases_on!(loaddensity_metrics_smol::Smol);
}

mod tokio {
    cases_on!(loaddensity_metrics_tokio::Tokio);
}
