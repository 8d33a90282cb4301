//! The accounts: they never show more sent than recorded, even if threads start, stop and read exporters at the same
//! time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::{
    Classic, DefaultStorage, DropReason, DropStage, Event, Exponential, Exporter, Linger, ObservedRows, Packer,
    PageTotals, Sample, Series, Sink, Storage, Unit,
};

#[test]
fn an_account_read_during_a_restart_is_that_of_one_run_and_not_a_mixture() {
    const ROUNDS: u64 = 20_000;
    const EACH: u64 = 3;
    static STORAGE: Storage<4, 2, 64> = Storage::new();
    let registry = STORAGE.registry();
    let accounts = registry.pump().expect("the only pump").accounts();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u64;
            while !is_over.load(Ordering::Relaxed) || reads == 0 {
                let account = registry.account(Exporter::OpenTelemetry);
                assert!(account.recorded <= EACH, "{account:?}");
                assert!(account.sent + account.dropped.total() + account.held <= account.recorded, "{account:?}");
                reads += 1;
            }
        });
        let mut recorder = registry.recorder();
        let series = recorder.series("GET", "/");
        for round in 1..=ROUNDS {
            let ledger = accounts.open(Exporter::OpenTelemetry);
            (0..EACH).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
            ledger.set_sent_total(round * EACH - 1);
            let account = accounts.close(Exporter::OpenTelemetry, DropReason::Unreachable);
            assert_eq!((account.recorded, account.sent, account.dropped.total()), (EACH, EACH - 1, 1));
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

#[test]
fn only_exporters_can_write_accounts_and_an_engine_can_read_them() {
    static STORAGE: Storage<4, 2, 64> = Storage::new();
    let registry = STORAGE.registry();
    let pump = registry.pump().expect("no exporters run");
    pump.accounts().open(Exporter::Prometheus);
    registry.recorder().record(registry.series("GET", "/"), Sample::ok(Duration::ZERO));
    assert!(registry.pump().is_none(), "exporters run, and have the only pump");
    assert_eq!(registry.account(Exporter::Prometheus).held, 1);
    drop(pump);
    assert!(registry.pump().is_some(), "they were shut down");
}

#[test]
fn a_page_that_is_delivered_after_the_stop_changes_nothing() {
    static STORAGE: Storage<4, 2, 64> = Storage::new();
    let registry = STORAGE.registry();
    let accounts = registry.pump().expect("the only pump").accounts();
    let ledger = accounts.open(Exporter::Prometheus);
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/");
    (0..10).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
    let closed = accounts.close(Exporter::Prometheus, DropReason::Unscraped);
    ledger.set_sent_total(10);
    assert_eq!(registry.account(Exporter::Prometheus), closed);
    assert_eq!((closed.sent, closed.dropped.get(DropReason::Unscraped), closed.balanced()), (0, 10, true));
}

#[test]
fn what_was_dropped_before_a_stop_is_not_dropped_again_nor_waited_for() {
    static STORAGE: Storage<4, 2, 64> = Storage::new();
    let registry = STORAGE.registry();
    let accounts = registry.pump().expect("the only pump").accounts();
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/");
    let mut open = |sent| {
        let before = registry.requests();
        let ledger = accounts.open(Exporter::Prometheus);
        (0..10).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
        ledger.set_sent_total(before + sent);
        ledger.add_dropped(DropReason::Rejected, 2);
    };
    open(5);
    let mut closed = accounts.close(Exporter::Prometheus, DropReason::Unscraped);
    assert_eq!((closed.sent, closed.dropped.get(DropReason::Unscraped), closed.balanced()), (5, 3, true));
    let stages = [DropStage::Choosing, DropStage::Queueing, DropStage::Sending, DropStage::Stopping];
    assert_eq!(stages.map(|stage| closed.dropped.at(stage)), [0, 0, 2, 3]);
    closed.held += 1;
    assert!(!closed.balanced());
    open(8);
    assert_eq!(accounts.linger(Exporter::Prometheus, Duration::MAX), None, "nothing waits");
}

#[test]
fn a_page_that_lingers_counts_what_was_recorded_until_the_stop() {
    static STORAGE: Storage<4, 2, 64> = Storage::new();
    let registry = STORAGE.registry();
    let accounts = registry.pump().expect("the only pump").accounts();
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/");
    let mut record = |requests: u64| (0..requests).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
    record(3);
    let ledger = accounts.open(Exporter::Prometheus);
    record(10);
    ledger.set_sent_total(13);
    assert_eq!(accounts.linger(Exporter::Prometheus, Duration::MAX), None, "everything was seen");
    record(5);
    ledger.set_sent_total(14);
    assert_eq!(
        accounts.linger(Exporter::Prometheus, Duration::MAX),
        Some(Linger::new(PageTotals { requests: 18, observations: 0 }, Duration::MAX))
    );
    // Recorded, sent and held: right after the stop, while recording goes on, after a page from before the stop, and
    // after a later page.
    for (more, page, expected) in [(0, 0, (15, 11, 4)), (7, 0, (15, 11, 4)), (0, 16, (15, 13, 2)), (0, 25, (15, 15, 0))]
    {
        record(more);
        ledger.set_sent_total(page);
        let account = registry.account(Exporter::Prometheus);
        assert_eq!((account.recorded, account.sent, account.held), expected, "{account:?}");
        assert!(account.balanced(), "{account:?}");
    }
    let closed = accounts.close(Exporter::Prometheus, DropReason::Unscraped);
    assert_eq!((closed.recorded, closed.sent, closed.dropped.total(), closed.held), (15, 15, 0, 0));

    accounts.open(Exporter::Prometheus);
    record(2);
    assert!(accounts.linger(Exporter::Prometheus, Duration::MAX).is_some());
    record(2);
    let closed = accounts.close(Exporter::Prometheus, DropReason::Unscraped);
    assert_eq!((closed.recorded, closed.dropped.get(DropReason::Unscraped), closed.held), (2, 2, 0));
}

#[test]
fn observations_have_accounts_that_requests_are_not_mixed_with() {
    static STORAGE: Storage<4, 2, 64, Exponential, 1, 1> = Storage::new();
    let registry = STORAGE.registry();
    let (requests, exporter) = (registry.pump().expect("the only pump").accounts(), Exporter::Prometheus);
    let observations = requests.observations();
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/");
    let checks = registry.counter("checks", Unit::One, "").unwrap();
    let blocked = registry.timer("blocked", "").unwrap();
    let mut record = |times: u64| {
        (0..times).for_each(|_| recorder.record(series, Sample::ok(Duration::ZERO)));
        (0..2 * times).for_each(|_| recorder.add(checks, series, 7));
        (0..2 * times).for_each(|_| recorder.observe(blocked, series, Duration::ZERO));
    };
    let kept = || {
        [registry.account(exporter), registry.observation_account(exporter)]
            .map(|account| (account.recorded, account.sent, account.held, account.dropped.total()))
    };
    record(1);
    assert_eq!(kept(), [(0, 0, 0, 0); 2], "none was opened");
    let (sent, sent_observations) = (requests.open(exporter), observations.open(exporter));
    record(10);
    assert_eq!(kept(), [(10, 0, 10, 0), (40, 0, 40, 0)]);
    sent_observations.set_sent_total(4 + 30);
    sent_observations.add_dropped(DropReason::TooLarge, 1);
    assert_eq!(kept(), [(10, 0, 10, 0), (40, 30, 9, 1)]);
    sent.set_sent_total(11);
    // All requests were seen, and not all observations: the page lingers for both.
    let totals = PageTotals { requests: 11, observations: 44 };
    assert_eq!(requests.linger(exporter, Duration::MAX), Some(Linger::new(totals, Duration::MAX)));
    record(1);
    assert_eq!(kept(), [(10, 10, 0, 0), (40, 30, 9, 1)]);
    requests.delivered(exporter, PageTotals { requests: 12, observations: 40 });
    assert_eq!(kept(), [(10, 10, 0, 0), (40, 36, 3, 1)]);
    let closed = observations.close(exporter, DropReason::Unscraped);
    assert_eq!((closed.dropped.get(DropReason::Unscraped), closed.balanced()), (3, true));
    assert_eq!(kept(), [(10, 10, 0, 0), (40, 36, 0, 4)]);
    assert!(!format!("{requests:?}").contains("40") && format!("{observations:?}").contains("40"));
}

#[test]
fn an_account_of_observations_never_shows_more_sent_than_recorded() {
    const EACH: u64 = 50_000;
    static STORAGE: Storage<4, 2, 64, Exponential, 1, 1> = Storage::new();
    let registry = STORAGE.registry();
    let accounts = registry.pump().expect("the only pump").accounts().observations();
    let checks = registry.run_counter("checks", Unit::One, "").unwrap();
    let blocked = registry.run_timer("blocked", "").unwrap();
    registry.recorder().add_to_run(checks, 1);
    let (mut rows, before) = ObservedRows::new(registry, vec![0; ObservedRows::<Vec<u64>>::words(registry)]).unwrap();
    assert_eq!(before, 1);
    let ledger = accounts.open_after(Exporter::Influxdb, before);
    let mut send = || {
        rows.freeze(registry);
        for instrument in registry.instruments() {
            ledger.add_sent(rows.settle(&instrument, Series::OVERFLOW));
        }
    };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let account = registry.observation_account(Exporter::Influxdb);
                assert!(account.sent <= account.recorded && account.recorded <= 3 * 2 * EACH, "{account:?}");
            }
        });
        let recorders = [0, 1, 2].map(|_| {
            scope.spawn(move || {
                let mut recorder = registry.recorder();
                for _ in 0..EACH {
                    recorder.add_to_run(checks, 1);
                    recorder.observe_in_run(blocked, Duration::from_millis(1));
                }
            })
        });
        while !recorders.iter().all(thread::ScopedJoinHandle::is_finished) {
            send();
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    send();
    let account = accounts.close(Exporter::Influxdb, DropReason::Deadline);
    assert_eq!((account.recorded, account.sent, account.dropped.total()), (3 * 2 * EACH, 3 * 2 * EACH, 0));
}

#[test]
fn dropping_an_event_between_its_items_does_not_affect_the_next_event() {
    static STORAGE: Storage<4, 2, 64> = Storage::new();
    let registry = STORAGE.registry();
    let mut pump = registry.pump().unwrap();
    let mut sink = Sink::new([Event::default(); 4], pump.attach(Exporter::Statsd));
    let mut packer = Packer::new(MessageEncoder::new(registry, "loaddensity").unwrap());
    let mut recorder = registry.recorder();
    let series = recorder.series("GET", "/");
    let mut buffer = [0; 512];

    recorder.record(series, Sample::ok(Duration::ZERO));
    pump.drain(|event| assert!(sink.offer(event)));
    let first = packer.pack(&mut sink, 1, &mut buffer);
    packer.confirm(&mut sink, first);
    sink.abandon(DropReason::Unreachable);

    recorder.record(series, Sample::ok(Duration::ZERO));
    pump.drain(|event| assert!(sink.offer(event)));
    let nothing = packer.pack(&mut sink, 0, &mut buffer);
    packer.discard(&mut sink, nothing, DropReason::Refused);
    let mut messages = 0;
    while !sink.is_empty() {
        let packed = packer.pack(&mut sink, 1, &mut buffer);
        packer.confirm(&mut sink, packed);
        messages += packed.items;
    }
    let account = pump.detach(Exporter::Statsd);
    assert_eq!((messages, account.sent, account.dropped.get(DropReason::Unconfirmed)), (3, 1, 1));
    assert!(account.balanced());
}

#[test]
fn storage_is_as_large_as_its_documentation_says() {
    fn check<const SERIES: usize, const SHARDS: usize, const RING: usize>() {
        let formula = |once, shard| SERIES * (once + shard * SHARDS) + (SHARDS + 1) * 256 + RING * (32 * SHARDS + 40);
        for (formula, rest, size) in [
            (formula(14_816, 7_104), 81_000, Storage::<SERIES, SHARDS, RING>::SIZE),
            (formula(6_368, 960), 23_000, Storage::<SERIES, SHARDS, RING, Classic>::SIZE),
        ] {
            assert!((formula..formula + rest).contains(&size), "{SERIES}, {SHARDS}, {RING}: {size} beside {formula}");
        }
    }
    check::<2, 1, 2>();
    check::<200, 4, 1_024>();
    check::<1_000, 1_023, 2>();
    check::<100_000, 1, 64>();
    assert_eq!(DefaultStorage::SIZE >> 20, 75, "75 MiB");
    assert_eq!(size_of::<Event>(), 32);
}
