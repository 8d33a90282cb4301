//! Runtimes, connections and futures by way of a pointer. What is above them (TLS, hyper, HTTP/2) is compiled once, in this crate, and
//! not again for each runtime in each program. The call through the pointer takes nothing beside the system call that it leads to.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_io::{AsyncRead, AsyncWrite};
use loaddensity_metrics_core::Timestamp;

use crate::runtime::Runtime;

/// A connection of any runtime.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A future that one function makes for all runtimes.
pub(crate) type BoxedFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A runtime, of any kind: what needs no sockets of it.
pub(crate) trait AnyRuntime: Send + Sync {
    /// Starts a task. Dropping what comes back cancels it.
    fn spawn_boxed(&self, task: BoxedFuture<'static, ()>) -> Box<dyn Send>;

    /// As [`Runtime::sleep`].
    fn sleep_boxed(&self, duration: Duration) -> BoxedFuture<'static, ()>;

    /// As [`Runtime::now`].
    fn monotonic(&self) -> Instant;

    /// As [`Runtime::wall_clock`].
    fn wall_time(&self) -> Timestamp;
}

/// A handle of one.
pub(crate) type BoxedRuntime = Arc<dyn AnyRuntime>;

impl<R: Runtime> AnyRuntime for R {
    fn spawn_boxed(&self, task: BoxedFuture<'static, ()>) -> Box<dyn Send> {
        Box::new(self.spawn(task))
    }

    fn sleep_boxed(&self, duration: Duration) -> BoxedFuture<'static, ()> {
        Box::pin(self.sleep(duration))
    }

    fn monotonic(&self) -> Instant {
        self.now()
    }

    fn wall_time(&self) -> Timestamp {
        self.wall_clock()
    }
}
