//! A request alone, the same request recorded, and recorded with its latency measured. What is between the first and the others is
//! the overhead; take your own request for `PretendedServer`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_std::{Exporters, Sample, Settings};
use own_bench::PretendedServer;

fn overhead(criterion: &mut Criterion) {
    let server = PretendedServer::new();
    let exporters = Exporters::start(Settings::default()).expect("a thread");
    let items =
        exporters.registry().series_with_labels("GET", "/items", [("scenario", "browse")]).expect("good labels");
    let mut recorder = exporters.recorder();
    let (mut number, mut recorded) = (0, 0);
    let mut next = || {
        number += 1;
        black_box(number)
    };

    let mut group = criterion.benchmark_group("a request");
    group.bench_function("alone", |bench| bench.iter(|| server.request(next())));
    group.bench_function("recorded", |bench| {
        bench.iter(|| {
            let (status, bytes) = server.request(next());
            recorder.record(items, Sample::http(status, Duration::from_micros(1_500)).response_bytes(bytes));
            recorded += 1;
        });
    });
    group.bench_function("measured and recorded", |bench| {
        bench.iter(|| {
            let began = Instant::now();
            let (status, bytes) = server.request(next());
            recorder.record(items, Sample::http(status, began.elapsed()).response_bytes(bytes));
            recorded += 1;
        });
    });
    group.finish();
    // A bench that did not do what it says would be fast.
    assert_eq!(exporters.registry().totals().requests(), recorded);
    println!("all that was recorded is in the registry");
}

criterion_group!(benches, overhead);
criterion_main!(benches);
