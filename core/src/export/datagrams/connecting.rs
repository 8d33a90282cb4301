//! Asking the name, making sockets and closing them: all that there is to do besides sending.

use core::net::SocketAddr;

use super::socket::{Link, Socket};
use super::{DatagramAction, DatagramMachine, NOW, SocketOperation, SocketOutcome};
use crate::export::{Fault, Id, Now, ResolvedName, Tick};

impl DatagramMachine {
    pub(super) fn resolved(&mut self, now: Now, id: Id, addresses: &[SocketAddr]) {
        let Some(name) = self.name.as_mut().filter(|name| name.is_asked(id)) else { return };
        self.due = NOW;
        let has_moved = name.answered(now.tick, addresses);
        if name.address().is_none() {
            let pause = self.name_backoff.pause(self.random.next());
            name.ask_again(self.stop.pause(now, pause));
            self.has_failed(now);
        } else if has_moved {
            self.name_backoff.reset();
            for socket in &mut self.sockets {
                socket.close();
                socket.pause = now.tick;
            }
        }
    }

    pub(super) fn connected(&mut self, id: Id) {
        let address = self.name.as_ref().and_then(ResolvedName::address);
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
            // The name has got another address meanwhile.
            socket.close();
        }
        if let Some(name) = &mut self.name {
            name.connected();
        }
    }

    pub(super) fn failed(&mut self, now: Now, id: Id, fault: Fault) {
        let address_of = |(number, socket): (usize, &Socket)| match socket.link {
            Link::Connecting { id: of, address } if of == id => Some((number, address)),
            _ => None,
        };
        match self.sockets.iter().enumerate().find_map(address_of) {
            Some((socket, address)) => self.not_connected(now, socket, address),
            None => self.note(id, SocketOutcome::Failed(fault)),
        }
    }

    /// Of several addresses the next one is tried at once, where no socket has one yet.
    fn not_connected(&mut self, now: Now, socket: usize, address: Option<SocketAddr>) {
        let is_used = self.sockets.iter().any(|socket| socket.link == Link::Open);
        self.sockets[socket].link = Link::Closed;
        self.due = NOW;
        let goes_on = match &mut self.name {
            Some(name) if !is_used => name.address() != address || name.try_next(),
            _ => false,
        };
        if !goes_on {
            self.away(now, socket);
        }
    }

    /// What is to be done besides sending, if anything is.
    pub(super) fn maintain(&mut self, now: Now) -> Option<DatagramAction> {
        if now.tick < self.due {
            return None;
        }
        if let Some(name) = self.name.as_mut().filter(|name| name.due() <= now.tick) {
            let id = self.ids.next();
            name.ask(id);
            return Some(DatagramAction::Resolve { id });
        }
        let action = (0..self.sockets.len()).find_map(|socket| self.maintain_socket(now, socket));
        if action.is_none() {
            self.due = self.next_due(now);
        }
        action
    }

    fn maintain_socket(&mut self, now: Now, number: usize) -> Option<DatagramAction> {
        if self.sockets[number].due(now, self.is_to_open(number)) > now.tick {
            return None;
        }
        let socket = &mut self.sockets[number];
        match socket.link {
            Link::Closed => {
                let (id, address) = (self.ids.next(), self.name.as_ref().and_then(ResolvedName::address));
                socket.link = Link::Connecting { id, address };
                Some(DatagramAction::Connect { id, socket: number, address })
            }
            Link::Closing if socket.call.is_none_or(|call| call.was_looked_at) => {
                socket.link = Link::Closed;
                Some(DatagramAction::Close { socket: number })
            }
            Link::Closing | Link::Open => Some(self.look(number)),
            Link::Connecting { .. } => None,
        }
    }

    /// Whether this socket is to be made, and has somewhere to go.
    fn is_to_open(&self, socket: usize) -> bool {
        let Socket { call, has_been_open, .. } = &self.sockets[socket];
        let is_wanted = self.has_something || call.is_some() || (self.at_once && socket == 0 && !has_been_open);
        is_wanted && self.name.as_ref().is_none_or(|name| name.address().is_some())
    }

    pub(super) fn look(&mut self, socket: usize) -> DatagramAction {
        let id = self.ids.next();
        self.operation = Some((id, SocketOperation::Look { socket }));
        DatagramAction::Look { id, socket }
    }

    pub(super) fn next_due(&self, now: Now) -> Tick {
        let of_sockets = (0..self.sockets.len()).map(|socket| self.sockets[socket].due(now, self.is_to_open(socket)));
        let of_name = self.name.iter().map(ResolvedName::due);
        of_sockets.chain(of_name).min().unwrap_or(Tick::NEVER)
    }
}
