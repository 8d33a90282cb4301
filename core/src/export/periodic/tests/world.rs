//! A driver whose time is a number, between the machine and a receiver that a test decides about.

use super::std::vec;
use super::std::vec::Vec;
use core::time::Duration;

use super::points::{Point, Points, points};
use crate::Timestamp;
use crate::export::periodic::{BodyInput, ExportAction, ExportLimits, ExportMachine};
use crate::export::verdict::Said;
use crate::export::{Id, Now, Tick};
use crate::registry::drop_reason::DropReason;

/// What a receiver does after so much time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    /// The name has an address; the connection is there.
    Fine,
    /// The name has none; the connection is refused.
    Not,
    /// The answer to a body.
    Says(Said),
    /// The connection breaks: whether some of the body had gone out.
    Breaks { began: bool },
    /// Nothing, ever.
    Silent,
}

/// A body at the receiver.
pub(super) struct Arrival<'a> {
    pub(super) bytes: usize,
    pub(super) points: &'a [Point],
    /// The connection served a body before.
    pub(super) is_kept: bool,
}

pub(super) trait Receiver {
    fn resolve(&mut self, now: Tick) -> (Duration, Reply);
    fn connect(&mut self, now: Tick) -> (Duration, Reply);
    fn body(&mut self, now: Tick, arrival: Arrival<'_>) -> (Duration, Reply);
    /// Its answer to these points has come back.
    fn is_heard(&mut self, _: Said, _: &[Point]) {}
    /// Time has passed: what is recorded meanwhile.
    fn record(&mut self, _: Duration, _: &mut Points) {}
}

/// What went out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) at: Tick,
    pub(super) bytes: usize,
    pub(super) is_again: bool,
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Copy)]
enum Asked {
    Name,
    Address,
    Body,
}

pub(super) struct World<R> {
    pub(super) exports: ExportMachine<super::points::Place>,
    pub(super) source: Points,
    pub(super) receiver: R,
    pub(super) tick: Tick,
    /// All bodies, in order.
    pub(super) sent: Vec<Sent>,
    /// Buffers that were asked for.
    pub(super) rooms: Vec<usize>,
    /// What was asked, when the answer comes, and the answer.
    pending: Option<(Id, Asked, Tick, Reply)>,
    body: (Id, Vec<u8>),
    buffer: Vec<u8>,
    is_kept: bool,
    is_open: bool,
    series: usize,
    point: usize,
    polls: u32,
    pub(super) names_asked: u32,
    last_sent: u64,
    /// By how much the driver comes too late.
    pub(super) late: Duration,
    /// The longest buffer that it lends.
    pub(super) lends: usize,
    /// What is answered already.
    stale: Id,
}

impl<R: Receiver> World<R> {
    pub(super) fn new(limits: ExportLimits, seed: u64, receiver: R, (series, point): (usize, usize)) -> Self {
        Self {
            exports: ExportMachine::new(limits, seed, now(Tick::from_nanos(0))),
            source: Points::new(limits.is_delta, series, point),
            receiver,
            tick: Tick::from_nanos(0),
            sent: vec![],
            rooms: vec![],
            pending: None,
            body: (Id::default(), vec![]),
            buffer: vec![],
            is_kept: false,
            is_open: false,
            series,
            point,
            polls: 0,
            names_asked: 0,
            last_sent: 0,
            late: Duration::ZERO,
            lends: usize::MAX,
            stale: Id::default(),
        }
    }

    pub(super) fn stop(&mut self, left: Duration) {
        self.exports.handle(now(self.tick), BodyInput::Stop { deadline: self.tick.after(left) });
    }

    /// Does what the machine says until then; `Some` as soon as it is done.
    pub(super) fn run_until(&mut self, end: Tick) -> Option<DropReason> {
        loop {
            match self.poll() {
                ExportAction::Wait { until } => {
                    assert!(until > self.tick, "waits for a moment that is over");
                    let answer = self.pending.map_or(Tick::NEVER, |(_, _, at, _)| at);
                    let next = until.min(answer);
                    self.advance(next.after(self.late).min(end));
                    if next > end {
                        return None;
                    }
                    if answer <= self.tick {
                        self.answer();
                    }
                }
                ExportAction::Done { cause } => return Some(cause),
                action => self.action_of(action),
            }
        }
    }

    /// The same, for so long.
    pub(super) fn run(&mut self, time: Duration) -> Option<DropReason> {
        self.run_until(self.tick.after(time))
    }

    /// After a stop: the cause of the rest, which is dropped as a shell does it.
    pub(super) fn finish(&mut self) -> DropReason {
        let cause = self.run_until(Tick::from_nanos(u64::MAX - 1)).expect("a stop was asked for");
        let held = self.source.recorded() - self.source.settled();
        crate::export::periodic::ExportSource::ledger(&self.source).add_dropped(cause, held);
        self.check();
        cause
    }

    fn poll(&mut self) -> ExportAction {
        self.polls += 1;
        assert!(self.polls < 300, "polled without end at {:?}", self.tick);
        // News of what is over is none.
        self.exports.handle(now(self.tick), BodyInput::Answer { id: self.stale, said: Said::Stored });
        let mut none = [];
        let is_lent = !matches!(self.pending, Some((_, Asked::Body, ..)));
        let buffer = if is_lent { &mut self.buffer[..] } else { &mut none[..] };
        let action = self.exports.poll(now(self.tick), &mut self.source, buffer);
        self.check();
        action
    }

    /// The law.
    fn check(&mut self) {
        let sent = self.source.sent();
        assert!(sent >= self.last_sent, "what is sent falls");
        assert!(self.source.settled() <= self.source.recorded(), "more is settled than was recorded");
        self.last_sent = sent;
    }

    fn advance(&mut self, until: Tick) {
        if until > self.tick {
            self.polls = 0;
            self.receiver.record(until.since(self.tick), &mut self.source);
            self.tick = until;
        }
    }

    fn action_of(&mut self, action: ExportAction) {
        match action {
            ExportAction::GrowBuffer(bytes) => {
                self.rooms.push(bytes);
                self.buffer.resize(bytes.min(self.lends), 0);
            }
            ExportAction::Resolve { id } => {
                self.names_asked += 1;
                let reply = self.receiver.resolve(self.tick);
                self.ask(id, Asked::Name, reply);
            }
            ExportAction::Connect { id, .. } => {
                let reply = self.receiver.connect(self.tick);
                self.ask(id, Asked::Address, reply);
            }
            ExportAction::Send { id, range } => {
                self.body = (id, self.buffer[range].to_vec());
                self.send(id, false);
            }
            ExportAction::Again { id, of } => {
                assert_eq!(of, self.body.0, "the last one is kept");
                self.send(id, true);
            }
            ExportAction::Cancel { id } => {
                let (of, asked, _, reply) = self.pending.take().expect("something to cancel");
                assert_eq!(of, id);
                self.stale = id;
                let began = matches!(asked, Asked::Body) && !matches!(reply, Reply::Breaks { began: false });
                self.fail(id, began);
            }
            ExportAction::Wait { .. } | ExportAction::Done { .. } => unreachable!(),
        }
    }

    fn send(&mut self, id: Id, is_again: bool) {
        assert!(self.is_open, "a connection first");
        let points: Vec<_> = points(&self.body.1, self.series, self.point).collect();
        let bytes = self.body.1.len();
        let reply = self.receiver.body(self.tick, Arrival { bytes, points: &points, is_kept: self.is_kept });
        self.sent.push(Sent { at: self.tick, bytes, is_again, points });
        self.ask(id, Asked::Body, reply);
    }

    fn ask(&mut self, id: Id, asked: Asked, (after, reply): (Duration, Reply)) {
        assert!(self.pending.is_none(), "one thing at a time");
        let at = if matches!(reply, Reply::Silent) { Tick::NEVER } else { self.tick.after(after) };
        self.pending = Some((id, asked, at, reply));
    }

    fn answer(&mut self) {
        let Some((id, asked, _, reply)) = self.pending.take() else { return };
        let now = now(self.tick);
        self.stale = id;
        match (asked, reply) {
            (Asked::Name, Reply::Fine) => {
                self.exports.handle(now, BodyInput::Resolved { id, addresses: &[([192, 0, 2, 1], 4317).into()] });
            }
            (Asked::Name, _) => self.exports.handle(now, BodyInput::Resolved { id, addresses: &[] }),
            (Asked::Address, Reply::Fine) => {
                (self.is_open, self.is_kept) = (true, false);
                self.exports.handle(now, BodyInput::Connected { id });
            }
            (Asked::Body, Reply::Says(said)) => {
                self.receiver.is_heard(said, &self.sent[self.sent.len() - 1].points);
                self.is_kept = true;
                self.exports.handle(now, BodyInput::Answer { id, said });
            }
            (_, Reply::Breaks { began }) => self.fail(id, began),
            _ => self.fail(id, false),
        }
    }

    fn fail(&mut self, id: Id, began: bool) {
        let kept = core::mem::take(&mut self.is_kept);
        self.is_open = false;
        self.exports.handle(now(self.tick), BodyInput::Failed { id, began, kept });
    }
}

pub(super) fn now(tick: Tick) -> Now {
    // The wall clock began long before.
    Now { tick, wall: Timestamp::from_unix_nanos(1_000_000_000 + tick.as_nanos()) }
}
