//! The suite on a runtime that leaves out what the trait lets it leave out: the cases of Unix sockets say so, and all else
//! passes.

#![cfg(unix)]

use std::io::ErrorKind;
use std::path::Path;

use loaddensity_metrics_conformance::{Bare, conformance_group};
use loaddensity_metrics_shell::runtime::Runtime as _;
use loaddensity_metrics_smol::Smol;

conformance_group!(Bare<Smol>, udp:
    segments_arrive_as_datagrams
    refused_segments_are_reported_and_forgotten
);
conformance_group!(Bare<Smol>, unix:
    unix_datagrams_arrive_whole
    a_unix_datagram_waits_while_the_queue_is_full
    waiting_for_room_takes_no_processor
    a_unix_datagram_too_large_is_an_error
    a_unix_stream_carries_every_byte
    a_unix_socket_that_is_not_there_is_an_error
    a_unix_socket_of_another_kind_is_an_error
    a_peer_that_goes_away_is_an_error
);

/// None of those cases is left out on the runtime itself.
#[test]
fn the_runtime_beneath_has_unix_sockets() {
    let nobody = Path::new("/nobody/listens/here");
    Smol::run(|runtime| async move {
        let datagram = runtime.unix_datagram_connect(nobody).await.err().map(|error| error.kind());
        let stream = runtime.unix_stream_connect(nobody).await.err().map(|error| error.kind());
        assert_eq!((datagram, stream), (Some(ErrorKind::NotFound), Some(ErrorKind::NotFound)));
    })
    .expect("a runtime");
}
