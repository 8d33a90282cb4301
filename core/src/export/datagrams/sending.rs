//! Which call goes out next and through which socket, and the end.

use super::socket::Socket;
use super::{Burst, CallLimits, DatagramAction, DatagramMachine, DatagramSource, NOW, Ready, SocketOperation, burst};
use crate::export::turn::BETWEEN_TURNS;
use crate::export::{Now, Tick};
use crate::registry::drop_reason::DropReason;

/// After so many datagrams the other tasks of the thread get their turn: the pump above all.
const TURN: usize = 64;

impl DatagramMachine {
    /// The next call, where there is one and a socket for it.
    pub(super) fn send<S: DatagramSource>(&mut self, now: Now, source: &mut S, buffer: &mut [u8]) -> DatagramAction {
        if self.burst.is_spent() {
            match source.ready(now, self.stop.is_asked()) {
                Ready::Waits { until, events } => return self.nothing_to_send(now, source, until, events),
                Ready::Unsettled => return self.look_at_calls(now),
                Ready::Reads => return self.wait(now, now.tick.after(BETWEEN_TURNS), usize::MAX),
                Ready::Burst(_) if now.tick < self.next_burst => {
                    return self.wait(now, self.next_burst, usize::MAX);
                }
                Ready::Burst(burst) => self.burst = burst,
            }
        }
        if !self.has_something {
            (self.has_something, self.due) = (true, NOW);
            if let Some(action) = self.maintain(now) {
                return action;
            }
        }
        self.pass_turn(source);
        let Some(number) = self.usable(now, source) else { return self.wait_for_a_socket(now) };
        self.turn = number;
        if self.since_turn >= TURN {
            return self.wait(now, now.tick, usize::MAX);
        }
        let limits = self.call_limits(now);
        let Some(call) = source.pack(now, limits, buffer) else {
            self.burst = Burst::default();
            self.next_burst = now.tick.after(burst::TICK);
            return self.send(now, source, buffer);
        };
        let id = self.ids.next();
        self.operation = Some((id, SocketOperation::Send { socket: number, call }));
        DatagramAction::Send { id, socket: number, range: 0..call.bytes, segment: call.segment, count: call.datagrams }
    }

    /// What a call on the socket whose turn it is may hold.
    fn call_limits(&mut self, now: Now) -> CallLimits {
        let Burst { datagrams, bytes } = self.burst;
        let socket = &mut self.sockets[self.turn];
        let is_offloaded = socket.is_offloaded && !socket.is_refused;
        let datagrams = if is_offloaded { datagrams } else { 1 };
        CallLimits { datagrams, bytes, largest: socket.limit.bytes(now.tick), is_offloaded }
    }

    /// The socket that takes the next call. What is half sent goes on where it began, unless nothing more can be known of that
    /// call.
    fn usable<S: DatagramSource>(&self, now: Now, source: &S) -> Option<usize> {
        let is_bound = !source.may_change_socket() && self.sockets[self.turn].call.is_some();
        let candidates = if is_bound { 1 } else { self.sockets.len() };
        let in_turn = (0..candidates).map(|step| (self.turn + step) % self.sockets.len());
        in_turn.into_iter().find(|socket| self.sockets[*socket].is_usable(now))
    }

    /// No socket takes the next call. Where only the one is full that has something half sent, it is looked at, so that others
    /// can go on.
    fn wait_for_a_socket(&mut self, now: Now) -> DatagramAction {
        let bound = &self.sockets[self.turn];
        let others_go_on = self.sockets.iter().any(|socket| socket.is_usable(now));
        if others_go_on && !bound.is_refused && bound.is_to_be_looked_at() {
            return self.look(self.turn);
        }
        self.wait(now, Tick::NEVER, usize::MAX)
    }

    /// The source has nothing to send now; after a stop it never has.
    fn nothing_to_send<S: DatagramSource>(
        &mut self,
        now: Now,
        source: &mut S,
        until: Tick,
        events: usize,
    ) -> DatagramAction {
        (self.next_burst, self.has_something) = (NOW, false);
        if !self.stop.is_asked() {
            return self.wait(now, until, events);
        }
        if self.sockets.iter().any(|socket| socket.call.is_some()) {
            return self.look_at_calls(now);
        }
        self.finish(source, DropReason::Deadline)
    }

    /// Looks at once what became of the last calls, and later again where that told nothing.
    fn look_at_calls(&mut self, now: Now) -> DatagramAction {
        match self.not_looked_at() {
            Some(socket) => self.look(socket),
            None => self.wait(now, Tick::NEVER, usize::MAX),
        }
    }

    fn not_looked_at(&self) -> Option<usize> {
        self.sockets.iter().position(Socket::is_to_be_looked_at)
    }

    /// No more is sent. The last calls are looked at, then all that is left is dropped.
    pub(super) fn end<S: DatagramSource>(&mut self, source: &mut S) -> DatagramAction {
        if let Some(socket) = self.not_looked_at() {
            return self.look(socket);
        }
        let is_failing = self.attempts.are_failing();
        self.finish(source, if is_failing { DropReason::Unreachable } else { DropReason::Deadline })
    }

    fn finish<S: DatagramSource>(&mut self, source: &mut S, cause: DropReason) -> DatagramAction {
        source.abandon(cause);
        self.done = Some(cause);
        DatagramAction::Done { cause }
    }
}
