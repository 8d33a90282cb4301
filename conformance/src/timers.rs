//! Sleeps and clocks.

use std::time::{Duration, SystemTime};

use futures_lite::future;
use loaddensity_metrics_shell::runtime::Runtime;

use super::{run, until};

/// By the runtime's own clock, a sleep is never shorter than asked.
pub fn a_sleep_lasts_at_least_as_long<R: Runtime>() {
    run(|runtime: R| async move {
        for micros in [0, 1, 999, 1_000, 1_001, 2_500, 20_000, 100_000] {
            let asked = Duration::from_micros(micros);
            let start = runtime.now();
            runtime.sleep(asked).await;
            let slept = runtime.now() - start;
            assert!(slept >= asked, "asked for {asked:?}, slept {slept:?}");
        }
    });
}

/// The duration counts from the call of `sleep`, not from the first poll: a timer that waits in a queue is not late.
pub fn a_sleep_counts_from_the_call<R: Runtime>() {
    let second = Duration::from_secs(1);
    run(|runtime: R| async move {
        let start = runtime.now();
        let unpolled = runtime.sleep(second);
        runtime.sleep(second).await;
        unpolled.await;
        let slept = runtime.now() - start;
        assert!(slept >= second, "{slept:?} is short");
        assert!(slept < 2 * second, "{slept:?}: the second sleep was counted from its first poll");
    });
}

/// Two hundred sleeps of 100 ms at the same time take far less than twenty seconds.
pub fn sleeps_run_side_by_side<R: Runtime>() {
    run(|runtime: R| async move {
        let start = runtime.now();
        let (done, ended) = async_channel::unbounded();
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let (sleep, done) = (runtime.sleep(Duration::from_millis(100)), done.clone());
                runtime.spawn(async move {
                    sleep.await;
                    done.send(()).await.expect("main listens");
                })
            })
            .collect();
        for _ in &tasks {
            ended.recv().await.expect("each task reports");
        }
        let all = runtime.now() - start;
        assert!(all < Duration::from_secs(10), "{all:?} for sleeps of 100 ms");
    });
}

/// Dropping a sleep cancels it, whether it was polled or not. Other sleeps go on.
pub fn a_sleep_that_is_dropped_harms_no_other<R: Runtime>() {
    run(|runtime: R| async move {
        let kept = runtime.sleep(Duration::from_millis(30));
        drop(runtime.sleep(Duration::from_secs(3_600)));
        for millis in [0, 10, 40, 3_600_000] {
            let given_up = runtime.sleep(Duration::from_millis(millis));
            future::or(given_up, future::yield_now()).await;
        }
        kept.await;
    });
}

/// A sleep that is longer than any clock can show does not end, and does not delay other sleeps.
pub fn an_endless_sleep_is_no_fault<R: Runtime>() {
    run(|runtime: R| async move {
        for endless in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(1 << 40)] {
            let ended = async {
                runtime.sleep(endless).await;
                true
            };
            let given_up = async {
                runtime.sleep(Duration::from_millis(2)).await;
                false
            };
            assert!(!future::or(ended, given_up).await, "{endless:?} have passed");
        }
    });
}

/// The monotonic clock never goes back, and it moves.
pub fn now_never_goes_back<R: Runtime>() {
    run(|runtime: R| async move {
        let start = runtime.now();
        let mut last = start;
        for _ in 0..10_000 {
            let now = runtime.now();
            assert!(now >= last, "the clock went back by {:?}", last - now);
            last = now;
        }
        until(&runtime, || runtime.now() > start).await;
    });
}

/// The wall clock differs by less than a second from the system's.
pub fn the_wall_clock_is_the_systems<R: Runtime>() {
    run(|runtime: R| async move {
        let shown = Duration::from_nanos(runtime.wall_clock().as_unix_nanos());
        let system = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
        let apart = shown.abs_diff(system);
        assert!(apart < Duration::from_secs(1), "the wall clock is {apart:?} from the system's");
    });
}
