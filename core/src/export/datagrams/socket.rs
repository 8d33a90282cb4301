//! What is known of one socket.

use core::net::SocketAddr;
use core::time::Duration;

use super::datagram_size::DatagramSize;
use crate::export::backoff::BufferPauses;
use crate::export::{Backoff, Id, Now, Stopping, Tick};

/// Time after a call in which its refusal comes, if one does.
const LOOK_AFTER: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
pub(super) struct Socket {
    pub(super) link: Link,
    /// Until then nothing is sent, and no connection is made.
    pub(super) pause: Tick,
    /// Its buffer is full.
    pub(super) is_blocked: bool,
    /// It has told of a refusal: one datagram at a time, until a look finds no other.
    pub(super) is_refused: bool,
    /// The last call, unless it is known what became of it.
    pub(super) call: Option<UnsettledCall>,
    pub(super) limit: DatagramSize,
    pub(super) is_offloaded: bool,
    /// It failed over several datagrams in a call: the one that replaces it gets one at a time.
    pub(super) fails_with_several: bool,
    pub(super) has_been_open: bool,
    backoff: Backoff,
    buffer_pauses: BufferPauses,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Closed,
    Connecting {
        id: Id,
        /// `None`: a Unix socket.
        address: Option<SocketAddr>,
    },
    Open,
    /// It is closed once it was looked at for the last call.
    Closing,
}

/// A call that was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnsettledCall {
    /// Requests that are held because of it.
    pub(super) held: u64,
    /// When the socket is looked at.
    pub(super) look_at: Tick,
    /// Whether it was, and told nothing.
    pub(super) was_looked_at: bool,
}

impl Socket {
    pub(super) const CLOSED: Self = Self {
        link: Link::Closed,
        pause: Tick::from_nanos(0),
        is_blocked: false,
        is_refused: false,
        call: None,
        limit: DatagramSize::NONE,
        is_offloaded: true,
        fails_with_several: false,
        has_been_open: false,
        backoff: Backoff::SOCKET,
        buffer_pauses: BufferPauses::NEW,
    };

    /// Whether it takes a call now.
    pub(super) fn is_usable(&self, now: Now) -> bool {
        self.link == Link::Open
            && !self.is_blocked
            && self.pause <= now.tick
            && !(self.is_refused && self.call.is_some())
    }

    /// A new socket: what the earlier one has shown is forgotten.
    pub(super) fn open(&mut self) {
        self.link = Link::Open;
        (self.is_blocked, self.is_refused) = (false, false);
        (self.limit, self.is_offloaded) = (DatagramSize::NONE, !core::mem::take(&mut self.fails_with_several));
        self.has_been_open = true;
        if let Some(call) = &mut self.call {
            // Of a stream: a packet that was begun over the earlier one can go on.
            (call.look_at, call.was_looked_at) = (Tick::from_nanos(0), false);
        }
    }

    /// It is to be replaced, whatever it waits for.
    pub(super) fn close(&mut self) {
        if self.link == Link::Open {
            self.link = Link::Closing;
        }
        self.is_blocked = false;
    }

    /// A call was taken, by which so many requests are held. Says when it is looked at.
    pub(super) fn taken(&mut self, now: Now, stop: &Stopping, held: u64) -> Tick {
        let look_at = stop.pause(now, LOOK_AFTER);
        self.call = Some(UnsettledCall { held, look_at, was_looked_at: false });
        self.buffer_pauses = BufferPauses::NEW;
        look_at
    }

    /// Whether a look may tell what became of the last call.
    pub(super) fn is_to_be_looked_at(&self) -> bool {
        self.link == Link::Open && self.call.is_some_and(|call| !call.was_looked_at)
    }

    /// A look told nothing: another one is due later.
    pub(super) fn look_again(&mut self, now: Now, stop: &Stopping) {
        if let Some(call) = &mut self.call {
            (call.look_at, call.was_looked_at) = (stop.pause(now, LOOK_AFTER), true);
        }
    }

    /// Nothing failed: the next failure is the first one.
    pub(super) const fn went_well(&mut self) {
        self.backoff.reset();
    }

    /// Something failed.
    pub(super) fn back_off(&mut self, now: Now, stop: &Stopping, random: u64) {
        self.pause = stop.pause(now, self.backoff.pause(random));
    }

    /// The system has no buffers.
    pub(super) fn wait_for_buffers(&mut self, now: Now, stop: &Stopping) {
        self.pause = stop.pause(now, self.buffer_pauses.pause());
    }

    /// A stop was asked for: pauses end, and begin anew.
    pub(super) fn end_pauses(&mut self, now: Now, stop: &Stopping) {
        self.pause = now.tick;
        self.backoff.reset();
        self.buffer_pauses = BufferPauses::NEW;
        if let Some(call) = &mut self.call {
            call.look_at = call.look_at.min(stop.pause(now, LOOK_AFTER));
        }
    }

    /// When there is something to do about it next, besides sending; `is_to_open`: a connection is wanted, and has somewhere to
    /// go.
    pub(super) fn due(&self, now: Now, is_to_open: bool) -> Tick {
        let look_at = self.call.map_or(Tick::NEVER, |call| call.look_at);
        match self.link {
            Link::Closed if is_to_open => self.pause,
            Link::Open if self.pause > now.tick => look_at.min(self.pause),
            Link::Open => look_at,
            Link::Closing => now.tick,
            Link::Closed | Link::Connecting { .. } => Tick::NEVER,
        }
    }
}
