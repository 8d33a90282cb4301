//! Tasks: they run, and they end when they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use futures_lite::future;
use loaddensity_metrics_shell::runtime::Runtime;

use super::{Guard, run, until};

/// Tasks run while main waits, and send their results to it.
pub fn tasks_run_beside_main<R: Runtime>() {
    run(|runtime: R| async move {
        let (done, results) = async_channel::bounded(1);
        let _tasks: Vec<_> = (0..100_u64)
            .map(|n| {
                let done = done.clone();
                runtime.spawn(async move { done.send(n).await.expect("main listens") })
            })
            .collect();
        let mut sum = 0;
        for _ in 0..100 {
            sum += results.recv().await.expect("each task reports");
        }
        assert_eq!(sum, 4_950);
    });
}

/// A clone of the handle works inside a task.
pub fn a_task_starts_further_tasks<R: Runtime>() {
    run(|runtime: R| async move {
        let (done, result) = async_channel::bounded(1);
        let inner = runtime.clone();
        let _outer = runtime.spawn(async move {
            let (passed, received) = async_channel::bounded(1);
            let sleeper = inner.clone();
            let _inner = inner.spawn(async move {
                sleeper.sleep(Duration::from_millis(1)).await;
                passed.send(7).await.expect("the outer task listens");
            });
            done.send(received.recv().await).await.expect("main listens");
        });
        assert_eq!(result.recv().await, Ok(Ok(7)));
    });
}

/// A handle works on a thread that does not belong to the runtime, and wakes the runtime.
pub fn other_threads_start_tasks<R: Runtime>() {
    run(|runtime: R| async move {
        let (done, result) = async_channel::bounded(1);
        let remote = runtime.clone();
        let starter = thread::spawn(move || {
            let sleep = remote.sleep(Duration::from_millis(1));
            remote.spawn(async move {
                sleep.await;
                done.send(()).await.expect("main listens");
            })
        });
        result.recv().await.expect("the task reports");
        drop(starter.join().expect("a task started"));
    });
}

/// Dropping a task cancels it.
pub fn dropping_a_task_drops_its_future<R: Runtime>() {
    run(|runtime: R| async move {
        let (guard, watch) = Guard::new();
        let (started, start) = async_channel::bounded(1);
        let sleep = runtime.sleep(Duration::from_secs(3_600));
        let task = runtime.spawn(async move {
            let _guard = guard;
            started.send(()).await.expect("main listens");
            sleep.await;
        });
        start.recv().await.expect("the task starts");
        runtime.sleep(Duration::from_millis(5)).await;
        assert!(!watch.dropped(), "the future of a task that nobody dropped is gone");
        drop(task);
        until(&runtime, || watch.dropped()).await;

        let (guard, watch) = Guard::new();
        drop(runtime.spawn(async move {
            let _guard = guard;
            future::pending::<()>().await;
        }));
        until(&runtime, || watch.dropped()).await;
    });
}

/// Cancelling from a thread that does not belong to the runtime wakes the runtime.
pub fn dropping_a_task_on_another_thread_drops_its_future<R: Runtime>() {
    run(|runtime: R| async move {
        let (dropped, drops) = async_channel::bounded::<()>(1);
        let (started, start) = async_channel::bounded(1);
        let task = runtime.spawn(async move {
            let _dropped = dropped;
            started.send(()).await.expect("main listens");
            future::pending::<()>().await;
        });
        start.recv().await.expect("the task starts");
        let dropper = thread::spawn(move || drop(task));
        assert!(drops.recv().await.is_err(), "the channel's sender lived in the future");
        dropper.join().expect("the task was dropped");
    });
}

/// A task that has ended may be kept and dropped at any time.
pub fn dropping_a_finished_task_does_nothing<R: Runtime>() {
    run(|runtime: R| async move {
        let ended = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let ended = ended.clone();
                runtime.spawn(async move {
                    ended.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        until(&runtime, || ended.load(Ordering::SeqCst) == 10).await;
        drop(tasks);
        runtime.sleep(Duration::from_millis(1)).await;
        assert_eq!(ended.load(Ordering::SeqCst), 10);
    });
}

/// When main returns, every task is dropped, even one that holds the runtime's handle and that nobody dropped.
pub fn tasks_end_with_the_runtime<R: Runtime>() {
    let (guard, watch) = Guard::new();
    run(|runtime: R| async move {
        let (started, start) = async_channel::bounded(1);
        let inner = runtime.clone();
        let task = runtime.spawn(async move {
            let _guard = guard;
            let _handle = inner.clone();
            started.send(()).await.expect("main listens");
            inner.sleep(Duration::from_secs(3_600)).await;
        });
        std::mem::forget(task);
        start.recv().await.expect("the task starts");
        assert!(!watch.dropped(), "the task ended early");
        watch
    })
    .dropped()
    .then_some(())
    .expect("a task outlived its runtime");
}

/// A handle that outlives its runtime starts no task, and drops the future at once.
pub fn a_task_that_comes_too_late_is_dropped<R: Runtime>() {
    let late = run(|runtime: R| async move { runtime });
    let (guard, watch) = Guard::new();
    let task = late.spawn(async move {
        let _guard = guard;
        future::pending::<()>().await;
    });
    assert!(watch.dropped(), "a task was started on a runtime that had ended");
    drop(task);
}

/// A task that panics ends neither the runtime nor other tasks. (The message of the panic in the output is part of the
/// test.)
pub fn a_panic_ends_its_task_alone<R: Runtime>() {
    run(|runtime: R| async move {
        let (guard, watch) = Guard::new();
        let _panicking = runtime.spawn(async move {
            let _guard = guard;
            panic!("a panic on purpose, which the runtime keeps to its task");
        });
        until(&runtime, || watch.dropped()).await;
        let (done, result) = async_channel::bounded(1);
        let _sound = runtime.spawn(async move { done.send(()).await.expect("main listens") });
        result.recv().await.expect("the sound task reports");
    });
}

/// A task that always has something to do and yields now and then, like one that sends a page, delays no timer for more
/// than a few of its turns.
pub fn a_task_that_gives_way_holds_up_no_timer<R: Runtime>() {
    const TURNS: usize = 200;
    run(|runtime: R| async move {
        let ticks = Arc::new(AtomicUsize::new(0));
        let (inner, counting) = (runtime.clone(), ticks.clone());
        let _ticking = runtime.spawn(async move {
            loop {
                inner.sleep(Duration::from_millis(1)).await;
                counting.fetch_add(1, Ordering::SeqCst);
            }
        });
        let (done, result) = async_channel::bounded(1);
        let inner = runtime.clone();
        let _busy = runtime.spawn(async move {
            for _ in 0..TURNS {
                let until = inner.now() + Duration::from_millis(1);
                while inner.now() < until {}
                future::yield_now().await;
            }
            done.send(ticks.load(Ordering::SeqCst)).await.expect("main listens");
        });
        let ticks = result.recv().await.expect("the task ends");
        assert!(ticks >= TURNS / 20, "{ticks} ticks of a millisecond in {TURNS} turns of one");
    });
}
