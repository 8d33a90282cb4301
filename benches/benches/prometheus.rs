//! The contests of prometheus in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, face};

fn prometheus(criterion: &mut Criterion) {
    face::bench(criterion, contests::prometheus::contests);
}

criterion_group!(benches, prometheus);
criterion_main!(benches);
