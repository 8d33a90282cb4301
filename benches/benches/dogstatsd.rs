//! The contests of dogstatsd in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, criterion_groups};

fn dogstatsd(criterion: &mut Criterion) {
    criterion_groups::bench(criterion, contests::dogstatsd::contests);
}

criterion_group!(benches, dogstatsd);
criterion_main!(benches);
