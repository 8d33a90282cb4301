//! CPU time of the calling thread: other processes that take the core away do not count.

use std::cell::Cell;
use std::time::Duration;

use loaddensity_metrics_cost::clock;

use crate::allocations;

/// CPU time that this thread has used. A system call: read it around thousands of operations, not around one.
#[must_use]
pub fn cpu() -> Duration {
    Duration::from_nanos(clock::now())
}

/// What a piece of work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadCost {
    /// CPU time of this thread.
    pub cpu: Duration,
    /// Allocations of this thread.
    pub allocations: u64,
}

thread_local! {
    static APART: Cell<ThreadCost> = const { Cell::new(ThreadCost { cpu: Duration::ZERO, allocations: 0 }) };
}

/// Runs `work` and says what it took, without what it ran [`apart`].
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, ThreadCost) {
    let outer = APART.replace(ThreadCost::default());
    let (result, gross) = gross(work);
    let apart = APART.replace(outer);
    let cpu = gross.cpu.saturating_sub(apart.cpu);
    (result, ThreadCost { cpu, allocations: gross.allocations - apart.allocations })
}

/// Runs `work` inside a measured pass without counting it: emptying a ring that another thread would empty, say.
pub fn apart<T>(work: impl FnOnce() -> T) -> T {
    let (result, cost) = gross(work);
    let so_far = APART.get();
    APART.set(ThreadCost { cpu: so_far.cpu + cost.cpu, allocations: so_far.allocations + cost.allocations });
    result
}

fn gross<T>(work: impl FnOnce() -> T) -> (T, ThreadCost) {
    let (allocations, start) = (allocations::count(), cpu());
    let result = work();
    (result, ThreadCost { cpu: cpu() - start, allocations: allocations::count() - allocations })
}
