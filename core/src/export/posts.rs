//! Bodies of points posted to InfluxDB over HTTP: when one is sent, how much is in it, and what an answer means for it.
//!
//! One body is in flight. The items stay where they are until the server has answered for them, so nothing is kept here:
//! what must go out again is packed again. An InfluxDB point carries its own timestamp, so one that arrives twice
//! overwrites itself; what may have arrived is sent again as it is.
//!
//! | what came back | what follows |
//! |---|---|
//! | stored | the items have arrived; the size of bodies doubles up to its ceiling |
//! | in part | so many are `refused`, the others have arrived |
//! | a 2xx that is no acceptance | they are `unconfirmed` |
//! | refused | they are `refused`; no pause |
//! | away, or no connection | a pause that grows from 250 ms to 5 s, or that the server asks for, up to a minute; half the size |
//! | no answer in time, or a break | the same, and they may have arrived. A connection that was dead before is none: at once again |
//! | too large | half the size; a single item is `too_large`; a server that finds less than 2,000 bytes too large refuses all |
//! | failed (500) | tried again at once; the second time a point that is known to be good is sent as a probe |
//! | the probe fails too | the server is ill: pauses, and probes alone, until one is accepted |
//! | the probe is accepted | the body is poisoned: it is bisected, and the item that fails alone again and again is `refused` |
//!
//! What may have arrived is never dropped as anything but `unconfirmed`.

use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;

mod due;
mod gauges;
mod hunt;
mod intervals;
mod items;
mod marks;
mod probe;
mod requests;

pub use super::input::Input;
pub use due::Schedule;
pub use gauges::GaugePoints;
pub use intervals::IntervalPoints;
pub use items::{Body, Items};
pub use requests::RequestPoints;

use due::Due;
use hunt::{Aim, Hunt};
use marks::Marks;
use probe::{Origin, Probe};

use super::{Backoff, Broken, Connection, Course, Health, Id, Now, Random, Size, Step, Stopping, Tick, TooLarge};
use crate::export::verdict::Said;
use crate::registry::ledger::Cause;

/// Pauses after failures: the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Longest pause that a server is granted: what waits longer than this is lost to the buffer's end.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a machine goes by.
#[derive(Clone, Copy, Debug)]
pub struct PostLimits {
    /// How long one call may take, from asking the name to the answer's end.
    pub timeout: Duration,
    /// Most bytes of a body of several items. The buffer that is lent is at least as long.
    pub bytes: usize,
    /// Most items of a body.
    pub points: usize,
    /// When a body is sent.
    pub schedule: Schedule,
}

/// What the driver does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask what addresses the name has.
    Resolve {
        /// Of the answer.
        id: Id,
    },
    /// Connect; an earlier connection is of no use any more.
    Connect {
        /// Of the answer.
        id: Id,
        /// The address.
        address: SocketAddr,
    },
    /// Post the bytes in this range of the buffer over the connection. Until the answer is handed in `poll` gets an empty
    /// buffer.
    Send {
        /// Of the answer.
        id: Id,
        /// Where the body is.
        range: Range<usize>,
    },
    /// Give up what was started, and the connection; the answer is [`Input::Failed`], before the next poll.
    Cancel {
        /// Of what is given up.
        id: Id,
    },
    /// Come back at `until`, or when there is news, or as soon as so many items wait.
    Wait {
        /// The moment, [`Tick::NEVER`] where none is waited for.
        until: Tick,
        /// Items that wait, `usize::MAX` where their number is not waited for.
        events: usize,
    },
    /// It is over: nothing of what was lent waits any more.
    Done {
        /// Why whatever comes after this, or was never lent, is dropped.
        rest: Cause,
    },
}

/// What is in flight.
#[derive(Clone, Copy, Debug)]
enum Flight {
    /// The first items.
    Body(Body),
    /// One item that shows whether the server is well.
    Probe(Body, Origin),
}

/// What came back.
#[derive(Clone, Copy, Debug)]
enum News {
    Said(Said),
    Broken(Broken),
}

/// A time without attempts; the next one is due when it is over.
#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Tick,
    /// The server asks for it: a stop does not end it.
    is_asked_for: bool,
}

/// The machine. About 3 KB.
#[derive(Clone, Debug)]
pub struct Posts {
    timeout: Duration,
    connection: Connection,
    due: Due,
    size: Size,
    hunt: Hunt,
    marks: Marks,
    probe: Probe,
    flight: Flight,
    /// When the call under way is given up where no stop shortens it.
    expires: Tick,
    news: Option<News>,
    pause: Option<Pause>,
    /// A single item was too large, and nothing was accepted since.
    was_too_large: bool,
    backoff: Backoff,
    random: Random,
    course: Course,
    /// Why what waits at the end is dropped.
    rest: Cause,
    stopping: Stopping,
    /// A stop was asked for since the last poll.
    is_stop_new: bool,
    /// An interval has ended that is not frozen yet.
    must_freeze: bool,
}

impl Posts {
    /// A machine that goes by `limits`. `seed` is any number, best a different one in each process.
    #[must_use]
    pub fn new(limits: &PostLimits, seed: u64) -> Self {
        Self {
            timeout: limits.timeout,
            connection: Connection::default(),
            due: Due::new(limits.schedule, limits.points),
            size: Size::new(limits.bytes),
            hunt: Hunt::new(),
            marks: Marks::default(),
            probe: Probe::new(),
            flight: Flight::Body(Body::default()),
            expires: Tick::NEVER,
            news: None,
            pause: None,
            was_too_large: false,
            backoff: Backoff::new(PAUSES.0, PAUSES.1),
            random: Random::new(seed),
            course: Course::NEW,
            rest: Cause::Deadline,
            stopping: Stopping::NOT_ASKED,
            is_stop_new: false,
            must_freeze: false,
        }
    }

    /// Notes one piece of news. What is about something that is over is ignored.
    pub fn handle(&mut self, _now: Now, input: Input<'_>) {
        match input {
            Input::Resolved { id, addresses } => self.connection.resolved(id, addresses),
            Input::Connected { id } => self.connection.connected(id),
            Input::Answer { id, said } => {
                if self.connection.answered(id) {
                    self.news = Some(News::Said(said));
                }
            }
            Input::Failed { id, began, kept } => {
                if let Some(broken) = self.connection.failed(id, began, kept) {
                    self.news = Some(News::Broken(broken));
                }
            }
            Input::Stop { deadline } => {
                self.is_stop_new |= self.stopping.ask(deadline);
                self.connection.shorten(self.stopping.deadline());
            }
        }
    }

    /// Settles what was noted and says what to do. `out` is as long as [`PostLimits::bytes`] or longer.
    pub fn poll<S: Items>(&mut self, now: Now, items: &mut S, out: &mut [u8]) -> Action {
        match self.news.take() {
            Some(News::Said(said)) => self.answered(now, said, items),
            Some(News::Broken(broken)) => self.broken(now, broken),
            None => {}
        }
        self.due.look(now, items.len());
        if core::mem::take(&mut self.is_stop_new) {
            self.begin_stop(now, items);
        }
        loop {
            let action = if self.connection.is_busy() { self.go_on(now, items, out) } else { self.begin(now, items) };
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// How it is doing.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.course.health
    }

    /// From how many attempts that is known.
    #[must_use]
    pub const fn attempts(&self) -> u64 {
        self.course.attempts
    }

    /// The size that bodies are kept to because the server has shown that it bears no larger ones, in bytes.
    #[must_use]
    pub fn learned_bytes(&self) -> Option<usize> {
        self.size.learned()
    }

    /// The call under way goes on; nothing where it is over.
    fn go_on<S: Items>(&mut self, now: Now, items: &mut S, out: &mut [u8]) -> Option<Action> {
        match self.connection.step(now) {
            Step::Resolve { id } => Some(Action::Resolve { id }),
            Step::Connect { id, address } => Some(Action::Connect { id, address }),
            Step::Cancel { id } => Some(Action::Cancel { id }),
            Step::Wait { until } => Some(Action::Wait { until, events: usize::MAX }),
            Step::Ready => self.send(now, items, out),
            Step::Failed => {
                self.away(now, Duration::ZERO);
                None
            }
        }
    }

    /// A call begins, unless all is done or none is due.
    fn begin<S: Items>(&mut self, now: Now, items: &mut S) -> Option<Action> {
        self.freeze(now, items);
        if self.is_done(now, items) {
            self.drop_front(items, items.len(), self.rest, false);
            return Some(Action::Done { rest: self.rest });
        }
        let (due, events) = self.due(items);
        if now.tick < due {
            return Some(Action::Wait { until: self.stopping.clamp(due.min(self.next_interval())), events });
        }
        self.pause = None;
        self.expires = now.tick.after(self.timeout);
        self.connection.begin(self.call(now, items));
        None
    }

    /// When the next call is due, and how many items make it due at once.
    fn due<S: Items>(&self, items: &S) -> (Tick, usize) {
        if items.is_empty() {
            return self.due.at(0, self.size.bytes(), self.hunt.window());
        }
        match self.pause {
            Some(pause) => (pause.until, usize::MAX),
            None if self.stopping.is_asked() || self.hunt.is_under_way() => (Tick::default(), usize::MAX),
            None => self.due.at(items.len(), self.size.bytes(), self.hunt.window()),
        }
    }

    /// When a call that begins now is given up.
    fn call<S: Items>(&self, now: Now, items: &S) -> Tick {
        let (_, full) = self.due.at(items.len(), self.size.bytes(), self.hunt.window());
        let shares =
            matches!(self.course.health, Health::Failing { .. }) || self.hunt.is_under_way() || items.len() > full;
        self.stopping.call(now, self.timeout, shares)
    }

    fn send<S: Items>(&mut self, now: Now, items: &mut S, out: &mut [u8]) -> Option<Action> {
        let packed = match self.hunt.aim() {
            Aim::Probe => self.pack_probe(items, out),
            Aim::Body(most) => self.pack_body(now, most, items, out),
        };
        let Some((flight, bytes)) = packed else {
            self.connection.withdraw();
            return None;
        };
        self.flight = flight;
        Some(Action::Send { id: self.connection.send(), range: 0..bytes })
    }

    fn pack_probe<S: Items>(&mut self, items: &S, out: &mut [u8]) -> Option<(Flight, usize)> {
        let packed = self.probe.pack(items, &mut self.random, out);
        if packed.is_none() {
            // Without a probe nothing can be found out.
            self.hunt.forget();
        }
        packed.map(|(body, origin)| (Flight::Probe(body, origin), body.bytes))
    }

    /// The first items, and at least one; those that fit into no body are dropped.
    fn pack_body<S: Items>(&mut self, now: Now, most: usize, items: &mut S, out: &mut [u8]) -> Option<(Flight, usize)> {
        while !items.is_empty() {
            let room = self.size.bytes().min(out.len());
            let mut body = items.pack(0, most.min(self.due.points()), &mut out[..room]);
            if body.items == 0 {
                body = items.pack(0, 1, out);
            }
            if body.items != 0 {
                self.due.packed(now, body);
                self.probe.consider(&out[..body.bytes]);
                return Some((Flight::Body(body), body.bytes));
            }
            self.hunt.forget();
            self.drop_front(items, 1, Cause::TooLarge, false);
        }
        None
    }

    fn answered<S: Items>(&mut self, now: Now, said: Said, items: &mut S) {
        match self.flight {
            Flight::Body(body) => self.body_answered(now, said, body, items),
            Flight::Probe(_, origin) => self.probe_answered(now, said, origin, items),
        }
    }

    fn body_answered<S: Items>(&mut self, now: Now, said: Said, body: Body, items: &mut S) {
        match said {
            Said::Stored => {
                self.stored(now, body, 0, items);
                self.course.went_well();
            }
            Said::Partial { dropped } => {
                let lost = usize::try_from(dropped).unwrap_or(usize::MAX).min(body.items);
                self.stored(now, body, lost, items);
                self.course.failed(now.tick);
            }
            Said::Unclear => {
                self.not_stored(now, body, Cause::Unconfirmed, items);
                self.rest = Cause::Deadline;
            }
            Said::Refused => self.not_stored(now, body, Cause::Refused, items),
            Said::TooLarge => self.too_large(now, body, items),
            Said::Ill => {
                self.failed(now, Cause::Unreachable);
                self.marks.failed(body.items);
                self.hunt.failed(body.items);
            }
            Said::Away { at_least, may_have_arrived } => {
                if may_have_arrived {
                    self.marks.silent(body.items);
                }
                self.away(now, at_least);
            }
        }
    }

    fn probe_answered<S: Items>(&mut self, now: Now, said: Said, origin: Origin, items: &mut S) {
        match said {
            Said::Ill => {
                self.probe.failed();
                self.hunt.note_ill();
                self.failed(now, Cause::Unreachable);
                return self.wait(now, Duration::ZERO);
            }
            Said::Away { at_least, may_have_arrived } => {
                if may_have_arrived {
                    self.probe_may_have_arrived(origin);
                }
                return self.away(now, at_least);
            }
            Said::Stored => {
                self.probe_may_have_arrived(origin);
                self.probe.accepted();
            }
            Said::Unclear => self.probe_may_have_arrived(origin),
            // The server is well.
            Said::Partial { .. } | Said::Refused | Said::TooLarge => {}
        }
        self.backoff.reset();
        if self.hunt.note_well() {
            self.drop_front(items, 1, Cause::Refused, true);
            if self.hunt.given_up() {
                self.wait(now, Duration::ZERO);
            }
        }
    }

    /// What was sent is lost with its connection.
    fn broken(&mut self, now: Now, broken: Broken) {
        let bytes = match self.flight {
            Flight::Body(body) => {
                if broken.began {
                    self.marks.silent(body.items);
                }
                body.bytes
            }
            Flight::Probe(body, origin) => {
                if broken.began {
                    self.probe_may_have_arrived(origin);
                }
                body.bytes
            }
        };
        if broken.kept {
            self.pause = Some(Pause { until: now.tick, is_asked_for: false });
        } else if broken.began {
            // Pauses do not grow while the next attempt is another one.
            if self.size.silent(bytes, now) {
                self.backoff.reset();
            }
            self.fail_and_wait(now, Duration::ZERO);
        } else {
            self.away(now, Duration::ZERO);
        }
    }

    fn probe_may_have_arrived(&mut self, origin: Origin) {
        self.probe.unanswered();
        if let Origin::Waiting(position) = origin {
            self.marks.single(position);
        }
    }

    /// The server has the items, but for `lost` of them.
    fn stored<S: Items>(&mut self, now: Now, body: Body, lost: usize, items: &mut S) {
        let cause = if self.marks.may_hold(body.items) { Cause::Unconfirmed } else { Cause::Refused };
        items.settle(body.items, lost, cause);
        self.marks.advance(body.items);
        self.hunt.accepted(body.items);
        self.size.accepted(now);
        self.backoff.reset();
        self.was_too_large = false;
        self.rest = Cause::Deadline;
        if lost == 0 {
            self.probe.accepted();
        }
    }

    /// The server has answered for the items, and does not have them or does not say so.
    fn not_stored<S: Items>(&mut self, now: Now, body: Body, cause: Cause, items: &mut S) {
        self.hunt.forget();
        self.backoff.reset();
        self.failed(now, cause);
        self.drop_front(items, body.items, cause, false);
    }

    fn too_large<S: Items>(&mut self, now: Now, body: Body, items: &mut S) {
        self.hunt.forget();
        self.failed(now, Cause::TooLarge);
        match self.size.too_large(body.bytes, body.items, now) {
            TooLarge::Halved => self.pause = Some(Pause { until: now.tick, is_asked_for: false }),
            TooLarge::Item => {
                self.drop_front(items, body.items, Cause::TooLarge, false);
                // One after the other: the server may bear nothing at all.
                if core::mem::replace(&mut self.was_too_large, true) {
                    self.wait(now, Duration::ZERO);
                }
            }
            TooLarge::Everything => {
                self.rest = Cause::Refused;
                self.drop_front(items, body.items, Cause::Refused, false);
                self.wait(now, Duration::ZERO);
            }
        }
    }

    /// The server is not there, or cannot now.
    fn away(&mut self, now: Now, at_least: Duration) {
        self.size.away();
        self.fail_and_wait(now, at_least);
    }

    fn fail_and_wait(&mut self, now: Now, at_least: Duration) {
        self.hunt.forget();
        let rest = if self.was_cut_short(now) { self.rest } else { Cause::Unreachable };
        self.failed(now, rest);
        self.wait(now, at_least);
    }

    /// Whether only the stop ended the call, by its deadline or by the share of it: that says nothing of the server.
    fn was_cut_short(&self, now: Now) -> bool {
        let is_shortened = self.stopping.is_asked() && now.tick < self.expires;
        self.stopping.is_overdue(now) || (is_shortened && self.connection.is_late(now))
    }

    fn failed(&mut self, now: Now, cause: Cause) {
        self.course.failed(now.tick);
        self.stopping.failed();
        self.rest = cause;
    }

    fn wait(&mut self, now: Now, at_least: Duration) {
        let pause = self.backoff.pause_of_at_least(at_least.min(LONGEST_PAUSE), self.random.next());
        self.pause = Some(Pause { until: self.stopping.pause(now, pause), is_asked_for: !at_least.is_zero() });
    }

    /// The first `count` items are lost for `cause`, or `unconfirmed` where they may have arrived. `alone`: the first was
    /// sent alone and failed.
    fn drop_front<S: Items>(&mut self, items: &mut S, mut count: usize, cause: Cause, alone: bool) {
        while count != 0 {
            let (alike, may_have_arrived) = self.marks.front(count, alone);
            items.settle(alike, alike, if may_have_arrived { Cause::Unconfirmed } else { cause });
            self.marks.advance(alike);
            count -= alike;
        }
    }

    /// Freezes an interval that has ended, as soon as nothing of an earlier one can have arrived.
    fn freeze<S: Items>(&mut self, now: Now, items: &mut S) {
        self.must_freeze |= now.tick >= self.next_interval();
        if self.must_freeze && self.due.freezes(!self.marks.are_clear()) {
            items.freeze(now);
            self.must_freeze = false;
            self.marks = Marks::default();
            self.hunt.items_change();
            self.due.frozen(now);
            self.due.look(now, items.len());
        }
    }

    /// When the next interval ends that is to be frozen; the last one ends with the stop.
    fn next_interval(&self) -> Tick {
        if self.must_freeze || self.stopping.is_asked() { Tick::NEVER } else { self.due.interval() }
    }

    fn begin_stop<S: Items>(&mut self, now: Now, items: &S) {
        self.must_freeze = self.due.has_intervals();
        self.backoff.reset();
        if let Some(pause) = &mut self.pause {
            let end = self.stopping.pause(now, pause.until.since(now.tick));
            pause.until = if pause.is_asked_for { end } else { now.tick };
        }
        self.connection.shorten(self.call(now, items));
    }

    fn is_done<S: Items>(&self, now: Now, items: &S) -> bool {
        let has_sent_all = items.is_empty() && !self.must_freeze;
        let gives_up = self.stopping.gives_up(self.connection.has_connected());
        self.stopping.is_asked() && (has_sent_all || gives_up || self.stopping.is_overdue(now))
    }
}

#[cfg(all(test, not(loom)))]
mod adapters;
#[cfg(all(test, not(loom)))]
mod interval_tests;
#[cfg(all(test, not(loom)))]
mod model;
#[cfg(all(test, not(loom)))]
mod rates;
#[cfg(all(test, not(loom)))]
mod rig;
#[cfg(all(test, not(loom)))]
mod tests;
