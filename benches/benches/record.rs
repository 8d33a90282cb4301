//! The contests of record in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, face};

fn record(criterion: &mut Criterion) {
    face::bench(criterion, contests::record::contests);
}

criterion_group!(benches, record);
criterion_main!(benches);
