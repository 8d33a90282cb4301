//! The contests of otlp in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, criterion_groups};

fn otlp(criterion: &mut Criterion) {
    criterion_groups::bench(criterion, contests::otlp::contests);
}

criterion_group!(benches, otlp);
criterion_main!(benches);
