//! What the answer to a call or a look means for what was in it, and which pause follows.

use super::socket::Link;
use super::{DatagramMachine, DatagramSource, NOW, SocketOperation, SocketOutcome, burst};
use crate::events::segments::Call;
use crate::export::{Fault, Now};
use crate::registry::drop_reason::DropReason;

impl DatagramMachine {
    pub(super) fn answered<S: DatagramSource>(
        &mut self,
        now: Now,
        source: &mut S,
        operation: SocketOperation,
        outcome: SocketOutcome,
    ) {
        match (operation, outcome) {
            (SocketOperation::Send { socket, call }, SocketOutcome::Sent { datagrams, offload }) => {
                let datagrams = datagrams.clamp(1, call.datagrams);
                self.sockets[socket].is_offloaded &= offload || call.datagrams == 1;
                self.taken(now, source, socket, call, datagrams);
            }
            (SocketOperation::Send { socket, call }, SocketOutcome::Failed(fault)) => {
                self.not_taken(now, source, socket, call, fault);
            }
            (SocketOperation::Send { .. }, SocketOutcome::Looked { .. })
            | (SocketOperation::Look { .. }, SocketOutcome::Sent { .. }) => {}
            (SocketOperation::Look { socket }, SocketOutcome::Looked { refused: true }) => {
                self.refused(now, source, socket);
            }
            (SocketOperation::Look { socket }, SocketOutcome::Looked { refused: false }) => {
                self.sockets[socket].is_refused = false;
                self.arrived(source, socket);
            }
            (SocketOperation::Look { socket }, SocketOutcome::Failed(fault)) => {
                self.sockets[socket].look_again(now, &self.stop);
                match fault {
                    Fault::WouldBlock => self.sockets[socket].is_blocked = true,
                    Fault::TooLargeBefore => self.lost(source, socket, DropReason::TooLarge),
                    _ => self.away(now, socket),
                }
            }
        }
    }

    fn taken<S: DatagramSource>(&mut self, now: Now, source: &mut S, socket: usize, call: Call, datagrams: usize) {
        self.arrived(source, socket);
        let held = source.taken(datagrams);
        self.due = self.due.min(self.sockets[socket].taken(now, &self.stop, held));
        let bytes = call.bytes.min(datagrams * call.segment);
        self.traffic.sent += datagrams as u64;
        self.traffic.bytes += bytes as u64;
        self.leave(now, source, datagrams, bytes);
    }

    /// So much has left, or was dropped.
    fn leave<S: DatagramSource>(&mut self, now: Now, source: &S, datagrams: usize, bytes: usize) {
        self.burst.take(datagrams, bytes);
        self.since_turn += datagrams;
        if self.burst.is_spent() {
            self.next_burst = now.tick.after(burst::TICK);
        }
        self.is_begun = true;
        self.pass_turn(source);
    }

    /// Another socket is next, once nothing is half sent.
    pub(super) fn pass_turn<S: DatagramSource>(&mut self, source: &S) {
        if self.is_begun && source.may_change_socket() {
            self.is_begun = false;
            self.turn = (self.turn + 1) % self.sockets.len();
        }
    }

    /// What the last call on that socket handed over was not refused.
    fn arrived<S: DatagramSource>(&mut self, source: &mut S, socket: usize) {
        let Some(call) = self.sockets[socket].call.take() else { return };
        source.arrived(call.held, socket == self.turn);
        self.has_reached = true;
        // A socket that is to be closed has failed since.
        if self.sockets[socket].link == Link::Open {
            self.sockets[socket].went_well();
            self.attempts.went_well();
        }
    }

    fn not_taken<S: DatagramSource>(&mut self, now: Now, source: &mut S, socket: usize, call: Call, fault: Fault) {
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
            Fault::TooLargeBefore => self.lost(source, socket, DropReason::TooLarge),
        }
    }

    /// Datagrams are smaller from now on. One that cannot be made smaller is dropped.
    fn too_large<S: DatagramSource>(&mut self, now: Now, source: &mut S, socket: usize, call: Call) {
        let is_alone = call.datagrams == 1 && source.is_smallest();
        let most = if is_alone { call.segment - 1 } else { call.segment / 2 };
        self.sockets[socket].limit.exceeded(now.tick, most);
        if is_alone {
            let held = source.drop_too_large();
            if let Some(call) = &mut self.sockets[socket].call {
                call.held += held;
            }
            self.traffic.dropped += 1;
            self.traffic.dropped_bytes += call.bytes as u64;
            self.leave(now, source, 1, call.bytes);
        }
    }

    /// The last call on that socket was refused, or an earlier one of which nothing was known any more.
    fn refused<S: DatagramSource>(&mut self, now: Now, source: &mut S, socket: usize) {
        self.traffic.refusals += 1;
        self.lost(source, socket, DropReason::Unconfirmed);
        self.sockets[socket].is_refused = true;
        self.back_off(now, socket);
    }

    /// What the last call on that socket handed over is lost, if it is not known what became of it.
    fn lost<S: DatagramSource>(&mut self, source: &mut S, socket: usize, cause: DropReason) {
        if let Some(call) = self.sockets[socket].call.take() {
            source.lost(call.held, socket == self.turn, cause);
        }
    }

    /// The receiver cannot be reached through this socket.
    pub(super) fn away(&mut self, now: Now, socket: usize) {
        self.sockets[socket].close();
        self.back_off(now, socket);
    }

    fn back_off(&mut self, now: Now, socket: usize) {
        self.due = NOW;
        self.has_failed(now);
        self.sockets[socket].back_off(now, &self.stop, self.random.next());
        if let Some(name) = &mut self.name {
            name.ask_soon();
        }
    }

    pub(super) fn has_failed(&mut self, now: Now) {
        self.attempts.failed(now.tick);
        self.stop.failed();
    }
}
