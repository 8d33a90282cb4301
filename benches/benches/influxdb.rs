//! The contests of influxdb in criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use loaddensity_metrics_benches::{contests, criterion_groups};

fn influxdb(criterion: &mut Criterion) {
    criterion_groups::bench(criterion, contests::influxdb::contests);
}

criterion_group!(benches, influxdb);
criterion_main!(benches);
