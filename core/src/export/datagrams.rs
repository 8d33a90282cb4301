//! The machine of the exporters that send datagrams: InfluxDB over UDP, and DogStatsD over UDP and Unix sockets.
//!
//! A driver has the sockets and the time. It asks [`Datagrams::poll`] what to do, does that one thing, tells
//! [`Datagrams::handle`] what came of it, and asks again; when it is told to wait, it waits for whichever comes first of
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

use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;

use heapless::Vec;

use super::{Course, Fault, Following, Health, Id, Ids, Now, Random, Stopping, Tick};
use crate::events::segments::Call;
use crate::registry::ledger::Cause;

mod aggregated;
mod beside;
mod burst;
mod limit;
#[cfg(all(test, not(loom)))]
mod model;
mod periodic;
mod requests;
mod socket;
mod source;
#[cfg(all(test, not(loom)))]
mod tests;

pub use aggregated::{Aggregated, Aggregating};
pub use beside::StatsdMessages;
pub use burst::Burst;
pub use periodic::{Periodic, Rounds};
pub use requests::{Packing, Requests, WINDOW_BYTES};
pub use source::{Ready, Room, Source};

use socket::{Link, Socket};

/// Most sockets of an exporter.
pub const MOST_SOCKETS: usize = 16;

/// After so many datagrams the other tasks of the thread get their turn: the pump above all.
const TURN: usize = 64;
/// Pauses while a name has no address: the first and the longest.
const UNRESOLVED: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What has happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The name has these addresses; none where it has none, or nobody could be asked.
    Resolved {
        /// The question.
        id: Id,
        /// Its addresses, in any order.
        addresses: &'a [SocketAddr],
    },
    /// A socket was made.
    Connected {
        /// The attempt.
        id: Id,
    },
    /// The kernel has taken datagrams.
    Sent {
        /// The call.
        id: Id,
        /// How many, from the front, 1 or more.
        datagrams: usize,
        /// Whether it took as many in one call as there were; `false`: it takes one at a time.
        offload: bool,
    },
    /// A socket was not made; or datagrams were not taken, none of them; or a look cannot tell.
    Failed {
        /// The attempt or the call.
        id: Id,
        /// Why.
        fault: Fault,
    },
    /// A socket was looked at.
    Looked {
        /// The look.
        id: Id,
        /// Whether it had an error, which is of an earlier call.
        refused: bool,
    },
    /// A socket that was full takes more.
    Writable {
        /// Its number.
        socket: usize,
    },
    /// A stop is asked for: nothing comes any more. Of several the nearest deadline counts.
    Stop {
        /// When it must be done.
        deadline: Tick,
    },
}

/// What a driver does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start to ask the name.
    Resolve {
        /// The question.
        id: Id,
    },
    /// Start to make a socket.
    Connect {
        /// The attempt.
        id: Id,
        /// Its number, below the number of sockets.
        socket: usize,
        /// What it is connected to; `None`: the Unix socket, whose path the driver knows.
        address: Option<SocketAddr>,
    },
    /// Hand datagrams to a socket.
    Send {
        /// The call.
        id: Id,
        /// The socket's number.
        socket: usize,
        /// Where they stand in the buffer, one after another.
        range: Range<usize>,
        /// Bytes of each but the last, which may be shorter.
        segment: usize,
        /// How many they are, at most [`SEGMENTS`](crate::SEGMENTS).
        count: usize,
    },
    /// Look what a socket has to tell of earlier calls.
    Look {
        /// The look.
        id: Id,
        /// The socket's number.
        socket: usize,
    },
    /// Drop a socket.
    Close {
        /// Its number.
        socket: usize,
    },
    /// Wait.
    Wait(Wait),
    /// Everything that was lent is settled; nothing follows.
    Done {
        /// Why whatever else there is was not sent.
        rest: Cause,
    },
}

/// What to wait for: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// A moment. One that has passed: let others have their turn, then ask again.
    pub until: Tick,
    /// So many requests in the sink; [`usize::MAX`]: however many come, they are no reason.
    pub events: usize,
    /// Sockets that become writable, a bit for each, that of socket 0 the lowest.
    pub writable: u16,
}

/// Where datagrams go, and how.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Over how many sockets, in turns, 1 to [`MOST_SOCKETS`].
    pub sockets: usize,
    /// To what.
    pub to: To,
    /// Whether the first socket is made at once, so that what is wrong is seen before anything is to be sent.
    pub at_once: bool,
}

/// What datagrams go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// A name, or an address in text form, over UDP. It is asked once and then `every` so often; `None`: never again once
    /// it has an address.
    Name {
        /// How often it is asked.
        every: Option<Duration>,
    },
    /// A Unix socket.
    Path,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams that were handed over, and their bytes.
    pub sent: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Datagrams that were too large.
    pub dropped: u64,
    /// Bytes of those.
    pub dropped_bytes: u64,
    /// Refusals that sockets have told of.
    pub refusals: u64,
    /// Sockets that were made in place of an earlier one.
    pub reconnects: u64,
}

/// The machine. Sources, buffers and sockets are the caller's.
#[derive(Debug)]
pub struct Datagrams {
    sockets: Vec<Socket, MOST_SOCKETS>,
    /// `None`: a Unix socket.
    following: Option<Following>,
    unresolved: super::Backoff,
    at_once: bool,
    ids: Ids,
    random: Random,
    /// The socket that is used next, or still, where something is begun.
    turn: usize,
    /// Whether something was sent through it since it has its turn.
    is_begun: bool,
    /// What is done at once, and not yet answered.
    asked: Option<(Id, Asked)>,
    news: Option<(Asked, News)>,
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
    course: Course,
    traffic: Traffic,
    done: Option<Cause>,
}

/// What is done at once.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Send { socket: usize, call: Call },
    Look { socket: usize },
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
enum News {
    Sent { datagrams: usize, offload: bool },
    Failed(Fault),
    Looked { refused: bool },
}

impl Datagrams {
    /// A machine that has done nothing yet. `seed` is any number, another one for each machine.
    #[must_use]
    pub fn new(route: Route, seed: u64) -> Self {
        let sockets = route.sockets.clamp(1, MOST_SOCKETS);
        Self {
            sockets: (0..sockets).map(|_| Socket::CLOSED).collect(),
            following: match route.to {
                To::Name { every } => Some(Following::new(every)),
                To::Path => None,
            },
            unresolved: super::Backoff::new(UNRESOLVED.0, UNRESOLVED.1),
            at_once: route.at_once,
            ids: Ids::default(),
            random: Random::new(seed),
            turn: 0,
            is_begun: false,
            asked: None,
            news: None,
            burst: Burst::default(),
            next_burst: NOW,
            since_turn: 0,
            wants: false,
            due: NOW,
            stop: Stopping::NOT_ASKED,
            has_reached: false,
            course: Course::NEW,
            traffic: Traffic::default(),
            done: None,
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
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Resolved { id, addresses } => self.resolved(now, id, addresses),
            Input::Connected { id } => self.connected(id),
            Input::Sent { id, datagrams, offload } => self.answered(id, News::Sent { datagrams, offload }),
            Input::Failed { id, fault } => self.failed(now, id, fault),
            Input::Looked { id, refused } => self.answered(id, News::Looked { refused }),
            Input::Writable { socket } => {
                if let Some(socket) = self.sockets.get_mut(socket) {
                    socket.is_blocked = false;
                    self.due = NOW;
                }
            }
            Input::Stop { deadline } => self.stop(now, deadline),
        }
    }

    /// Settles what has happened and says what to do next. What is to be sent stands in `buffer` then, whose length must
    /// be that of the largest datagram at least, and of a call where several leave in one.
    pub fn poll<S: Source>(&mut self, now: Now, source: &mut S, buffer: &mut [u8]) -> Action {
        if let Some((asked, news)) = self.news.take() {
            self.settle(now, source, asked, news);
        }
        if let Some(rest) = self.done {
            return Action::Done { rest };
        }
        if self.asked.is_some() {
            return self.wait(now, Tick::NEVER, usize::MAX);
        }
        if self.stop.is_overdue(now) || self.stop.gives_up(self.has_reached) {
            return self.end(source);
        }
        if let Some(action) = self.tend(now) {
            return action;
        }
        self.send(now, source, buffer)
    }

    fn answered(&mut self, id: Id, news: News) {
        if let Some((_, asked)) = self.asked.take_if(|(asked, _)| *asked == id) {
            self.news = Some((asked, news));
        }
    }

    fn resolved(&mut self, now: Now, id: Id, addresses: &[SocketAddr]) {
        let Some(following) = self.following.as_mut().filter(|following| following.is_asked(id)) else { return };
        self.due = NOW;
        let has_moved = following.answered(now.tick, addresses);
        if following.address().is_none() {
            let pause = self.unresolved.pause(self.random.next());
            following.ask_again(self.stop.pause(now, pause));
            self.has_failed(now);
        } else if has_moved {
            self.unresolved.reset();
            for socket in &mut self.sockets {
                socket.close();
                socket.pause = now.tick;
            }
        }
    }

    fn connected(&mut self, id: Id) {
        let address = self.following.as_ref().and_then(Following::address);
        let Some((socket, to)) = self.sockets.iter_mut().find_map(|socket| match socket.link {
            Link::Connecting { id: of, address } if of == id => Some((socket, address)),
            _ => None,
        }) else {
            return;
        };
        self.due = NOW;
        self.traffic.reconnects += u64::from(socket.has_been_open);
        socket.open();
        if to != address {
            // The name has moved meanwhile.
            socket.close();
        }
        if let Some(following) = &mut self.following {
            following.connected();
        }
    }

    fn failed(&mut self, now: Now, id: Id, fault: Fault) {
        let address_of = |(number, socket): (usize, &Socket)| match socket.link {
            Link::Connecting { id: of, address } if of == id => Some((number, address)),
            _ => None,
        };
        match self.sockets.iter().enumerate().find_map(address_of) {
            Some((socket, address)) => self.not_connected(now, socket, address),
            None => self.answered(id, News::Failed(fault)),
        }
    }

    /// Of several addresses the next one is tried at once, where no socket has one yet.
    fn not_connected(&mut self, now: Now, socket: usize, address: Option<SocketAddr>) {
        let is_used = self.sockets.iter().any(|socket| socket.link == Link::Open);
        self.sockets[socket].link = Link::Closed;
        self.due = NOW;
        let goes_on = match &mut self.following {
            Some(following) if !is_used => following.address() != address || following.pass_over(),
            _ => false,
        };
        if !goes_on {
            self.away(now, socket);
        }
    }

    fn stop(&mut self, now: Now, deadline: Tick) {
        self.due = NOW;
        if !self.stop.ask(deadline) {
            return;
        }
        self.unresolved.reset();
        for socket in &mut self.sockets {
            socket.hurry(now, &self.stop);
        }
        if let Some(following) = &mut self.following {
            following.ask_again(now.tick);
        }
    }

    fn settle<S: Source>(&mut self, now: Now, source: &mut S, asked: Asked, news: News) {
        match (asked, news) {
            (Asked::Send { socket, call }, News::Sent { datagrams, offload }) => {
                let datagrams = datagrams.clamp(1, call.datagrams);
                self.sockets[socket].is_offloaded &= offload || call.datagrams == 1;
                self.taken(now, source, socket, call, datagrams);
            }
            (Asked::Send { socket, call }, News::Failed(fault)) => self.not_taken(now, source, socket, call, fault),
            (Asked::Send { .. }, News::Looked { .. }) | (Asked::Look { .. }, News::Sent { .. }) => {}
            (Asked::Look { socket }, News::Looked { refused: true }) => self.refused(now, source, socket),
            (Asked::Look { socket }, News::Looked { refused: false }) => {
                self.sockets[socket].is_refused = false;
                self.arrived(source, socket);
            }
            (Asked::Look { socket }, News::Failed(fault)) => {
                self.sockets[socket].look_again(now, &self.stop);
                match fault {
                    Fault::WouldBlock => self.sockets[socket].is_blocked = true,
                    _ => self.away(now, socket),
                }
            }
        }
    }

    fn taken<S: Source>(&mut self, now: Now, source: &mut S, socket: usize, call: Call, datagrams: usize) {
        self.arrived(source, socket);
        let held = source.taken(datagrams);
        self.due = self.due.min(self.sockets[socket].taken(now, &self.stop, held));
        let bytes = call.bytes.min(datagrams * call.segment);
        self.traffic.sent += datagrams as u64;
        self.traffic.bytes += bytes as u64;
        self.leave(now, source, datagrams, bytes);
    }

    /// So much has left, or is lost.
    fn leave<S: Source>(&mut self, now: Now, source: &S, datagrams: usize, bytes: usize) {
        self.burst.take(datagrams, bytes);
        self.since_turn += datagrams;
        if self.burst.is_spent() {
            self.next_burst = now.tick.after(burst::TICK);
        }
        self.is_begun = true;
        self.pass_turn(source);
    }

    /// Where what was begun is at its end, another socket is next.
    fn pass_turn<S: Source>(&mut self, source: &S) {
        if self.is_begun && source.is_between() {
            self.is_begun = false;
            self.turn = (self.turn + 1) % self.sockets.len();
        }
    }

    /// What the last call on that socket handed over was not refused.
    fn arrived<S: Source>(&mut self, source: &mut S, socket: usize) {
        let Some(call) = self.sockets[socket].call.take() else { return };
        source.arrived(call.held, socket == self.turn);
        self.has_reached = true;
        // One that is to be closed has failed since.
        if self.sockets[socket].link == Link::Open {
            self.sockets[socket].went_well();
            self.course.went_well();
        }
    }

    fn not_taken<S: Source>(&mut self, now: Now, source: &mut S, socket: usize, call: Call, fault: Fault) {
        self.due = NOW;
        match fault {
            Fault::WouldBlock => self.sockets[socket].is_blocked = true,
            Fault::NoBuffers => self.sockets[socket].wait_for_buffers(now, &self.stop),
            Fault::TooLarge => self.too_large(now, source, socket, call),
            Fault::NoOffload if call.datagrams > 1 => self.sockets[socket].is_offloaded = false,
            Fault::NoOffload | Fault::Away => {
                self.sockets[socket].fails_with_several = call.datagrams > 1;
                self.away(now, socket);
            }
            Fault::RefusedBefore => self.refused(now, source, socket),
        }
    }

    /// Smaller ones from now on; but what cannot be made smaller was tried once.
    fn too_large<S: Source>(&mut self, now: Now, source: &mut S, socket: usize, call: Call) {
        let is_alone = call.datagrams == 1 && source.is_single();
        let most = if is_alone { call.segment - 1 } else { call.segment / 2 };
        self.sockets[socket].limit.exceeded(now.tick, most);
        if is_alone {
            let held = source.is_too_large();
            if let Some(call) = &mut self.sockets[socket].call {
                call.held += held;
            }
            self.traffic.dropped += 1;
            self.traffic.dropped_bytes += call.bytes as u64;
            self.leave(now, source, 1, call.bytes);
        }
    }

    /// The last call on that socket was refused, or an earlier one of which nothing was known any more.
    fn refused<S: Source>(&mut self, now: Now, source: &mut S, socket: usize) {
        self.traffic.refusals += 1;
        if let Some(call) = self.sockets[socket].call.take() {
            source.refused(call.held, socket == self.turn);
        }
        self.sockets[socket].is_refused = true;
        self.back_off(now, socket);
    }

    /// The socket leads nowhere.
    fn away(&mut self, now: Now, socket: usize) {
        self.sockets[socket].close();
        self.back_off(now, socket);
    }

    fn back_off(&mut self, now: Now, socket: usize) {
        self.due = NOW;
        self.has_failed(now);
        self.sockets[socket].back_off(now, &self.stop, self.random.next());
        if let Some(following) = &mut self.following {
            following.doubt();
        }
    }

    fn has_failed(&mut self, now: Now) {
        self.course.failed(now.tick);
        self.stop.failed();
    }

    /// What there is to do besides sending.
    fn tend(&mut self, now: Now) -> Option<Action> {
        if now.tick < self.due {
            return None;
        }
        if let Some(following) = self.following.as_mut().filter(|following| following.due() <= now.tick) {
            let id = self.ids.next();
            following.ask(id);
            return Some(Action::Resolve { id });
        }
        let action = (0..self.sockets.len()).find_map(|socket| self.tend_socket(now, socket));
        if action.is_none() {
            self.due = self.next_due(now);
        }
        action
    }

    fn tend_socket(&mut self, now: Now, number: usize) -> Option<Action> {
        if self.sockets[number].due(now, self.opens(number)) > now.tick {
            return None;
        }
        let socket = &mut self.sockets[number];
        match socket.link {
            Link::Closed => {
                let (id, address) = (self.ids.next(), self.following.as_ref().and_then(Following::address));
                socket.link = Link::Connecting { id, address };
                Some(Action::Connect { id, socket: number, address })
            }
            Link::Closing if socket.call.is_none_or(|call| call.was_looked_at) => {
                socket.link = Link::Closed;
                Some(Action::Close { socket: number })
            }
            Link::Closing | Link::Open => Some(self.look(number)),
            Link::Connecting { .. } => None,
        }
    }

    /// Whether this socket is to be made, and has somewhere to go.
    fn opens(&self, socket: usize) -> bool {
        let Socket { call, has_been_open, .. } = &self.sockets[socket];
        let is_wanted = self.wants || call.is_some() || (self.at_once && socket == 0 && !has_been_open);
        is_wanted && self.following.as_ref().is_none_or(|following| following.address().is_some())
    }

    fn look(&mut self, socket: usize) -> Action {
        let id = self.ids.next();
        self.asked = Some((id, Asked::Look { socket }));
        Action::Look { id, socket }
    }

    fn next_due(&self, now: Now) -> Tick {
        let of_sockets = (0..self.sockets.len()).map(|socket| self.sockets[socket].due(now, self.opens(socket)));
        let of_name = self.following.iter().map(Following::due);
        of_sockets.chain(of_name).min().unwrap_or(Tick::NEVER)
    }

    /// The next call, where there is one and a socket for it.
    fn send<S: Source>(&mut self, now: Now, source: &mut S, buffer: &mut [u8]) -> Action {
        if self.burst.is_spent() {
            match source.ready(now, self.stop.is_asked()) {
                Ready::Waits { until, events } => return self.rest(now, source, until, events),
                Ready::Unsettled => return self.look_at_calls(now),
                Ready::Burst(_) if now.tick < self.next_burst => {
                    return self.wait(now, self.next_burst, usize::MAX);
                }
                Ready::Burst(burst) => self.burst = burst,
            }
        }
        if !self.wants {
            (self.wants, self.due) = (true, NOW);
            if let Some(action) = self.tend(now) {
                return action;
            }
        }
        self.pass_turn(source);
        let Some(number) = self.usable(now, source) else { return self.wait_for_a_socket(now) };
        self.turn = number;
        if self.since_turn >= TURN {
            return self.wait(now, now.tick, usize::MAX);
        }
        let room = self.room(now);
        let Some(call) = source.pack(now, room, buffer) else {
            self.burst = Burst::default();
            self.next_burst = now.tick.after(burst::TICK);
            return self.send(now, source, buffer);
        };
        let id = self.ids.next();
        self.asked = Some((id, Asked::Send { socket: number, call }));
        Action::Send { id, socket: number, range: 0..call.bytes, segment: call.segment, count: call.datagrams }
    }

    /// What a call on the socket whose turn it is may hold.
    fn room(&mut self, now: Now) -> Room {
        let Burst { datagrams, bytes } = self.burst;
        let socket = &mut self.sockets[self.turn];
        let is_offloaded = socket.is_offloaded && !socket.is_refused;
        let datagrams = if is_offloaded { datagrams } else { 1 };
        Room { datagrams, bytes, largest: socket.limit.bytes(now.tick), is_offloaded }
    }

    /// The socket that takes the next call: what is begun goes on where it began, unless nothing more will be known of
    /// that.
    fn usable<S: Source>(&self, now: Now, source: &S) -> Option<usize> {
        let is_bound = !source.is_between() && self.sockets[self.turn].call.is_some();
        let candidates = if is_bound { 1 } else { self.sockets.len() };
        let in_turn = (0..candidates).map(|step| (self.turn + step) % self.sockets.len());
        in_turn.into_iter().find(|socket| self.sockets[*socket].is_usable(now))
    }

    /// No socket takes the next call. Where only the one is full on which something is begun, it is looked at, so that
    /// others can go on.
    fn wait_for_a_socket(&mut self, now: Now) -> Action {
        let bound = &self.sockets[self.turn];
        let others_go_on = self.sockets.iter().any(|socket| socket.is_usable(now));
        if others_go_on && !bound.is_refused && bound.is_to_be_looked_at() {
            return self.look(self.turn);
        }
        self.wait(now, Tick::NEVER, usize::MAX)
    }

    /// Nothing is to be sent now; after a stop, nothing ever.
    fn rest<S: Source>(&mut self, now: Now, source: &mut S, until: Tick, events: usize) -> Action {
        (self.next_burst, self.wants) = (NOW, false);
        if !self.stop.is_asked() {
            return self.wait(now, until, events);
        }
        if self.sockets.iter().any(|socket| socket.call.is_some()) {
            return self.look_at_calls(now);
        }
        self.finish(source, Cause::Deadline)
    }

    /// Looks at once what became of the last calls; where that told nothing, later again.
    fn look_at_calls(&mut self, now: Now) -> Action {
        match self.not_looked_at() {
            Some(socket) => self.look(socket),
            None => self.wait(now, Tick::NEVER, usize::MAX),
        }
    }

    fn not_looked_at(&self) -> Option<usize> {
        self.sockets.iter().position(Socket::is_to_be_looked_at)
    }

    /// No more is sent. The last calls are looked at, then all that is left is dropped.
    fn end<S: Source>(&mut self, source: &mut S) -> Action {
        if let Some(socket) = self.not_looked_at() {
            return self.look(socket);
        }
        let is_failing = matches!(self.course.health, Health::Failing { .. });
        self.finish(source, if is_failing { Cause::Unreachable } else { Cause::Deadline })
    }

    fn finish<S: Source>(&mut self, source: &mut S, rest: Cause) -> Action {
        source.abandon(rest);
        self.done = Some(rest);
        Action::Done { rest }
    }

    fn wait(&mut self, now: Now, until: Tick, events: usize) -> Action {
        self.since_turn = 0;
        let writable = self.sockets.iter().rev().fold(0, |bits, socket| bits << 1 | u16::from(socket.is_blocked));
        let due = self.next_due(now);
        self.due = self.due.min(due);
        Action::Wait(Wait { until: until.min(due).min(self.stop.deadline()), events, writable })
    }
}

/// A moment that has passed.
const NOW: Tick = Tick::from_nanos(0);
