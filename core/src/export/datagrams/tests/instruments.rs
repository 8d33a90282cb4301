//! Instruments of the engine's own: when their rows leave, and what of them is sent, lost, or never known.

use super::*;
use crate::aggregates::observed_rows::ObservedRows;
use crate::formats::dogstatsd::MessageEncoder;
use crate::metrics::unit::Unit;
use crate::registry::storage::Exponential;

type OwnStorage = Storage<4, 1, 2, Exponential, 1, 1>;

/// A counter and a histogram of the run, which leave every 10 s.
struct OwnRows<'a> {
    registry: Registry<'a>,
    items: InstrumentMessages<'a, Vec<u64>>,
    packing: IntervalPacking,
}

impl<'a> OwnRows<'a> {
    fn new(storage: &'a OwnStorage, (items, bytes): (usize, usize)) -> Self {
        let registry = storage.registry();
        let memory = vec![0; ObservedRows::<Vec<u64>>::words(registry)];
        let (rows, before) = ObservedRows::new(registry, memory).expect("as many words as it asks for");
        let accounts = registry.pump().expect("the only one").accounts().observations();
        let encoder = MessageEncoder::new(registry, "x").expect("a prefix").instruments();
        let own = InstrumentMessages::new(registry, (rows, accounts.open_after(Exporter::Statsd, before)), encoder);
        let own = if items == 1 { own.with_single_messages() } else { own };
        let packing = IntervalPacking::new(items, bytes, Duration::from_secs(10), Now::default());
        Self { registry, items: own, packing }
    }

    /// Raises the counter so often.
    fn count(&self, times: usize) {
        let counter = self.registry.run_counter("checks", Unit::One, "").expect("room");
        (0..times).for_each(|_| self.registry.recorder().add_to_run(counter, 1));
    }

    /// Gives the histogram so many values.
    fn observe(&self, times: usize) {
        let histogram = self.registry.run_histogram("batch", Unit::One, "").expect("room");
        (0..times).for_each(|_| self.registry.recorder().observe_in_run(histogram, 1));
    }

    fn source(&mut self) -> IntervalDatagrams<'_, InstrumentMessages<'a, Vec<u64>>> {
        IntervalDatagrams::new(&mut self.items, &mut self.packing)
    }

    /// Sent, unconfirmed, too large, and held.
    fn account(&self) -> [u64; 4] {
        let account = self.registry.observation_account(Exporter::Statsd);
        assert_eq!(account.sent + account.dropped.total() + account.held, account.recorded, "the law");
        let dropped = [DropReason::Unconfirmed, DropReason::TooLarge].map(|cause| account.dropped.get(cause));
        [account.sent, dropped[0], dropped[1], account.held]
    }
}

fn bench() -> Bench {
    Bench::new(1, DatagramTarget::UnixSocket)
}

/// Lengths: of the counter's message 12, of a histogram's counters 15 and 13, of each gauge 13.
const COUNTER: usize = "x.checks:3|c".len();
const BOTH_COUNTERS: usize = "x.batch.count:2|c\nx.batch.sum:2|c".len();
const GAUGE: usize = "x.batch.min:1|g".len();

#[test]
fn rows_leave_at_the_end_of_an_interval_counters_first_and_at_a_stop() {
    let storage = OwnStorage::new();
    let (mut bench, mut own) = (bench(), OwnRows::new(&storage, (usize::MAX, 1_000)));
    assert_eq!(bench.run(&mut own.source(), 9_999), "[0] connect0:0");
    own.count(3);
    own.observe(2);
    let whole = COUNTER + 1 + BOTH_COUNTERS + 5 * (1 + GAUGE);
    assert_eq!(bench.run(&mut own.source(), 10_050), format!("[10000] send0:1x{whole}"));
    assert_eq!(own.account(), [0, 0, 0, 5], "held until more is known of it");
    assert_eq!(bench.run(&mut own.source(), 30_000), "[10100] look0", "nothing came later");
    assert_eq!(own.account(), [5, 0, 0, 0]);
    own.observe(1);
    bench.handle(DatagramInput::Stop { deadline: millis(39_000) });
    let log = bench.run(&mut own.source(), 40_000);
    assert_eq!(log, format!("[30000] send0:1x{} look0 done", whole - COUNTER - 1));
    assert_eq!(own.account(), [6, 0, 0, 0]);
}

#[test]
fn a_row_is_sent_with_its_counters_and_lost_with_them_whatever_becomes_of_its_gauges() {
    let storage = OwnStorage::new();
    let (mut bench, mut own) = (bench(), OwnRows::new(&storage, (usize::MAX, BOTH_COUNTERS + 1)));
    bench.run(&mut own.source(), 9_999);
    own.observe(2);
    // Two gauges fit into a datagram. The first two, which are lost, were in the second one.
    bench.answers = [All, All, Fails(Fault::RefusedBefore)].into();
    let log = bench.run(&mut own.source(), 19_999);
    let gauges = 2 * GAUGE + 1;
    assert!(
        log.contains(&format!("send0:1x{BOTH_COUNTERS} send0:1x{gauges} send0:1x{gauges} refused before")),
        "{log}"
    );
    assert_eq!(own.account(), [2, 0, 0, 0]);
    // The counters are lost: its gauges do not leave any more, those that were packed already either.
    own.observe(2);
    bench.answers = [All, Fails(Fault::RefusedBefore)].into();
    let log = bench.run(&mut own.source(), 29_999);
    assert_eq!(log, format!("[20000] send0:1x{BOTH_COUNTERS} send0:1x{gauges} refused before"));
    assert_eq!(own.account(), [2, 2, 0, 0]);
    // The gauges that have not left when the next interval ends never do.
    own.observe(2);
    bench.answers = [All, Fails(Fault::WouldBlock)].into();
    let log = bench.run(&mut own.source(), 39_999);
    assert_eq!(log, format!("[30000] send0:1x{BOTH_COUNTERS} [30100] look0 send0:1x{gauges} would block"));
    assert_eq!(own.account(), [4, 2, 0, 0]);
    own.observe(2);
    bench.run(&mut own.source(), 40_000);
    bench.handle(DatagramInput::Writable { socket: 0 });
    let log = bench.run(&mut own.source(), 49_999);
    assert!(log.starts_with(&format!("[40000] send0:1x{BOTH_COUNTERS} send0:1x{gauges} ")), "{log}");
    assert_eq!(own.account(), [6, 2, 0, 0]);
}

#[test]
fn counters_that_no_datagram_takes_are_too_large_and_gauges_cost_no_row() {
    let storage = OwnStorage::new();
    let (mut bench, mut own) = (bench(), OwnRows::new(&storage, (usize::MAX, BOTH_COUNTERS - 1)));
    own.count(3);
    own.observe(2);
    let log = bench.run(&mut own.source(), 19_999);
    assert_eq!(log, format!("[0] connect0:0 [10000] send0:1x{COUNTER} look0"));
    assert_eq!((own.account(), own.packing.left_out()), ([3, 0, 2, 0], 1));
    // What the system refuses is tried alone, and then lost.
    let storage = OwnStorage::new();
    let (mut bench, mut own) = (Bench::new(1, NAME), OwnRows::new(&storage, (usize::MAX, BOTH_COUNTERS)));
    own.observe(2);
    bench.answers = [All, Fails(Fault::TooLarge), Fails(Fault::TooLarge)].into();
    bench.run(&mut own.source(), 19_999);
    assert_eq!((own.account(), own.packing.left_out()), ([2, 0, 0, 0], 1), "a gauge was left out");
    own.observe(2);
    bench.answers = [Fails(Fault::TooLarge)].into();
    bench.run(&mut own.source(), 29_999);
    assert_eq!((own.account(), own.packing.left_out()), ([2, 0, 2, 0], 2), "the counters were");
}

#[test]
fn a_count_and_its_sum_that_are_two_datagrams_are_one_row() {
    let storage = OwnStorage::new();
    let (mut bench, mut own) = (bench(), OwnRows::new(&storage, (1, 1_000)));
    bench.run(&mut own.source(), 9_999);
    own.observe(2);
    let (count, sum) = ("x.batch.count:2|c".len(), "x.batch.sum:2|c".len());
    // The sum waits for a whole interval: that does not end in between, or the count would be told twice.
    bench.answers = [All, Fails(Fault::WouldBlock)].into();
    let log = bench.run(&mut own.source(), 20_500);
    assert_eq!(log, format!("[10000] send0:1x{count} send0:1x{sum} would block [10100] look0"));
    own.observe(3);
    assert_eq!(own.account(), [0, 0, 0, 5]);
    bench.handle(DatagramInput::Writable { socket: 0 });
    let log = bench.run(&mut own.source(), 21_000);
    let gauges = times(&format!("send0:1x{GAUGE}"), 5);
    let next = format!("send0:1x{count} send0:1x{sum} {gauges}");
    assert_eq!(log, format!("[20500] send0:1x{sum} {gauges} look0 [20501] {next} [20601] look0"));
    assert_eq!(own.account(), [5, 0, 0, 0]);
    // If either is lost, so is the row.
    own.observe(2);
    bench.answers = [All, Fails(Fault::RefusedBefore)].into();
    let log = bench.run(&mut own.source(), 34_000);
    assert_eq!(log, format!("[30000] send0:1x{count} send0:1x{sum} refused before"));
    assert_eq!(own.account(), [5, 2, 0, 0]);
    own.observe(2);
    bench.answers = [All, All, Fails(Fault::RefusedBefore)].into();
    bench.run(&mut own.source(), 45_000);
    assert_eq!(own.account(), [5, 4, 0, 0]);
}

#[test]
fn what_is_half_sent_or_not_known_at_the_end_of_a_stop_is_unconfirmed() {
    // The sum never leaves; or nothing tells what became of the only datagram.
    for (items, answers, looks, rest) in [
        (1, [All, Fails(Fault::WouldBlock)], Look::Fine, 3),
        (usize::MAX, [All, Fails(Fault::WouldBlock)], Look::Unknown(Fault::WouldBlock), 3),
        (1, [Fails(Fault::WouldBlock), Fails(Fault::WouldBlock)], Look::Fine, 5),
    ] {
        let storage = OwnStorage::new();
        let (mut bench, mut own) = (bench(), OwnRows::new(&storage, (items, BOTH_COUNTERS)));
        own.observe(2);
        bench.answers = answers.into();
        bench.looks = vec![looks; 90].into();
        bench.run(&mut own.source(), 10_050);
        own.observe(3);
        bench.handle(DatagramInput::Stop { deadline: millis(12_000) });
        let log = bench.run(&mut own.source(), 15_000);
        assert!(log.ends_with("done"), "{log}");
        let [sent, unconfirmed, too_large, held] = own.account();
        assert_eq!((sent, too_large), (0, 0), "{log}");
        assert_eq!((unconfirmed, held), (5 - rest, rest), "{items} {log}");
    }
}
