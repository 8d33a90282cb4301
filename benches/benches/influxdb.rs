//! The contests of influxdb in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, face};

fn influxdb(criterion: &mut Criterion) {
    face::bench(criterion, contests::influxdb::contests);
}

criterion_group!(benches, influxdb);
criterion_main!(benches);
