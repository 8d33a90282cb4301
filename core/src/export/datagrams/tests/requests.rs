//! What the requests of a sink make of the limits of a call.

use super::*;

/// A call of up to four datagrams.
const fn limits(largest: usize, is_offloaded: bool) -> CallLimits {
    CallLimits { datagrams: 4, bytes: usize::MAX, largest, is_offloaded }
}

#[test]
fn what_just_fits_into_the_limits_of_a_call_is_not_cut() {
    const NO_LIMIT: usize = usize::MAX;
    // The items of a datagram of at most 100 bytes, whether datagrams are brought together, the limits, the bytes that are lent
    // and those of each item: bytes, segment and number of datagrams.
    type Row<'a> = (usize, bool, CallLimits, usize, &'a [u64], (usize, usize, usize));
    let table: &[Row<'_>] = &[
        (NO_LIMIT, false, limits(NO_LIMIT, false), 100, &[45, 45], (91, 91, 1)),
        (NO_LIMIT, false, limits(100, false), 100, &[45, 45], (91, 91, 1)),
        (NO_LIMIT, false, limits(91, false), 100, &[45, 45], (91, 91, 1)),
        (NO_LIMIT, false, limits(90, false), 100, &[45, 45], (45, 45, 1)),
        (NO_LIMIT, false, limits(40, false), 100, &[45, 45], (45, 45, 1)),
        // The first one is too large for any datagram.
        (NO_LIMIT, false, limits(NO_LIMIT, false), 100, &[101, 45, 45], (91, 91, 1)),
        (NO_LIMIT, true, limits(100, true), 999, &[101, 45, 45, 45, 45], (191, 100, 2)),
        // A socket that takes one datagram in a call is lent what there is.
        (NO_LIMIT, true, limits(NO_LIMIT, false), 60, &[45, 45], (45, 45, 1)),
        (1, true, limits(50, true), 999, &[50, 50], (100, 50, 2)),
        (1, true, limits(49, true), 999, &[50, 50], (50, 50, 1)),
    ];
    for (items, together, limits, lent, sizes, (bytes, segment, datagrams)) in table {
        let storage = TestStorage::new();
        let mut events = Events::<1>::new(&storage, *items, 100);
        events.packing = EventPacking::new(Text { fills: true }, *items, 100, vec![0; 1_000]);
        let mut events = if *together { events.offloaded() } else { events };
        events.record(sizes.iter().copied());
        let call = events.source().pack(Now::default(), *limits, &mut vec![0; *lent]);
        let expected = Call { bytes: *bytes, segment: *segment, datagrams: *datagrams };
        assert_eq!(call, Some(expected), "{items} {together} {limits:?} {sizes:?}");
    }
}

#[test]
fn a_burst_is_that_of_an_offload_where_both_the_socket_and_the_packing_have_it() {
    for (has_socket, has_packing, datagrams) in
        [(false, false, 1_024), (true, false, 1_024), (false, true, 1_024), (true, true, 2_500)]
    {
        let storage = TestStorage::new();
        // A full buffer, whose requests are twenty items each.
        let events = Events::<20>::new(&storage, usize::MAX, 100);
        let mut events = if has_packing { events.offloaded() } else { events };
        events.record([10; 1_000]);
        let mut source = events.source();
        source.pack(Now::default(), limits(usize::MAX, has_socket), &mut [0; 999]).expect("a call");
        let Ready::Burst(burst) = source.ready(Now::default(), false) else { panic!("there is much to send") };
        assert_eq!(burst.datagrams, datagrams, "{has_socket} {has_packing}");
    }
}
