//! Sleeping: one thread for the whole process, started by the first sleep, that wakes others when their time has come.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{mem, thread};

static TIMER: LazyLock<Timer> = LazyLock::new(|| {
    thread::Builder::new()
        .name("loaddensity-timer".into())
        .spawn(|| TIMER.run())
        .expect("the operating system has a thread");
    Timer::default()
});

/// Completes `duration` after this call, or a little later.
pub(super) fn sleep(duration: Duration) -> Sleep {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Beyond what the clock can show there is no end.
    let end = Instant::now().checked_add(duration);
    Sleep { key: end.map(|end| (end, NEXT.fetch_add(1, Ordering::Relaxed))) }
}

/// See [`sleep`].
#[derive(Debug)]
pub(super) struct Sleep {
    /// When it ends, with a number that no other has.
    key: Option<TimerKey>,
}

type TimerKey = (Instant, u64);

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(key) = self.key else { return Poll::Pending };
        if Instant::now() >= key.0 {
            return Poll::Ready(());
        }
        TIMER.wake_at(key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            TIMER.forget(key);
        }
    }
}

/// Those who sleep. No waker is called or dropped under the lock: it may drop a task, and with it a [`Sleep`].
#[derive(Debug, Default)]
struct Timer {
    sleepers: Mutex<BTreeMap<TimerKey, Waker>>,
    /// Somebody is to be woken sooner than anybody before.
    sooner: Condvar,
}

impl Timer {
    fn wake_at(&self, key: TimerKey, waker: Waker) {
        let mut sleepers = self.sleepers();
        let is_first = sleepers.first_key_value().is_none_or(|(first, _)| key < *first);
        let replaced = sleepers.insert(key, waker);
        drop(sleepers);
        drop(replaced);
        if is_first {
            self.sooner.notify_one();
        }
    }

    fn forget(&self, key: &TimerKey) {
        let forgotten = self.sleepers().remove(key);
        drop(forgotten);
    }

    fn run(&self) -> ! {
        loop {
            let mut sleepers = self.sleepers();
            let later = sleepers.split_off(&(Instant::now(), u64::MAX));
            let due = mem::replace(&mut *sleepers, later);
            if due.is_empty() {
                let next =
                    sleepers.first_key_value().map(|((end, _), _)| end.saturating_duration_since(Instant::now()));
                // Nobody to wake: until somebody comes, or for a day.
                let pause = next.unwrap_or(Duration::from_secs(86_400));
                drop(self.sooner.wait_timeout(sleepers, pause).unwrap_or_else(PoisonError::into_inner));
            } else {
                drop(sleepers);
                due.into_values().for_each(Waker::wake);
            }
        }
    }

    fn sleepers(&self) -> MutexGuard<'_, BTreeMap<TimerKey, Waker>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
