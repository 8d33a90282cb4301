//! What the registry has is what the libraries recorded, to the last one, on several threads.

use std::collections::BTreeMap;
use std::hint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use loaddensity_metrics_facade::{FacadeRecorder, Unshown};
use loaddensity_metrics_shell::{HeapStorage, InstrumentKind, LocalRecorder, Registry, ShownUnit};
use metrics::{Unit, counter, gauge, histogram, with_local_recorder};

const THREADS: u64 = 4;
const ROUNDS: u64 = 5_000;
const ROUTES: [&str; 3] = ["/items", "/orders", "/"];

/// What libraries counted for themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sums {
    /// By route.
    requests: BTreeMap<&'static str, u64>,
    iterations: u64,
    sent: u64,
    /// Number of times, and nanoseconds.
    times: BTreeMap<&'static str, (u64, u64)>,
    waits: (u64, u64),
    /// Number of bodies, and bytes.
    bodies: (u64, u64),
    depths: (u64, u64),
}

impl Sums {
    fn add(&mut self, other: Self) {
        let add = |to: &mut (u64, u64), from: (u64, u64)| (to.0, to.1) = (to.0 + from.0, to.1 + from.1);
        other.requests.into_iter().for_each(|(route, count)| *self.requests.entry(route).or_default() += count);
        other.times.into_iter().for_each(|(route, times)| add(self.times.entry(route).or_default(), times));
        (self.iterations, self.sent) = (self.iterations + other.iterations, self.sent + other.sent);
        add(&mut self.waits, other.waits);
        add(&mut self.bodies, other.bodies);
        add(&mut self.depths, other.depths);
    }
}

#[test]
fn the_registrys_sums_are_the_libraries() {
    // More threads than shards, so that some share the spill shard.
    let registry = registry(HeapStorage::builder(10, 2, 16).counters(3).histograms(4));
    let recorder = FacadeRecorder::new(LocalRecorder::new(registry));
    let mut expected = Sums::default();
    let counted: Vec<Sums> = thread::scope(|scope| {
        let load = |seed| with_local_recorder(&recorder, || load(seed));
        let threads: Vec<_> = (0..THREADS).map(|seed| scope.spawn(move || load(seed))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread of the load ends")).collect()
    });
    counted.into_iter().for_each(|sums| expected.add(sums));

    assert_eq!(sums_of(registry), expected);
    assert_eq!(expected.iterations, THREADS * ROUNDS);
    assert_eq!(registry.gauge("pool_idle").expect("a gauge").get(), Some((THREADS * ROUNDS) as f64 * 0.5));
    assert_eq!(registry.gauge("last_seed").expect("a gauge").get().map(|seed| seed < THREADS as f64), Some(true));
    let (per_call, once) = (7 * ROUNDS, 0);
    assert_eq!(registry.observations(), THREADS * (per_call + once));
    assert_eq!((registry.usage().unknown_observations, recorder.unshown()), (0, Unshown::default()));
}

/// What one thread records through the facade, half of it with handles from before, and what it counts meanwhile.
fn load(seed: u64) -> Sums {
    let (mut choices, mut sums) = (Choices(seed), Sums::default());
    let kept: Vec<_> = ROUTES.iter().map(|route| counter!("http_requests_total", "route" => *route)).collect();
    metrics::describe_histogram!("pool.wait", Unit::Milliseconds, "Until a connection was free");
    for round in 0..ROUNDS {
        let at = choices.below(ROUTES.len() as u64) as usize;
        let route = ROUTES[at];
        let (by, bytes, depth) = (choices.below(1_000), choices.below(1 << 40), choices.below(100));
        let time = Duration::from_nanos(choices.below(20_000_000_000));
        match round % 2 {
            0 => kept[at].increment(by),
            _ => counter!("http_requests_total", "route" => route).increment(by),
        }
        *sums.requests.entry(route).or_default() += by;
        counter!("engine.iterations").increment(1);
        sums.iterations += 1;
        counter!("sent_bytes_total").increment(bytes);
        sums.sent += bytes;
        histogram!("http_request_duration_seconds", "route" => route).record(time);
        let times = sums.times.entry(route).or_default();
        *times = (times.0 + 1, times.1 + time.as_nanos() as u64);
        let wait = choices.below(10_000_000) as f64 / 1_000.0;
        histogram!("pool.wait").record(wait);
        sums.waits = (sums.waits.0 + 1, sums.waits.1 + (wait * 1e6).round() as u64);
        histogram!("body_bytes").record(bytes as f64);
        sums.bodies = (sums.bodies.0 + 1, sums.bodies.1 + bytes);
        histogram!("queue.depth").record(depth as f64);
        sums.depths = (sums.depths.0 + 1, sums.depths.1 + depth);
        gauge!("pool.idle").increment(2.0);
        gauge!("pool.idle").decrement(1.5);
        gauge!("last_seed").set(seed as f64);
    }
    sums
}

/// What the registry has, by the names that its exporters would show.
fn sums_of(registry: Registry<'static>) -> Sums {
    let mut sums = Sums::default();
    let of_route = |route| registry.series_with_labels("", "", [("route", route)]).expect("a label");
    for instrument in registry.instruments() {
        let run = instrument.series().next().expect("it was used");
        let counted = instrument.counter(run).map_or(0, |total| total.sum);
        let observed = instrument.histogram(run).map_or((0, 0), |total| (total.number, total.sum));
        match (instrument.name(), instrument.unit()) {
            ("http_requests", ShownUnit::One) => {
                sums.requests = ROUTES.map(|route| (route, instrument.counter(of_route(route)).unwrap().sum)).into();
            }
            ("engine_iterations", ShownUnit::One) => sums.iterations = counted,
            ("sent", ShownUnit::Bytes) => sums.sent = counted,
            ("http_request_duration", ShownUnit::Milliseconds) => {
                let times = |total: loaddensity_metrics_shell::HistogramTotal| (total.number, total.sum);
                sums.times = ROUTES.map(|route| (route, times(instrument.histogram(of_route(route)).unwrap()))).into();
            }
            ("pool_wait", ShownUnit::Milliseconds) => {
                assert_eq!(instrument.description(), "Until a connection was free");
                sums.waits = observed;
            }
            ("body", ShownUnit::Bytes) => sums.bodies = observed,
            ("queue_depth", ShownUnit::One) => sums.depths = observed,
            other => panic!("{other:?} was not recorded"),
        }
    }
    sums
}

#[test]
fn threads_that_raise_a_counter_to_values_lose_and_double_nothing() {
    const RACERS: u64 = 2;
    let registry = registry(HeapStorage::builder(10, 4, 16).counters(1));
    let recorder = FacadeRecorder::new(LocalRecorder::new(registry));
    let mirrored = with_local_recorder(&recorder, || counter!("mirrored"));
    let [come, gone, wrong] = [0; 3].map(AtomicU64::new);
    let together = |count: &AtomicU64, round: u64| {
        count.fetch_add(1, Ordering::SeqCst);
        for look in 1_u64.. {
            match count.load(Ordering::SeqCst) < RACERS * round {
                false => break,
                // Where there is but one processor.
                true if look.is_multiple_of(1_000) => thread::yield_now(),
                true => hint::spin_loop(),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..RACERS {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    together(&come, round);
                    mirrored.absolute(1_000 * round);
                    together(&gone, round);
                    // A thread that panicked here would let the other wait.
                    wrong.fetch_add(u64::from(sum(registry, "mirrored") != 1_000 * round), Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((wrong.into_inner(), recorder.unshown()), (0, Unshown::default()));
}

#[test]
fn a_counter_that_is_raised_to_a_value_never_falls_and_goes_on_from_there() {
    let registry = registry(HeapStorage::builder(10, 1, 16).counters(1));
    let recorder = FacadeRecorder::new(LocalRecorder::new(registry));
    let counter = with_local_recorder(&recorder, || counter!("read", "disk" => "a"));
    for (step, expected) in
        [(Ok(5), 5), (Err(3), 5), (Err(12), 12), (Ok(1), 13), (Err(13), 13), (Err(u64::MAX / 2), u64::MAX / 2)]
    {
        step.map_or_else(|value| counter.absolute(value), |by| counter.increment(by));
        assert_eq!(sum(registry, "read"), expected, "{step:?}");
    }
    assert_eq!(recorder.unshown(), Unshown::default());
}

#[test]
fn increments_above_what_one_call_takes_are_whole() {
    let registry = registry(HeapStorage::builder(10, 1, 16).counters(3));
    let recorder = FacadeRecorder::new(LocalRecorder::new(registry));
    with_local_recorder(&recorder, || {
        metrics::describe_counter!("copied", Unit::Gibibytes, "");
        counter!("copied").increment(5);
        counter!("nanos_spent").increment((1 << 62) + 7);
        counter!("errors").increment(0);
    });
    assert_eq!(
        [sum(registry, "copied"), sum(registry, "nanos_spent"), sum(registry, "errors")],
        [5 << 30, (1 << 62) + 7, 0]
    );
    assert_eq!(registry.instruments().filter(|instrument| instrument.kind() == InstrumentKind::Counter).count(), 3);
}

/// Of all series of a counter.
fn sum(registry: Registry<'static>, name: &str) -> u64 {
    let instrument = registry.instruments().find(|instrument| instrument.name() == name).expect("a counter");
    instrument.series().filter_map(|series| instrument.counter(series)).map(|total| total.sum).sum()
}

fn registry(builder: loaddensity_metrics_shell::HeapStorageBuilder) -> Registry<'static> {
    Box::leak(Box::new(builder.build().expect("a small storage can be made"))).registry()
}

/// A generator of numbers that are the same in every run.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 20) % end
    }
}
