//! The contests of dogstatsd in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, face};

fn dogstatsd(criterion: &mut Criterion) {
    face::bench(criterion, contests::dogstatsd::contests);
}

criterion_group!(benches, dogstatsd);
criterion_main!(benches);
