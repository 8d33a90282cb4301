//! The contests as criterion shows them.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};

use crate::clock;
use crate::contest::{Contender, Contest};
use crate::options::RatioOptions;

/// One group per contest, one function per contender, in CPU time of the thread and without what a pass runs
/// [`apart`](clock::apart), as the paired runner counts. criterion measures contenders one after the other, so that
/// ratios are better taken from `ratios`.
pub fn bench(criterion: &mut Criterion, contests: fn(&RatioOptions) -> Vec<Contest>) {
    for mut contest in contests(&RatioOptions::default()) {
        let mut group = criterion.benchmark_group(contest.title);
        group.throughput(Throughput::Elements(contest.units as u64));
        for contender in &mut contest.contenders {
            group.bench_function(contender.name, |bencher| bencher.iter_custom(|passes| time(contender, passes)));
        }
    }
}

fn time(contender: &mut Contender, passes: u64) -> Duration {
    let passes = || {
        for _ in 0..passes {
            black_box((contender.run)());
        }
    };
    clock::measure(passes).1.cpu
}
