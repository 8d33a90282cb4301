//! Recorders on many threads: totals are exact, shards are given back, and no event is lost without being counted.

use loaddensity_metrics_core::{
    DropReason, Event, Exporter, Outcome, Recorder, Registry, Series, Sink, Storage, Totals,
};
use loaddensity_metrics_vectors::samples;
use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Records the samples `from..to`. The number of a sample decides its series.
fn record(recorder: &mut Recorder<'_>, from: u64, to: u64) {
    for seed in from..to {
        let series = recorder.series("GET", ["/a", "/b", "/c"][(seed % 3) as usize]);
        recorder.record(series, samples::sample(seed));
    }
}

/// The sums over the samples `0..count`, added one by one.
fn expected(count: u64) -> [(u64, u64, u64); 2] {
    Outcome::ALL.map(|outcome| {
        let of_outcome = (0..count).map(samples::sample).filter(|sample| sample.outcome == outcome);
        of_outcome.fold((0, 0, 0), |(requests, nanos, bytes), sample| {
            (requests + 1, nanos + sample.latency.as_nanos() as u64, bytes + sample.response_bytes)
        })
    })
}

fn sums(totals: &Totals) -> [(u64, u64, u64); 2] {
    [0, 1].map(|side| {
        assert_eq!(totals.latencies[side].count(), totals.sizes[side].count());
        (totals.latencies[side].count(), totals.latencies[side].sum_ns, totals.sizes[side].sum)
    })
}

#[test]
fn a_thousand_short_lived_threads_work_on_four_shards() {
    static STORAGE: Storage<8, 4, 2> = Storage::new();
    const LANES: u64 = 4;
    const THREADS: u64 = 250;
    const EACH: u64 = 30;
    let registry = STORAGE.registry();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = 0;
            while !done.load(Ordering::Acquire) {
                let now = registry.totals().requests();
                assert!(now >= seen, "the total went back from {seen} to {now}");
                seen = now;
                thread::yield_now();
            }
        });
        let lane = |lane: u64| {
            move || {
                for number in 0..THREADS {
                    let first = (lane * THREADS + number) * EACH;
                    let short_lived = move || {
                        let mut recorder = registry.recorder();
                        assert!(!recorder.is_sharing(), "four threads live, and four shards are there");
                        record(&mut recorder, first, first + EACH);
                    };
                    thread::spawn(short_lived).join().expect("thread");
                }
            }
        };
        let lanes: Vec<_> = (0..LANES).map(|number| scope.spawn(lane(number))).collect();
        lanes.into_iter().for_each(|lane| lane.join().expect("lane"));
        done.store(true, Ordering::Release);
        watcher.join().expect("watcher");
    });
    assert_eq!(sums(&registry.totals()), expected(LANES * THREADS * EACH));
    let usage = registry.usage();
    assert_eq!((usage.recorders, usage.spill_recorders, usage.series), (0, 0, 3));
}

#[test]
fn more_threads_than_shards_share_the_spill_shard() {
    static STORAGE: Storage<8, 4, 2> = Storage::new();
    const THREADS: u64 = 16;
    const EACH: u64 = 2_000;
    let registry = STORAGE.registry();
    let all_claimed = Barrier::new(THREADS as usize);
    let usage = thread::scope(|scope| {
        let run = |number: u64| {
            let all_claimed = &all_claimed;
            scope.spawn(move || {
                let mut recorder = registry.recorder();
                all_claimed.wait();
                let usage = registry.usage();
                all_claimed.wait();
                record(&mut recorder, number * EACH, (number + 1) * EACH);
                usage
            })
        };
        let running: Vec<_> = (0..THREADS).map(run).collect();
        running.into_iter().map(|thread| thread.join().expect("thread")).collect::<Vec<_>>()
    });
    for usage in usage {
        assert_eq!((usage.recorders, usage.spill_recorders), (4, 12));
    }
    assert_eq!(sums(&registry.totals()), expected(THREADS * EACH));
    assert_eq!((registry.usage().recorders, registry.usage().spill_recorders), (0, 0));
    // These recorders are gone, but the registry still reads what they counted, and reports them.
    assert_eq!(registry.recorders_read(), 5);
    let spilled = registry.exceeded().spilled.expect("some shared").to_string();
    let says = "12 recorders found none of the storage's 4 shards free and shared one, which is slower; build the storage \
                for 16 recorders (HeapStorage::new), or record from fewer threads";
    assert_eq!(spilled, says);
}

/// The events that arrived at the pump while threads with and without shards of their own recorded as fast as they
/// could.
fn pump_while_recording(registry: Registry<'static>, threads: u64, each: u64) -> Vec<Event> {
    let mut pump = registry.pump().expect("the only pump");
    for _ in 0..3 {
        assert!(registry.pump().is_none(), "a second pump");
    }
    let mut sink = Sink::new(vec![Event::default(); 64], pump.attach(Exporter::Influxdb));
    let all_claimed = Barrier::new(threads as usize);
    let mut arrived = Vec::new();
    thread::scope(|scope| {
        let run = |number: u64| {
            let all_claimed = &all_claimed;
            scope.spawn(move || {
                let mut recorder = registry.recorder();
                all_claimed.wait();
                record(&mut recorder, number * each, (number + 1) * each);
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        let mut is_last = false;
        loop {
            pump.drain(|event| {
                arrived.push(event);
                sink.offer(event);
                sink.confirm_front(1);
            });
            let account = registry.account(Exporter::Influxdb);
            assert!(account.sent + account.dropped.total() <= account.recorded, "{account:?}");
            if is_last {
                break;
            }
            is_last = running.iter().all(thread::ScopedJoinHandle::is_finished);
        }
        running.into_iter().for_each(|thread| thread.join().expect("thread"));
    });
    pump.detach(Exporter::Influxdb);
    arrived
}

#[test]
fn no_event_is_lost_without_being_counted() {
    static STORAGE: Storage<8, 2, 16> = Storage::new();
    let registry = STORAGE.registry();
    let arrived = pump_while_recording(registry, 5, 20_000);
    let account = registry.account(Exporter::Influxdb);
    assert!(account.balanced(), "{account:?}");
    assert_eq!((account.recorded, account.held), (100_000, 0));
    assert_eq!(account.sent, arrived.len() as u64);
    let refused = account.dropped.get(DropReason::RingFull);
    assert_eq!((refused + account.sent, account.dropped.total()), (100_000, refused));
    assert_eq!(registry.full_rings().map(|ring| ring.dropped).sum::<u64>(), refused);
    for ring in registry.full_rings() {
        assert_eq!(ring.ring, 16);
        assert!(ring.would_have_held > 16 && ring.would_have_held.is_power_of_two(), "{ring}");
    }
    // The aggregates contain all of them.
    assert_eq!(sums(&registry.totals()), expected(100_000));
}

#[test]
fn events_arrive_whole_and_with_unique_times() {
    static STORAGE: Storage<8, 2, 32_768> = Storage::new();
    let registry = STORAGE.registry();
    // Three of the threads share a ring. It must hold all of their events, because the pump may not run meanwhile.
    let arrived = pump_while_recording(registry, 5, 10_000);
    assert_eq!(arrived.len(), 50_000, "{:?}", registry.account(Exporter::Influxdb));
    let times: BTreeSet<_> = arrived.iter().map(|event| event.completed_at).collect();
    assert_eq!(times.len(), arrived.len(), "two events have the same time");
    let fields =
        |series: Series, status, outcome: Outcome, nanos, bytes| (series, status, outcome.as_str(), nanos, bytes);
    let mut seen: Vec<_> = arrived
        .iter()
        .map(|event| fields(event.series, event.status, event.outcome(), event.latency_ns, event.response_bytes))
        .collect();
    let mut recorder = registry.recorder();
    let series = ["/a", "/b", "/c"].map(|name| recorder.series("GET", name));
    let of_seed = |seed: u64| {
        let sample = samples::sample(seed);
        let nanos = sample.latency.as_nanos() as u64;
        fields(series[(seed % 3) as usize], sample.status, sample.outcome, nanos, sample.response_bytes)
    };
    let mut recorded: Vec<_> = (0..50_000).map(of_seed).collect();
    seen.sort_unstable();
    recorded.sort_unstable();
    assert!(seen == recorded, "an event was torn or mixed up");
}

#[test]
fn rings_stay_empty_while_no_exporter_sends_per_request() {
    static STORAGE: Storage<8, 2, 16> = Storage::new();
    let registry = STORAGE.registry();
    let mut pump = registry.pump().expect("the only pump");
    let mut recorder = registry.recorder();
    record(&mut recorder, 0, 100);
    assert_eq!(pump.drain(|event| panic!("{event:?}")), 0);
    pump.attach(Exporter::Statsd);
    record(&mut recorder, 100, 110);
    assert_eq!(pump.drain(|_| {}), 10);
    pump.detach(Exporter::Statsd);
    record(&mut recorder, 110, 120);
    assert_eq!(pump.drain(|event| panic!("{event:?}")), 0);
    assert_eq!(registry.full_rings().count(), 0);
}

#[test]
fn a_recorder_moves_between_threads_but_is_not_shared() {
    fn is_send<T: Send>() {}
    is_send::<Recorder<'static>>();

    // If `Recorder` were `Sync`, the call below would be ambiguous and would not compile.
    trait NotSync<Marker> {
        fn check() {}
    }
    impl<T: ?Sized> NotSync<()> for T {}
    struct IsSync;
    impl<T: ?Sized + Sync> NotSync<IsSync> for T {}
    <Recorder<'static> as NotSync<_>>::check();
}
