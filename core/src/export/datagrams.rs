//! The machine of the exporters that send datagrams: InfluxDB over UDP, and DogStatsD over UDP and Unix sockets.
//!
//! A driver has the sockets and the time. It asks [`DatagramMachine::poll`] what to do, does that one thing, tells
//! [`DatagramMachine::handle`] what came of it, and asks again; when it is told to wait, it waits for whichever comes first of
//! what [`Wait`] names and the answers to what it has started.
//!
//! | it is told | it does | and says |
//! |---|---|---|
//! | `Resolve` | starts to ask the name | `Resolved`, without an address where there is none |
//! | `Connect` | starts to make that socket | `Connected` or `Failed`; it replaces the former socket of that number |
//! | `Send` | tries once, without waiting | `Sent` or `Failed` |
//! | `Look` | reads the socket's error (SO_ERROR) | `Looked`, refused where there was one; `Failed` where it has a part of a packet |
//! | `Close` | drops the socket | nothing |
//! | `Wait` | waits | `Writable` for a socket that is, a stop that was asked for, or nothing |
//! | `Done` | ends | nothing |
//!
//! A Unix socket has no error to tell: what it took lies with the receiver, and a look finds no refusal. Of a stream the
//! driver keeps a packet that was begun, with its length before it. Once the first byte was written, the packet
//! is `Sent`. The next `Send`, and a `Look`, write the rest first; where that is not possible now they are `Failed` with
//! the fault, and nothing of the new packet was taken. `Close` keeps the packet, which goes out whole on the next
//! connection: a receiver takes none that is not whole.
//!
//! "Sent" means handed to the kernel, and not refused by the receiver's host as far as that tells: a socket tells of a
//! refusal on the next call, or when it is looked at. Until then, what was in the last call is held. That is exact over
//! the loopback interface; elsewhere it claims too much, since systems limit such answers to about one a second.

use heapless::Vec;

use super::{Attempts, Backoff, Fault, Id, Ids, Now, Random, ResolvedName, Stopping, Tick};
use crate::events::segments::Call;
use crate::registry::ledger::Cause;

mod action;
mod aggregates;
mod answers;
mod burst;
mod connecting;
mod datagram_size;
mod input;
mod intervals;
mod requests;
mod route;
mod sending;
mod socket;
mod source;
mod statsd_messages;
#[cfg(all(test, not(loom)))]
mod tests;
mod traffic;

pub use action::{DatagramAction, Wait};
pub use aggregates::{AggregateDatagrams, AggregatePacking};
pub use burst::Burst;
pub use input::DatagramInput;
pub use intervals::{IntervalDatagrams, IntervalPacking};
pub use requests::{RequestDatagrams, RequestPacking, WINDOW_BYTES};
pub use route::{DatagramRoute, DatagramTarget, MOST_SOCKETS};
pub use source::{CallLimits, DatagramSource, Ready};
pub use statsd_messages::StatsdMessages;
pub use traffic::Traffic;

use socket::Socket;

/// The machine. Sources, buffers and sockets are the caller's.
#[derive(Debug)]
pub struct DatagramMachine {
    sockets: Vec<Socket, MOST_SOCKETS>,
    /// `None`: a Unix socket.
    name: Option<ResolvedName>,
    name_backoff: Backoff,
    at_once: bool,
    ids: Ids,
    random: Random,
    /// The socket that is used next, or still, where something is begun.
    turn: usize,
    /// Whether something was sent through it since it has its turn.
    is_begun: bool,
    /// What is done at once, and not yet answered.
    operation: Option<(Id, SocketOperation)>,
    outcome: Option<(SocketOperation, SocketOutcome)>,
    burst: Burst,
    /// When the next burst may begin.
    next_burst: Tick,
    /// Datagrams since others had their turn.
    since_turn: usize,
    /// Whether something is to be sent.
    wants: bool,
    /// When there is something to do besides sending.
    due: Tick,
    stop: Stopping,
    /// Whether a call was ever taken and not refused.
    has_reached: bool,
    attempts: Attempts,
    traffic: Traffic,
    done: Option<Cause>,
}

/// What is done at once.
#[derive(Clone, Copy, Debug)]
enum SocketOperation {
    Send { socket: usize, call: Call },
    Look { socket: usize },
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
enum SocketOutcome {
    Sent { datagrams: usize, offload: bool },
    Failed(Fault),
    Looked { refused: bool },
}

impl DatagramMachine {
    /// A machine that has done nothing yet. `seed` is any number, another one for each machine.
    #[must_use]
    pub fn new(route: DatagramRoute, seed: u64) -> Self {
        let sockets = route.sockets.clamp(1, MOST_SOCKETS);
        Self {
            sockets: (0..sockets).map(|_| Socket::CLOSED).collect(),
            name: match route.to {
                DatagramTarget::Name { every } => Some(ResolvedName::new(every)),
                DatagramTarget::UnixSocket => None,
            },
            name_backoff: Backoff::NAME,
            at_once: route.at_once,
            ids: Ids::default(),
            random: Random::new(seed),
            turn: 0,
            is_begun: false,
            operation: None,
            outcome: None,
            burst: Burst::default(),
            next_burst: NOW,
            since_turn: 0,
            wants: false,
            due: NOW,
            stop: Stopping::NOT_ASKED,
            has_reached: false,
            attempts: Attempts::NONE,
            traffic: Traffic::default(),
            done: None,
        }
    }

    /// What the attempts so far have shown.
    #[must_use]
    pub const fn attempts(&self) -> Attempts {
        self.attempts
    }

    /// What it has sent.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Most bytes of a datagram of several items, where a socket has shown that less is borne than was configured.
    #[must_use]
    pub fn learned_bytes(&self) -> Option<usize> {
        self.sockets.iter().filter_map(|socket| socket.limit.learned()).min()
    }

    /// Notes what has happened. What answers nothing that was asked is ignored.
    pub fn handle(&mut self, now: Now, input: DatagramInput<'_>) {
        match input {
            DatagramInput::Resolved { id, addresses } => self.resolved(now, id, addresses),
            DatagramInput::Connected { id } => self.connected(id),
            DatagramInput::Sent { id, datagrams, offload } => self.note(id, SocketOutcome::Sent { datagrams, offload }),
            DatagramInput::Failed { id, fault } => self.failed(now, id, fault),
            DatagramInput::Looked { id, refused } => self.note(id, SocketOutcome::Looked { refused }),
            DatagramInput::Writable { socket } => {
                if let Some(socket) = self.sockets.get_mut(socket) {
                    socket.is_blocked = false;
                    self.due = NOW;
                }
            }
            DatagramInput::Stop { deadline } => self.stop(now, deadline),
        }
    }

    /// Settles what has happened and says what to do next. What is to be sent stands in `buffer` then, whose length must
    /// be that of the largest datagram at least, and of a call where several leave in one.
    pub fn poll<S: DatagramSource>(&mut self, now: Now, source: &mut S, buffer: &mut [u8]) -> DatagramAction {
        if let Some((operation, outcome)) = self.outcome.take() {
            self.answered(now, source, operation, outcome);
        }
        if let Some(cause) = self.done {
            return DatagramAction::Done { cause };
        }
        if self.operation.is_some() {
            return self.wait(now, Tick::NEVER, usize::MAX);
        }
        if self.stop.is_overdue(now) || self.stop.gives_up(self.has_reached) {
            return self.end(source);
        }
        if let Some(action) = self.maintain(now) {
            return action;
        }
        self.send(now, source, buffer)
    }

    fn note(&mut self, id: Id, outcome: SocketOutcome) {
        if let Some((_, operation)) = self.operation.take_if(|(asked, _)| *asked == id) {
            self.outcome = Some((operation, outcome));
        }
    }

    fn stop(&mut self, now: Now, deadline: Tick) {
        self.due = NOW;
        if !self.stop.ask(deadline) {
            return;
        }
        self.name_backoff.reset();
        for socket in &mut self.sockets {
            socket.hurry(now, &self.stop);
        }
        if let Some(name) = &mut self.name {
            name.ask_again(now.tick);
        }
    }

    fn wait(&mut self, now: Now, until: Tick, events: usize) -> DatagramAction {
        self.since_turn = 0;
        let writable = self.sockets.iter().rev().fold(0, |bits, socket| bits << 1 | u16::from(socket.is_blocked));
        let due = self.next_due(now);
        self.due = self.due.min(due);
        DatagramAction::Wait(Wait { until: until.min(due).min(self.stop.deadline()), events, writable })
    }
}

/// A moment that has passed.
const NOW: Tick = Tick::from_nanos(0);
