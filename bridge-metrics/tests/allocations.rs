//! Recording through the facade allocates nothing, neither with a handle nor through the macros.

#![allow(unsafe_code, reason = "a global allocator, here one that counts, cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use loaddensity_metrics_facade::FacadeRecorder;
use loaddensity_metrics_shell::{HeapStorage, LocalRecorder};
use metrics::{Unit, counter, gauge, histogram, with_local_recorder};

#[test]
fn recording_through_the_facade_allocates_nothing() {
    const CALLS: u64 = 1_000;
    let storage = HeapStorage::builder(10, 2, 16).counters(2).histograms(2).build();
    let registry = Box::leak(Box::new(storage.expect("a small storage can be made"))).registry();
    let recorder = FacadeRecorder::new(LocalRecorder::new(registry));
    with_local_recorder(&recorder, || {
        let requests = counter!("requests_by_route", "route" => "/items");
        let (mirrored, idle) = (counter!("mirrored"), gauge!("idle"));
        let (waits, bodies) = (histogram!("wait_seconds"), histogram!("body_bytes", "route" => "/items"));
        let record = |call: u64| {
            requests.increment(call);
            mirrored.absolute(call);
            idle.increment(1.0);
            idle.decrement(0.5);
            idle.set(call as f64);
            waits.record(call as f64 / 1_000.0);
            bodies.record(call as f64);
            bodies.record_many(7.0, 3);
            // Asked for again at each call, as most libraries do.
            counter!("requests_by_route", "route" => "/items").increment(1);
            histogram!(unit: Unit::Seconds, description: "Until a connection was free", "wait_seconds").record(0.5);
            gauge!("idle").set(1.0);
            // No room, and values that are not recorded.
            counter!("one_too_many").increment(1);
            waits.record(-1.0);
            bodies.record(0.5);
        };
        // The first claims a recorder for this thread, makes the handles of the macros and tells what is not shown.
        record(0);
        let before = ALLOCATIONS.get();
        (1..=CALLS).for_each(record);
        assert_eq!(ALLOCATIONS.get() - before, 0);
        assert_eq!(registry.observations(), 10 * (CALLS + 1));
        drop(counter!(format!("a name {}", registry.observations())));
        assert!(ALLOCATIONS.get() > before, "allocations are counted");
    });
}

struct Counting;

thread_local! {
    // Per thread, because the test harness allocates on threads of its own.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator with the arguments it came with; counting touches only a
// thread-local number, which needs no allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
