//! The contests of otlp in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, face};

fn otlp(criterion: &mut Criterion) {
    face::bench(criterion, contests::otlp::contests);
}

criterion_group!(benches, otlp);
criterion_main!(benches);
