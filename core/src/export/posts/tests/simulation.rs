//! A machine on a fake clock with a modelled server, for the tests.

extern crate std;

use std::vec::Vec;

use super::*;

pub(super) const MS: Duration = Duration::from_millis(1);
/// Milliseconds between two arrivals.
const PUMPED: u32 = 5;

/// What the server does with a request, after a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Says(Said),
    Breaks {
        began: bool,
    },
    /// It never answers.
    Never,
}

/// The other side.
pub(super) trait Server {
    /// How many addresses the name has.
    fn resolves(&mut self, _now: Tick) -> (Duration, usize) {
        (Duration::ZERO, 1)
    }

    /// Whether it takes a connection; none: it keeps silent.
    fn connects(&mut self, _now: Tick) -> (Duration, Option<bool>) {
        (Duration::ZERO, Some(true))
    }

    /// A body of these points. `kept`: over a connection that has served before.
    fn posts(&mut self, now: Tick, points: &[u32], body: &[u8], kept: bool) -> (Duration, Reply);
}

/// Items that the simulation looks into.
pub(super) trait Account: Items {
    /// So many more wait, if there is room.
    fn offer(&mut self, count: u32);
    fn sent(&self) -> u64;
    fn dropped(&self, cause: DropReason) -> u64;
    /// What was recorded and is neither sent, dropped nor waiting: nothing, always.
    fn missing(&self) -> i64;
    /// The points of a body.
    fn points(&self, body: &[u8]) -> Vec<u32>;
}

/// Points with consecutive numbers, as lines of equal length.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    pub(super) first: u32,
    pub(super) end: u32,
    pub(super) capacity: usize,
    pub(super) line: usize,
    /// Points with another length.
    pub(super) longer: Option<(u32, usize)>,
    pub(super) recorded: u64,
    pub(super) sent: u64,
    pub(super) dropped: [u64; DropReason::ALL.len()],
}

impl Numbers {
    pub(super) const fn new(capacity: usize, line: usize) -> Self {
        let dropped = [0; DropReason::ALL.len()];
        Self { first: 0, end: 0, capacity, line, longer: None, recorded: 0, sent: 0, dropped }
    }

    /// Lines of equal length, all at once: a build for tests is slow.
    fn pack_equal(&self, from: u32, most: usize, out: &mut [u8]) -> PackedItems {
        let stride = self.line + 1;
        let items = most.min((self.end - from) as usize).min((out.len() + 1) / stride);
        let bytes = (items * stride).saturating_sub(1);
        out[..bytes].fill(b'x');
        for item in 0..items {
            let start = item * stride;
            if item != 0 {
                out[start - 1] = b'\n';
            }
            out[start..start + 4].copy_from_slice(&number(from + item as u32));
        }
        PackedItems { bytes, items }
    }

    fn pack_each(&self, (at, longer): (u32, usize), from: u32, most: usize, out: &mut [u8]) -> PackedItems {
        let mut body = PackedItems::default();
        for item in (from..self.end).take(most) {
            let start = body.bytes + usize::from(body.items != 0);
            let end = start + if item == at { longer } else { self.line };
            let Some(room) = out.get_mut(start..end) else { break };
            room.fill(b'x');
            room[..4].copy_from_slice(&number(item));
            if start != 0 {
                out[start - 1] = b'\n';
            }
            body = PackedItems { bytes: end, items: body.items + 1 };
        }
        body
    }
}

/// Four bytes, none of which is a newline.
fn number(number: u32) -> [u8; 4] {
    [(number >> 21) as u8 | 0x80, (number >> 14) as u8 | 0x80, (number >> 7) as u8 | 0x80, number as u8 | 0x80]
}

/// A line of 29 bytes that holds two numbers.
pub(super) fn line_of(numbers: &[u32; 2]) -> [u8; 29] {
    let mut line = [b'x'; 29];
    line[..4].copy_from_slice(&number(numbers[0]));
    line[4..8].copy_from_slice(&number(numbers[1]));
    line
}

/// The number that is the first, or the second, of a line.
pub(super) fn number_at(line: &[u8], place: usize) -> u32 {
    line[4 * place..4 * place + 4].iter().fold(0, |number, part| number << 7 | u32::from(part & 0x7f))
}

fn read_number(line: &[u8]) -> u32 {
    number_at(line, 0)
}

impl Items for Numbers {
    fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    fn pack(&self, from: usize, most: usize, out: &mut [u8]) -> PackedItems {
        let from = self.first + from as u32;
        match self.longer {
            Some(longer) => self.pack_each(longer, from, most, out),
            None => self.pack_equal(from, most, out),
        }
    }

    fn settle(&mut self, items: usize, lost: usize, cause: DropReason) {
        assert!(items <= self.len() && lost <= items);
        self.first += items as u32;
        self.sent += (items - lost) as u64;
        self.dropped[cause as usize] += lost as u64;
    }
}

impl Account for Numbers {
    fn offer(&mut self, count: u32) {
        let taken = count.min((self.capacity - self.len()) as u32);
        self.recorded += u64::from(count);
        self.dropped[DropReason::BufferFull as usize] += u64::from(count - taken);
        self.end += taken;
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn dropped(&self, cause: DropReason) -> u64 {
        self.dropped[cause as usize]
    }

    fn missing(&self) -> i64 {
        (self.recorded - self.sent - self.dropped.iter().sum::<u64>()) as i64 - self.len() as i64
    }

    fn points(&self, body: &[u8]) -> Vec<u32> {
        match self.longer {
            Some(_) => body.split(|&byte| byte == b'\n').map(read_number).collect(),
            None => body.chunks(self.line + 1).map(read_number).collect(),
        }
    }
}

/// What was started and how it will end.
#[derive(Clone, Copy, Debug)]
struct Started {
    id: Id,
    at: Tick,
    ends: Ends,
}

#[derive(Clone, Copy, Debug)]
enum Ends {
    Resolved(usize),
    Connected,
    Answered(Said),
    Failed { began: bool },
}

/// What goes on at one time.
pub(super) struct Simulation<S, A> {
    pub(super) posts: PostMachine,
    pub(super) items: A,
    pub(super) server: S,
    pub(super) now: Tick,
    /// Points that are recorded in a millisecond.
    pub(super) rate: u32,
    next_arrival: Tick,
    out: Vec<u8>,
    started: Option<Started>,
    /// What was started last.
    last: Id,
    /// Requests over the connection so far.
    served: usize,
    pub(super) requests: usize,
    pub(super) bytes: usize,
    polls: (Tick, usize),
    wait: (Tick, usize),
    pub(super) done: Option<(Tick, DropReason)>,
}

impl<S: Server, A: Account> Simulation<S, A> {
    pub(super) fn new(limits: &PostLimits, items: A, server: S, seed: u64) -> Self {
        Self {
            posts: PostMachine::new(limits, seed),
            items,
            server,
            now: Tick::default(),
            rate: 0,
            next_arrival: Tick::default(),
            out: std::vec![0; limits.bytes],
            started: None,
            last: Id::default(),
            served: 0,
            requests: 0,
            bytes: 0,
            polls: (Tick::default(), 0),
            wait: (Tick::default(), 0),
            done: None,
        }
    }

    pub(super) fn stop(&mut self, within: Duration) {
        let deadline = self.now.after(within);
        self.tell(BodyInput::Stop { deadline });
    }

    fn tell(&mut self, input: BodyInput<'_>) {
        self.posts.handle(Now { tick: self.now, ..Now::default() }, input);
        self.wait = (self.now, 0);
    }

    /// Lets it run until then, or until it is done.
    pub(super) fn run(&mut self, until: Tick) {
        self.arrive();
        while self.done.is_none() && self.now < until {
            self.poll();
            let mut next = self.wait.0.min(until);
            if let Some(started) = self.started {
                next = next.min(started.at);
            }
            if self.rate != 0 {
                next = next.min(self.next_arrival);
            }
            self.now = self.now.max(next);
            self.arrive();
            self.end();
        }
    }

    fn arrive(&mut self) {
        while self.rate != 0 && self.next_arrival <= self.now {
            self.items.offer(self.rate * PUMPED);
            self.next_arrival = self.next_arrival.after(PUMPED * MS);
        }
        if self.items.len() >= self.wait.1 {
            self.wait = (self.now, 0);
        }
    }

    fn end(&mut self) {
        let Some(started) = self.started.take_if(|started| started.at <= self.now) else { return };
        let id = started.id;
        match started.ends {
            Ends::Resolved(count) => {
                let addresses: Vec<_> = (0..count as u8).map(|last| ([192, 0, 2, last], 8086).into()).collect();
                self.tell(BodyInput::Resolved { id, addresses: &addresses });
            }
            Ends::Connected => self.tell(BodyInput::Connected { id }),
            Ends::Answered(said) => {
                self.served += 1;
                self.tell(BodyInput::Answer { id, said });
            }
            Ends::Failed { began } => {
                let kept = self.served != 0;
                self.tell(BodyInput::Failed { id, began, kept });
            }
        }
    }

    fn poll(&mut self) {
        while self.done.is_none() && self.now >= self.wait.0 {
            self.polls = if self.polls.0 == self.now { (self.now, self.polls.1 + 1) } else { (self.now, 1) };
            assert!(self.polls.1 <= 40, "polled for ever at {:?}: {:?}", self.now, self.posts);
            let sent = self.items.sent();
            let now = Now { tick: self.now, wall: crate::Timestamp::from_unix_nanos(self.now.as_nanos()) };
            let is_in_flight = self.started.is_some();
            let out = if is_in_flight { &mut [][..] } else { &mut self.out[..] };
            let action = self.posts.poll(now, &mut self.items, out);
            assert!(self.items.sent() >= sent && self.items.missing() == 0, "the law at {:?}", self.now);
            self.act(action);
        }
    }

    fn act(&mut self, action: PostAction) {
        match action {
            PostAction::Resolve { id } => {
                let (latency, count) = self.server.resolves(self.now);
                self.start(id, latency, Ends::Resolved(count));
            }
            PostAction::Connect { id, .. } => {
                self.served = 0;
                match self.server.connects(self.now) {
                    (latency, Some(true)) => self.start(id, latency, Ends::Connected),
                    (latency, Some(false)) => self.start(id, latency, Ends::Failed { began: false }),
                    (_, None) => self.start(id, Duration::MAX, Ends::Failed { began: false }),
                }
            }
            PostAction::Send { id, range } => {
                let body = &self.out[range.clone()];
                let points = self.items.points(body);
                self.requests += 1;
                self.bytes += range.len();
                match self.server.posts(self.now, &points, body, self.served != 0) {
                    (latency, Reply::Says(said)) => self.start(id, latency, Ends::Answered(said)),
                    (latency, Reply::Breaks { began }) => self.start(id, latency, Ends::Failed { began }),
                    (_, Reply::Never) => self.start(id, Duration::MAX, Ends::Failed { began: true }),
                }
            }
            PostAction::Cancel { id } => {
                let started = self.started.take().expect("only what was started is cancelled");
                assert_eq!(started.id, id);
                let began = matches!(started.ends, Ends::Failed { began: true } | Ends::Answered(_));
                let kept = self.served != 0;
                self.tell(BodyInput::Failed { id, began, kept });
            }
            PostAction::Wait { until, events } => {
                assert!(until > self.now, "waits for {until:?} at {:?}", self.now);
                self.wait = (until, events);
            }
            PostAction::Done { cause } => {
                assert!(self.items.is_empty());
                self.done = Some((self.now, cause));
            }
        }
    }

    fn start(&mut self, id: Id, latency: Duration, ends: Ends) {
        assert!(self.started.is_none(), "one thing at a time");
        // What is told twice, or too late, is ignored.
        let late = core::mem::replace(&mut self.last, id);
        for input in [
            BodyInput::Answer { id: late, said: Said::Refused },
            BodyInput::Failed { id: late, began: true, kept: true },
            BodyInput::Connected { id: late },
            BodyInput::Resolved { id: late, addresses: &[] },
        ] {
            self.posts.handle(Now { tick: self.now, ..Now::default() }, input);
        }
        self.started = Some(Started { id, at: self.now.after(latency), ends });
    }
}
