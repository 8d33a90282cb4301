//! Periodic exports: OTLP, cumulative and delta, over gRPC and HTTP.
//!
//! At each interval a cycle of one or several bodies goes out, one after the other: all that was counted so far
//! (cumulative), or what came in an interval (delta). What an answer means for the body that it answers:
//!
//! | answer | cumulative | delta |
//! |---|---|---|
//! | stored | its requests count for this cycle | its requests are sent |
//! | stored, but for some points | the requests of as many, the heaviest, do not count | those are `rejected` |
//! | refused, ill | the next body goes on; the next export holds it again | `refused`, the next body goes on |
//! | unclear | the same | `unconfirmed`, the next body goes on |
//! | too large | cut smaller, at once; a single point is left out | cut smaller, at once; a single point is `too_large` |
//! | too large, of less than 2,000 bytes | refused, and a pause | `refused`, and a pause |
//! | away | cut again after a pause, for as long as it takes | the same |
//! | none | the same bytes after a pause, three times; then cut again with a new time | the same bytes, three times; then `unconfirmed` |
//!
//! After a pause a cycle goes on where it stands. One of which nothing can have arrived is begun anew, so that it shows
//! what came meanwhile; a delta's interval is extended by it. Where an export timeout is set, the attempts end with it
//! until the next export is due.
//!
//! At a stop, cumulative sends all that was counted once more; delta sends what is left of its cycle and then the last
//! interval, in one where nothing of the former can have arrived. Both try until the deadline. Sources: OTLP
//! specification, "Failures", "Throttling" and "Partial Success"; it forbids to send again, even in halves, what was
//! refused.

mod account;
mod cumulative;
mod cut;
mod cycle;
mod delta;
mod place;
mod room;
mod settle;
mod source;
#[cfg(all(test, not(loom)))]
mod tests;
mod timing;

use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;

use super::{Broken, Connection, Course, Health, Id, Now, Size, Step, Tick};
use crate::export::verdict::Said;
use crate::registry::ledger::Cause;
use crate::request::sample::Timestamp;
use account::Books;
use cut::Cut;
use cycle::{Cycle, Flight};
use room::Room;
use timing::Timing;

pub use super::input::Input;
pub use cumulative::Cumulative;
pub use delta::Delta;
pub use place::Place;
pub use source::{Piece, Source, Wrote};
pub use timing::LONGEST_PAUSE;

/// What a machine goes by.
#[derive(Clone, Copy, Debug)]
pub struct ExportLimits {
    /// Time from the start of one export to the start of the next.
    pub interval: Duration,
    /// Most time of one body, from connecting to the answer's end.
    pub timeout: Duration,
    /// Most time of one export, with all its bodies and attempts. At a stop the deadline counts instead.
    pub export_timeout: Option<Duration>,
    /// Most bytes of one body, before compression.
    pub max_request_bytes: usize,
    /// Whether what came in intervals is sent, rather than all that was counted.
    pub is_delta: bool,
}

/// What the driver does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the name for its addresses.
    Resolve {
        /// Of the answer.
        id: Id,
    },
    /// Connect to this address.
    Connect {
        /// Of the answer.
        id: Id,
        /// The address.
        address: SocketAddr,
    },
    /// Send these bytes of the buffer over the connection, and keep them until the next `Send`. Until the answer the
    /// buffer that is lent is empty.
    Send {
        /// Of the answer.
        id: Id,
        /// Where in the buffer they are.
        range: Range<usize>,
    },
    /// Send the bytes of an earlier `Send` again, the last one.
    Again {
        /// Of the answer.
        id: Id,
        /// Of that `Send`.
        of: Id,
    },
    /// Give up what was started, and its connection: answered by [`Input::Failed`] before the next poll.
    Cancel {
        /// Of what is given up.
        id: Id,
    },
    /// Lend a buffer of so many bytes from now on, if possible. What is lent is used; a point that does not fit into it is
    /// left out.
    Room(usize),
    /// Nothing, until then or until something has happened.
    Wait {
        /// When to poll again.
        until: Tick,
    },
    /// It is over: all is settled but what is still held.
    Done {
        /// Why that is dropped: the reason of the last attempt, or the deadline.
        rest: Cause,
    },
}

/// The machine, for a [`Source`] with cursors of type `C`. About 1.5 KB.
#[derive(Clone, Debug)]
pub struct Exports<C> {
    limits: ExportLimits,
    connection: Connection,
    size: Size,
    room: Room,
    timing: Timing,
    books: Books,
    course: Course,
    /// What became of the body that was under way, until the next poll.
    news: Option<News>,
    /// The cycle that is not complete.
    cycle: Option<Cycle<C>>,
    /// Whether the last cycle was begun after the stop was asked for: nothing comes after it.
    is_final: bool,
    /// Whether a pause is over, and the cycle is to be begun anew where nothing of it can have arrived.
    resumes: bool,
    /// The time of the points that were made last.
    last_time: Timestamp,
    /// The body that was sent last, until it is settled.
    flight: Option<Flight<C>>,
    /// Whether that goes out again as it is.
    is_again: bool,
    /// Why what is held at the end is dropped.
    rest: Cause,
    is_done: bool,
}

/// How a body came back.
#[derive(Clone, Copy, Debug)]
enum News {
    Answer(Said),
    Broken(Broken),
}

impl<C: Copy> Exports<C> {
    /// A machine that goes by `limits` and starts now; its first export is due after the first interval. `seed` is any
    /// number, best a different one for each process.
    #[must_use]
    pub fn new(limits: ExportLimits, seed: u64, now: Now) -> Self {
        Self {
            limits,
            connection: Connection::default(),
            size: Size::new(limits.max_request_bytes),
            room: Room::default(),
            timing: Timing::new(&limits, seed, now),
            books: Books::new(limits.is_delta),
            course: Course::NEW,
            news: None,
            cycle: None,
            is_final: false,
            resumes: true,
            last_time: now.wall,
            flight: None,
            is_again: false,
            rest: Cause::Deadline,
            is_done: false,
        }
    }

    /// Notes what has happened. [`poll`](Self::poll) comes before the next news, a stop aside.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Resolved { id, addresses } => self.connection.resolved(id, addresses),
            Input::Connected { id } => self.connection.connected(id),
            Input::Answer { id, said } => {
                if self.connection.answered(id) {
                    self.news = Some(News::Answer(said));
                }
            }
            Input::Failed { id, began, kept } => {
                self.news = self.connection.failed(id, began, kept).map(News::Broken).or(self.news);
            }
            Input::Stop { deadline } => self.stop(now, deadline),
        }
    }

    /// Settles what has happened and says what to do. To be asked again until it says [`Action::Wait`].
    pub fn poll<S: Source<Cursor = C>>(&mut self, now: Now, source: &mut S, out: &mut [u8]) -> Action {
        loop {
            if let Some(news) = self.news.take() {
                self.settle(now, news, source);
            }
            let action =
                if self.connection.is_busy() { self.call(now, source, out) } else { self.idle(now, source, out) };
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// How the receiver is doing.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.course.health
    }

    /// From how many attempts that is known.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.course.attempts
    }

    /// Most bytes of a body that the receiver has shown to bear, where that is below what was configured.
    #[must_use]
    pub fn learned_bytes(&self) -> Option<usize> {
        self.size.learned()
    }

    fn stop(&mut self, now: Now, deadline: Tick) {
        self.timing.stop(now, deadline);
        if self.connection.is_busy() {
            self.connection.shorten(self.timing.shorten(now, !self.is_final));
        }
    }

    /// What comes next where nothing is under way.
    fn idle<S: Source<Cursor = C>>(&mut self, now: Now, source: &mut S, out: &mut [u8]) -> Option<Action> {
        if !self.is_done && self.timing.is_over(now, self.connection.has_connected()) {
            self.finish(source);
        }
        if self.is_done {
            return Some(Action::Done { rest: self.rest });
        }
        if let Some(until) = self.timing.waits(now) {
            return Some(Action::Wait { until });
        }
        self.give_way_to_the_last();
        self.resume(now, source);
        let is_last = match self.flight.filter(|_| self.is_again) {
            Some(flight) => flight.part.is_last,
            None => match self.cut(now, source, out) {
                Cut::Body => self.flight?.part.is_last,
                Cut::Nothing => return None,
                Cut::Room(bytes) => return Some(Action::Room(bytes)),
            },
        };
        self.connection.begin(self.timing.call(now, !(self.is_final && is_last)));
        match self.connection.step(now) {
            Step::Ready => self.send(),
            step => self.obey(now, step),
        }
    }

    /// What comes next in a call.
    fn call<S: Source<Cursor = C>>(&mut self, now: Now, source: &mut S, out: &mut [u8]) -> Option<Action> {
        match self.connection.step(now) {
            Step::Ready if self.timing.call_is_over(now) => {
                self.connection.withdraw();
                self.failed(now, Duration::ZERO);
                None
            }
            Step::Ready => {
                self.give_way_to_the_last();
                self.resume(now, source);
                match if self.is_again { Cut::Body } else { self.cut(now, source, out) } {
                    Cut::Body => self.send(),
                    Cut::Room(bytes) => Some(Action::Room(bytes)),
                    Cut::Nothing => {
                        self.connection.withdraw();
                        None
                    }
                }
            }
            step => self.obey(now, step),
        }
    }

    fn obey(&mut self, now: Now, step: Step) -> Option<Action> {
        Some(match step {
            Step::Resolve { id } => Action::Resolve { id },
            Step::Connect { id, address } => Action::Connect { id, address },
            Step::Cancel { id } => Action::Cancel { id },
            Step::Wait { until } => Action::Wait { until },
            Step::Ready => return None,
            Step::Failed => {
                self.failed(now, Duration::ZERO);
                return None;
            }
        })
    }

    /// The body that was cut, or the same again.
    fn send(&mut self) -> Option<Action> {
        let flight = self.flight.as_mut()?;
        let id = self.connection.send();
        if core::mem::take(&mut self.is_again) {
            return Some(Action::Again { id, of: flight.sent_as });
        }
        flight.sent_as = id;
        Some(Action::Send { id, range: flight.part.start..flight.part.end })
    }
}
