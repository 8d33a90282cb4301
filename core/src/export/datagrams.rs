//! The machine of the exporters that send datagrams: InfluxDB over UDP, and DogStatsD over UDP and Unix sockets.
//!
//! A driver has the sockets and the time. It asks [`DatagramMachine::poll`] what to do, does that one thing, tells
//! [`DatagramMachine::handle`] what came of it, and asks again. When it is told to wait, it waits for what [`Wait`] names and
//! for the answers to what it has started, whichever comes first.
//!
//! | the machine says | the driver | and tells |
//! |---|---|---|
//! | `Resolve` | starts to ask the name | `Resolved`, without an address where there is none |
//! | `Connect` | starts to make that socket, in place of the earlier one of that number | `Connected` or `Failed` |
//! | `Send` | tries once, without waiting | `Sent` or `Failed` |
//! | `Look` | reads the socket's error (SO_ERROR) | `Looked`, refused where there was one; `Failed` where it has a part of a packet |
//! | `Close` | drops the socket | nothing |
//! | `Wait` | waits | `Writable` for a socket that is, a stop that was asked for, or nothing |
//! | `Done` | ends | nothing |
//!
//! A Unix socket tells of no refusal: what it took is in the receiver's buffer. Over a stream, a packet goes out with its
//! length before it, and may be written in several steps, of which the driver keeps track. Once the first byte of a packet
//! was written, the packet is `Sent`. The next `Send`, and a `Look`, first write its remaining bytes. Where that is not
//! possible now, they are `Failed` with the fault, and nothing of the new packet was taken. `Close` keeps the packet, which
//! goes out whole over the next connection: a receiver takes whole packets only. Where that is a socket of datagrams which
//! never takes it, the driver forgets it, and the fault is `TooLargeBefore`.
//!
//! "Sent" means that the kernel took a datagram, and that the receiver's host did not refuse it as far as is known. A socket
//! tells of a refusal on the next call, or when it is looked at. Until then, the requests of the last call are held. Over the
//! loopback interface this is exact. Elsewhere too much counts as sent, since systems limit such refusals to about one a
//! second.

use heapless::Vec;

use super::{Attempts, Backoff, Fault, Id, Ids, Now, Random, ResolvedName, Stopping, Tick};
use crate::events::segments::Call;
use crate::registry::drop_reason::DropReason;

mod action;
mod aggregates;
mod answers;
mod burst;
mod connecting;
mod datagram_size;
mod events;
mod input;
mod instruments;
mod intervals;
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
pub use events::{EventDatagrams, EventPacking, WINDOW_BYTES};
pub use input::DatagramInput;
pub use instruments::InstrumentMessages;
pub use intervals::{IntervalDatagrams, IntervalPacking};
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
    /// The socket that is used next; where a message was begun, the one that goes on with it.
    turn: usize,
    /// Whether something was sent through it since its turn began.
    is_begun: bool,
    /// The operation that is not answered yet.
    operation: Option<(Id, SocketOperation)>,
    outcome: Option<(SocketOperation, SocketOutcome)>,
    burst: Burst,
    /// When the next burst may begin.
    next_burst: Tick,
    /// Datagrams since other tasks had their turn.
    since_turn: usize,
    /// Whether the source has something to send.
    has_something: bool,
    /// When there is something to do besides sending.
    due: Tick,
    stop: Stopping,
    /// Whether a call was ever taken and not refused.
    has_reached: bool,
    attempts: Attempts,
    traffic: Traffic,
    done: Option<DropReason>,
}

/// An operation that a driver answers at once.
#[derive(Clone, Copy, Debug)]
enum SocketOperation {
    Send { socket: usize, call: Call },
    Look { socket: usize },
}

/// What came of an operation.
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
            has_something: false,
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

    /// The most bytes of a datagram of several items that the sockets have shown to take, where that is below what was
    /// configured.
    #[must_use]
    pub fn learned_bytes(&self) -> Option<usize> {
        self.sockets.iter().filter_map(|socket| socket.limit.learned()).min()
    }

    /// Notes what has happened. An answer to something that was not asked is ignored.
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

    /// Settles what has happened and says what to do next. What is to be sent is in `buffer` then. Its length must be that of
    /// the largest datagram at least, and where several leave in one call, that of the largest call.
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
            socket.end_pauses(now, &self.stop);
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
