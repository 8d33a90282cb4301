//! Recording alone, without a request around it: by one thread, by several at once, and with a counter of one's own beside it.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_std::{HeapStorage, Recorder, Sample, Series, Unit};

/// As many as you like; on more threads than the machine has cores the figure is of waiting.
const THREADS: usize = 2;
/// So many stay in the caches. With 10,000 they do not.
const SERIES: usize = 100;
/// So many that no predictor learns them; a power of two.
const REQUESTS: usize = 1 << 17;

/// What is recorded for a request, and what of it is known before.
type Prepared = (Series, Sample);

fn recording(criterion: &mut Criterion) {
    let storage = HeapStorage::builder(SERIES, THREADS + 1, 2).counters(1).build().expect("room for it");
    let registry = storage.registry();
    let checks = registry.counter("checks", Unit::One, "Checks of answers.").expect("a good name");
    let mut recorder = registry.recorder();
    let series: Vec<_> = (0..SERIES).map(|number| recorder.series("GET", &format!("/items/{number}"))).collect();
    let requests = random_requests(&series);
    let (mut recorded, mut checked) = (0, 0);

    let mut group = criterion.benchmark_group("record");
    group.bench_function("one thread", |bench| {
        let mut next = requests.iter().cycle();
        bench.iter(|| {
            record_next(&mut recorder, &mut next);
            recorded += 1;
        });
    });
    group.bench_function("one thread, and a counter of one's own", |bench| {
        let mut next = requests.iter().cycle();
        bench.iter(|| {
            let series = record_next(&mut recorder, &mut next);
            recorder.add(checks, series, 1);
            (recorded, checked) = (recorded + 1, checked + 1);
        });
    });
    group.bench_function(format!("{THREADS} threads, each as many"), |bench| {
        bench.iter_custom(|times| {
            recorded += times * THREADS as u64;
            let start = Barrier::new(THREADS);
            let on_each = |_| {
                // One recorder for each thread. Another's are on other cache lines.
                let (mut recorder, start, mut next) = (registry.recorder(), &start, requests.iter().cycle());
                move || {
                    start.wait();
                    let began = Instant::now();
                    for _ in 0..times {
                        record_next(&mut recorder, &mut next);
                    }
                    began.elapsed()
                }
            };
            thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(on_each).map(|thread| scope.spawn(thread)).collect();
                let elapsed = threads.into_iter().map(|thread| thread.join().expect("no panic"));
                elapsed.max().unwrap_or_default()
            })
        });
    });
    group.finish();
    // A bench that did not do what it says would be fast.
    assert_eq!((registry.totals().requests(), registry.counter_total(checks).sum), (recorded, checked));
    println!("all that was recorded is in the registry");
}

fn record_next<'a>(recorder: &mut Recorder<'_>, next: &mut impl Iterator<Item = &'a Prepared>) -> Series {
    let Some((series, sample)) = next.next() else { unreachable!("a cycle does not end") };
    recorder.record(*series, black_box(*sample));
    *series
}

/// Latencies from 1 ms to 4 s, sizes up to 64 KiB, 2 % failures, series in random order.
fn random_requests(series: &[Series]) -> Vec<Prepared> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    // Marsaglia, "Xorshift RNGs", 2003.
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut request = |_| {
        let latency = Duration::from_micros((1_000 + random(1_000)) << random(11));
        let status = if random(100) < 2 { 500 } else { 200 };
        (series[random(series.len() as u64) as usize], Sample::http(status, latency).response_bytes(random(1 << 16)))
    };
    (0..REQUESTS).map(&mut request).collect()
}

criterion_group!(benches, recording);
criterion_main!(benches);
