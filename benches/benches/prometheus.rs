//! The contests of prometheus in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, criterion_groups};

fn prometheus(criterion: &mut Criterion) {
    criterion_groups::bench(criterion, contests::prometheus::contests);
}

criterion_group!(benches, prometheus);
criterion_main!(benches);
