//! Adaptors that let hyper run on any [`Runtime`]: streams, timer, executor.
//!
//! * [`HyperIo`] makes a futures-io stream readable and writable for hyper. hyper hands out uninitialised memory that
//!   only `unsafe` code may fill in place; this crate has none, so received bytes are copied once, through the stack.
//!   What hyper writes is not copied.
//! * [`HyperTimer`] waits and reads the clock through the runtime, so that a virtual clock governs hyper as well.
//! * [`HyperTasks`] owns every task that a server or client spawns; the [`HyperExecutor`]s that hyper keeps only
//!   refer to it. Dropping the owner cancels the tasks, whatever hyper still holds, and later ones are not started.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use hyper::rt;

use crate::boxed::{BoxedFuture, BoxedRuntime};
use crate::byte_budget::ByteBudget;
use crate::runtime::Runtime;

/// Bytes taken from the stream in one read. The buffer lives on the stack for one poll, so an idle connection costs
/// nothing; what exporters receive (request heads, short answers) fits in one.
const READ_BYTES: usize = 4_096;

/// A futures-io stream as hyper wants it.
#[derive(Debug)]
pub struct HyperIo<S> {
    stream: S,
}

impl<S> HyperIo<S> {
    /// Wraps `stream`.
    pub const fn new(stream: S) -> Self {
        Self { stream }
    }

    /// The stream, as it was given.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> rt::Read for HyperIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bounce = [0; READ_BYTES];
        let wanted = into.remaining().min(READ_BYTES);
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut bounce[..wanted]))?;
        into.put_slice(&bounce[..read]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> rt::Write for HyperIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// A runtime's timer as hyper wants it.
#[derive(Clone)]
pub struct HyperTimer {
    runtime: BoxedRuntime,
}

impl HyperTimer {
    /// Waits through `runtime`.
    pub fn new(runtime: impl Runtime) -> Self {
        Self { runtime: Arc::new(runtime) }
    }
}

impl fmt::Debug for HyperTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTimer").finish_non_exhaustive()
    }
}

impl rt::Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(HyperSleep { sleep: Mutex::new(self.runtime.sleep_boxed(duration)) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.runtime.monotonic()))
    }

    fn now(&self) -> Instant {
        self.runtime.monotonic()
    }
}

/// hyper asks for a `Sync` sleep, which a runtime's need not be. The mutex makes it so and is never locked: polling
/// has exclusive access.
struct HyperSleep {
    sleep: Mutex<BoxedFuture<'static, ()>>,
}

impl Future for HyperSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.sleep.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(cx)
    }
}

impl rt::Sleep for HyperSleep {}

/// Tasks that end together: dropping this cancels all that still run.
pub struct HyperTasks {
    runtime: BoxedRuntime,
    budget: Option<ByteBudget>,
    running: Arc<Mutex<RunningTasks>>,
}

struct RunningTasks {
    next: u64,
    tasks: HashMap<u64, Box<dyn Send>>,
}

impl HyperTasks {
    /// No tasks yet; those that come run on `runtime`.
    #[must_use]
    pub fn new(runtime: impl Runtime) -> Self {
        let running = Arc::new(Mutex::new(RunningTasks { next: 0, tasks: HashMap::new() }));
        Self { runtime: Arc::new(runtime), budget: None, running }
    }

    /// The tasks of one connection: each poll of one is a turn of its budget.
    #[cfg(feature = "http-client")]
    pub(crate) fn budgeted(runtime: impl Runtime, budget: &ByteBudget) -> Self {
        Self { budget: Some(budget.clone()), ..Self::new(runtime) }
    }

    /// A handle for hyper. It keeps no task alive.
    #[must_use]
    pub fn executor(&self) -> HyperExecutor {
        let (runtime, budget) = (self.runtime.clone(), self.budget.clone());
        HyperExecutor { runtime, budget, running: Arc::downgrade(&self.running) }
    }

    /// Starts `future` as one of these tasks.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.executor().spawn(future);
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.running).tasks.len()
    }

    /// Whether every task has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for HyperTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTasks").field("running", &self.len()).finish_non_exhaustive()
    }
}

/// Starts hyper's tasks among those of the [`HyperTasks`] it came from; drops them unstarted once that is gone.
#[derive(Clone)]
pub struct HyperExecutor {
    runtime: BoxedRuntime,
    budget: Option<ByteBudget>,
    running: Weak<Mutex<RunningTasks>>,
}

impl HyperExecutor {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let Some(running) = self.running.upgrade() else {
            return;
        };
        let (registered, budget, mut future) = (self.running.clone(), self.budget.clone(), Box::pin(future));
        // Held until the task is entered: one that ends at once on another thread waits for its entry, then takes it out.
        let mut entered = lock(&running);
        let id = entered.next;
        entered.next += 1;
        let task = self.runtime.spawn_boxed(Box::pin(async move {
            let turns = poll_fn(|cx| {
                budget.iter().for_each(ByteBudget::begin_turn);
                future.as_mut().poll(cx)
            });
            turns.await;
            let ended = registered.upgrade().and_then(|running| lock(&running).tasks.remove(&id));
            drop(ended);
        }));
        entered.tasks.insert(id, task);
    }
}

impl fmt::Debug for HyperExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperExecutor").finish_non_exhaustive()
    }
}

impl<F> rt::Executor<F> for HyperExecutor
where
    F: Future + Send + 'static,
{
    fn execute(&self, future: F) {
        self.spawn(async move {
            future.await;
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
