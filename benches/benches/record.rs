//! The contests of record in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, criterion_groups};

fn record(criterion: &mut Criterion) {
    criterion_groups::bench(criterion, contests::record::contests);
}

criterion_group!(benches, record);
criterion_main!(benches);
