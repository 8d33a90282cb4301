//! The budget of bytes of a connection: it gives way to others, and no server can send for ever.
//!
//! TLS and hyper read within one poll for as long as there are bytes: a peer that never stops sending would keep the
//! thread to itself. So each connection has a budget where its bytes come in, below TLS:
//!
//! * **A budget per turn.** A turn is one poll of a task that a connection lives in, which [`ByteBudget::turns`] marks.
//!   A `Pending` does not end a turn: TLS does not pass on all of them. hyper polls HTTP/2 in
//!   a task of its own, which it hands to the executor; `HyperTasks::budgeted` marks the turns of that. Where the budget is
//!   used up, the task wakes itself and waits for its next turn.
//! * **A bound on what a server may send** between two requests, idle time included: interim responses (RFC 9110, 15.2),
//!   HTTP/2's preface, SETTINGS, PING and unknown frames (RFC 9113, 6), extensions of chunks (RFC 9112, 7.1.1), whatever
//!   else there is, without any of it being read. Answers have a few hundred bytes.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use crate::boxed::ByteStream;

/// Bytes that a turn may receive, give or take one call. Four hundred of the smallest frames of HTTP/2 fit in.
const READ_PER_TURN: usize = 4 << 10;
/// Bytes that a turn may send, give or take one call.
const WRITTEN_PER_TURN: usize = 64 << 10;
/// The least that a call costs, in bytes: one that moves a single byte takes time too.
const CALL: usize = 512;
/// Bytes that a server may send between two requests.
#[cfg(feature = "http-client")]
const RECEIVED_PER_REQUEST: usize = 1 << 20;

/// What is wrong with a server that sends more.
pub(crate) const TOO_MUCH: &str = "the server sent more than 1 MiB since the last request, and was cut off";

/// The budget of one connection. Clones share it.
#[derive(Clone)]
pub(crate) struct ByteBudget(Arc<ByteCounts>);

/// Every access is relaxed: the counts guard nothing else, and one task alone moves bytes.
struct ByteCounts {
    /// What is left in this turn. There is no limit before the first one.
    to_read: AtomicUsize,
    to_write: AtomicUsize,
    /// Since the last request.
    received: AtomicUsize,
    most_received: usize,
}

impl ByteBudget {
    /// Of a connection to a server.
    #[cfg(feature = "http-client")]
    pub(crate) fn of_server() -> Self {
        Self::new(RECEIVED_PER_REQUEST)
    }

    /// Of a connection to a client, which may send for as long as it likes.
    #[cfg(feature = "http-server")]
    pub(crate) fn of_client() -> Self {
        Self::new(usize::MAX)
    }

    fn new(most_received: usize) -> Self {
        let (to_read, to_write) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(usize::MAX));
        Self(Arc::new(ByteCounts { to_read, to_write, received: AtomicUsize::new(0), most_received }))
    }

    /// `stream`, within this budget.
    pub(crate) fn on(&self, stream: impl ByteStream + 'static) -> BudgetedStream {
        BudgetedStream { stream: Box::new(stream), budget: self.clone() }
    }

    /// `future`, each poll of which is a turn. Whatever touches the stream belongs into such a future; else it
    /// would wait for ever once the budget is used up. A task must poll the future once each time it is polled itself.
    pub(crate) fn turns<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let (budget, mut future) = (self.clone(), Box::pin(future));
        poll_fn(move |cx| {
            budget.begin_turn();
            future.as_mut().poll(cx)
        })
    }

    /// A task is polled anew.
    pub(crate) fn begin_turn(&self) {
        self.0.to_read.store(READ_PER_TURN, Ordering::Relaxed);
        self.0.to_write.store(WRITTEN_PER_TURN, Ordering::Relaxed);
    }

    /// A request goes out: what the server may send is counted anew.
    #[cfg(feature = "http-client")]
    pub(crate) fn begin_request(&self) {
        self.0.received.store(0, Ordering::Relaxed);
    }

    /// Whether the server has sent more than it may.
    #[cfg(feature = "http2")]
    pub(crate) fn is_exceeded(&self) -> bool {
        self.0.received.load(Ordering::Relaxed) > self.0.most_received
    }

    fn received(&self, bytes: usize) -> io::Result<usize> {
        let before = self.0.received.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.0.most_received {
            return Err(io::Error::other(TOO_MUCH));
        }
        Ok(bytes)
    }
}

/// A stream with a [`ByteBudget`].
pub(crate) struct BudgetedStream {
    stream: Box<dyn ByteStream>,
    budget: ByteBudget,
}

/// The bytes that `poll` moves are taken from what is `left`. Where nothing is left, waits for the task's next turn.
fn paid(
    left: &AtomicUsize,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<usize>>,
) -> Poll<io::Result<usize>> {
    let budget = left.load(Ordering::Relaxed);
    if budget == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    let bytes = ready!(poll(cx))?;
    left.store(budget.saturating_sub(bytes.max(CALL)), Ordering::Relaxed);
    Poll::Ready(Ok(bytes))
}

impl AsyncRead for BudgetedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { stream, budget } = &mut *self;
        let read = ready!(paid(&budget.0.to_read, cx, |cx| Pin::new(stream).poll_read(cx, into)))?;
        Poll::Ready(budget.received(read))
    }
}

impl AsyncWrite for BudgetedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, budget } = &mut *self;
        paid(&budget.0.to_write, cx, |cx| Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, budget } = &mut *self;
        paid(&budget.0.to_write, cx, |cx| Pin::new(stream).poll_write_vectored(cx, parts))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(all(test, feature = "http-client"))]
mod tests {
    use std::task::{Wake, Waker};

    use futures_lite::io::{Repeat, Sink, repeat, sink};

    use super::*;

    /// A peer that sends for ever, and takes everything.
    struct Tireless(Repeat, Sink);

    impl AsyncRead for Tireless {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_read(cx, into)
        }
    }

    impl AsyncWrite for Tireless {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.1).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.1).poll_flush(cx)
        }

        fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.1).poll_close(cx)
        }
    }

    fn tireless() -> Tireless {
        Tireless(repeat(7), sink())
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Moves bytes in calls of `length` until it was told three times to wait.
    fn move_all(
        mut call: impl FnMut(&mut Context<'_>, usize) -> Poll<io::Result<usize>>,
        length: usize,
        moved: &mut (usize, usize),
        cx: &mut Context<'_>,
    ) {
        let mut refusals = 0;
        while refusals < 3 {
            match call(cx, length) {
                Poll::Ready(bytes) => *moved = (moved.0 + bytes.expect("no error"), moved.1 + 1),
                Poll::Pending => refusals += 1,
            }
        }
    }

    #[test]
    fn a_turn_moves_its_budget_in_each_direction_and_then_wakes_the_task() {
        for length in [1, CALL, 4_096, 65_536] {
            let budget = ByteBudget::new(usize::MAX);
            let (mut input, mut output) = (budget.on(tireless()), budget.on(tireless()));
            let mut bytes = vec![0; length];
            let (mut read, mut written) = ((0, 0), (0, 0));
            let woken = Arc::new(Woken::default());
            let (waker, mut polls) = (Waker::from(woken.clone()), 0);
            let mut task = Box::pin(budget.turns(poll_fn(|cx| {
                let mut read_some =
                    |cx: &mut Context<'_>, length| Pin::new(&mut input).poll_read(cx, &mut bytes[..length]);
                move_all(&mut read_some, length, &mut read, cx);
                let sent = vec![0; length];
                let mut write_some =
                    |cx: &mut Context<'_>, length| Pin::new(&mut output).poll_write(cx, &sent[..length]);
                move_all(&mut write_some, length, &mut written, cx);
                polls += 1;
                if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
            })));
            let mut cx = Context::from_waker(&waker);
            while task.as_mut().poll(&mut cx).is_pending() {}
            drop(task);
            let calls = |budget: usize| budget.div_ceil(length.max(CALL));
            assert_eq!(read, (3 * calls(READ_PER_TURN) * length, 3 * calls(READ_PER_TURN)), "calls of {length}");
            assert_eq!(
                written,
                (3 * calls(WRITTEN_PER_TURN) * length, 3 * calls(WRITTEN_PER_TURN)),
                "calls of {length}"
            );
            assert_eq!(woken.0.load(Ordering::Relaxed), 3 * (3 + 3));
        }
    }

    #[test]
    fn a_server_may_send_only_its_budget_between_two_requests() {
        let budget = ByteBudget::of_server();
        let mut stream = budget.on(tireless());
        let mut cx = Context::from_waker(Waker::noop());
        let mut read = |length| Pin::new(&mut stream).poll_read(&mut cx, &mut vec![0; length]);
        for _ in 0..3 {
            assert!(matches!(read(RECEIVED_PER_REQUEST), Poll::Ready(Ok(RECEIVED_PER_REQUEST))));
            let Poll::Ready(Err(error)) = read(1) else { panic!("a byte beyond the budget was taken") };
            assert!(error.to_string().contains("more than 1 MiB since the last request"), "{error}");
            budget.begin_request();
        }
        let mut endless = ByteBudget::new(usize::MAX).on(tireless());
        let read = Pin::new(&mut endless).poll_read(&mut Context::from_waker(Waker::noop()), &mut vec![0; 4 << 20]);
        assert!(matches!(read, Poll::Ready(Ok(_))), "the limit is for servers: a client may send more");
    }
}
