//! One connection, and one call at a time over it: when the name is asked, which address is tried, when a call is given up.
//!
//! A call has a deadline. It goes over the connection that is there. Where there is none, the name is asked and its addresses
//! are tried. A connection that served an earlier call may be dead without anybody knowing: only the next call finds out.
//! That says nothing about the server, so such a call is begun anew, with a deadline of its own.

use core::net::SocketAddr;

use super::verdict::Said;
use super::{AddressStep, Addresses, BodyInput, Id, Ids, Now, Tick};

/// What a call needs next.
///
/// It is exhaustive on purpose: whoever asks must do each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStep {
    /// Ask the name.
    Resolve {
        /// The number that the answer carries.
        id: Id,
    },
    /// Connect to an address.
    Connect {
        /// The number that the answer carries.
        id: Id,
        /// The address.
        address: SocketAddr,
    },
    /// Give up what was started, and the connection with it. The answer is [`BodyInput::Failed`].
    Cancel {
        /// The number of what is given up.
        id: Id,
    },
    /// Wait for the answer to what was started, until this moment.
    Wait {
        /// When it is given up.
        until: Tick,
    },
    /// There is a connection: [`send`](Connection::send), or [`withdraw`](Connection::withdraw) where nothing is to be sent.
    Ready,
    /// The call has failed: no address took a connection. It is over.
    Failed,
}

/// How a call has ended that sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallOutcome {
    /// The server has answered.
    Answered(Said),
    /// The connection is gone, without an answer.
    Broken(BrokenCall),
}

/// A call whose connection is gone, and which is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenCall {
    /// What was sent may have arrived.
    pub began: bool,
    /// The connection had served an earlier call and was dead: the call is worth another attempt at once.
    pub kept: bool,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallStage {
    /// There is none.
    Idle,
    /// The next address is to be tried, or the name is to be asked.
    Connect,
    Resolving,
    Connecting {
        until: Tick,
    },
    /// There is a connection.
    Ready,
    Sending,
}

/// The connection to one name, and the call over it.
#[derive(Clone, Debug)]
pub struct Connection {
    ids: Ids,
    last: Id,
    addresses: Addresses,
    is_open: bool,
    stage: CallStage,
    is_cancelled: bool,
    /// When the call is given up.
    until: Tick,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            ids: Ids::default(),
            last: Id::default(),
            addresses: Addresses::default(),
            is_open: false,
            stage: CallStage::Idle,
            is_cancelled: false,
            until: Tick::NEVER,
        }
    }
}

impl Connection {
    /// A call begins that is given up at `until`. One that is under way must be over.
    pub fn begin(&mut self, until: Tick) {
        self.until = until;
        self.is_cancelled = false;
        self.stage = if self.is_open { CallStage::Ready } else { CallStage::Connect };
        if !self.is_open {
            self.addresses.begin();
        }
    }

    /// The call has no longer than `until`: a stop was asked for.
    pub fn shorten(&mut self, until: Tick) {
        self.until = self.until.min(until);
    }

    /// Whether the time of the call, or of the last one, is over.
    #[must_use]
    pub fn is_late(&self, now: Now) -> bool {
        now.tick >= self.until
    }

    /// Whether a call is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.stage != CallStage::Idle
    }

    /// Whether an address ever took a connection.
    #[must_use]
    pub const fn has_connected(&self) -> bool {
        self.addresses.have_connected()
    }

    /// What the call needs next.
    pub fn step(&mut self, now: Now) -> ConnectionStep {
        match self.stage {
            CallStage::Idle => ConnectionStep::Wait { until: Tick::NEVER },
            CallStage::Connect => self.connect(now),
            CallStage::Resolving | CallStage::Sending => self.wait(now, self.until),
            CallStage::Connecting { until } => self.wait(now, until.min(self.until)),
            CallStage::Ready => ConnectionStep::Ready,
        }
    }

    /// The call is sent; the number of that attempt.
    pub fn send(&mut self) -> Id {
        self.start(CallStage::Sending)
    }

    /// There is nothing to send: the call is over, the connection stays.
    pub fn withdraw(&mut self) {
        self.stage = CallStage::Idle;
    }

    /// Notes what has happened to the call, and says how it has ended if it has. A stop is the machine's; an answer to an
    /// earlier call is ignored.
    pub fn handle(&mut self, input: BodyInput<'_>) -> Option<CallOutcome> {
        match input {
            BodyInput::Resolved { id, addresses } => self.resolved(id, addresses),
            BodyInput::Connected { id } => self.connected(id),
            BodyInput::Answer { id, said } => return self.answered(id).then_some(CallOutcome::Answered(said)),
            BodyInput::Failed { id, began, kept } => return self.failed(id, began, kept).map(CallOutcome::Broken),
            BodyInput::Stop { .. } => {}
        }
        None
    }

    /// The answer to [`ConnectionStep::Resolve`]: the addresses, none where the name has none or nobody could be asked.
    fn resolved(&mut self, id: Id, addresses: &[SocketAddr]) {
        if self.is_about(id, self.stage == CallStage::Resolving) {
            self.addresses.resolved(addresses);
            self.stage = CallStage::Connect;
        }
    }

    /// An answer to [`ConnectionStep::Connect`].
    fn connected(&mut self, id: Id) {
        if self.is_about(id, matches!(self.stage, CallStage::Connecting { .. })) {
            self.addresses.connected();
            self.is_open = true;
            self.stage = CallStage::Ready;
        }
    }

    /// The server has answered what was sent. Whether it is the answer to this call, which is over then.
    fn answered(&mut self, id: Id) -> bool {
        let is_answer = self.is_about(id, self.stage == CallStage::Sending);
        if is_answer {
            self.stage = CallStage::Idle;
        }
        is_answer
    }

    /// What was started has failed, or was cancelled. Something where what was sent is lost; otherwise the next address is
    /// tried, or it is about an earlier attempt.
    fn failed(&mut self, id: Id, began: bool, kept: bool) -> Option<BrokenCall> {
        if !self.is_about(id, true) {
            return None;
        }
        match self.stage {
            CallStage::Resolving => self.addresses.resolved(&[]),
            CallStage::Connecting { .. } => {}
            CallStage::Sending => {
                (self.stage, self.is_open) = (CallStage::Idle, false);
                // A server that was silent until the call was cancelled was asked all the same.
                return Some(BrokenCall { began, kept: kept && !self.is_cancelled });
            }
            CallStage::Idle | CallStage::Connect | CallStage::Ready => return None,
        }
        (self.stage, self.is_cancelled) = (CallStage::Connect, false);
        None
    }

    fn connect(&mut self, now: Now) -> ConnectionStep {
        match self.addresses.next(now, self.until) {
            // A call that is over before it began asks nobody.
            AddressStep::Resolve if now.tick < self.until => {
                ConnectionStep::Resolve { id: self.start(CallStage::Resolving) }
            }
            AddressStep::Connect { address, until } => {
                ConnectionStep::Connect { id: self.start(CallStage::Connecting { until }), address }
            }
            AddressStep::Resolve | AddressStep::Failed => {
                self.stage = CallStage::Idle;
                ConnectionStep::Failed
            }
        }
    }

    fn start(&mut self, stage: CallStage) -> Id {
        (self.stage, self.is_cancelled) = (stage, false);
        self.last = self.ids.next();
        self.last
    }

    fn wait(&mut self, now: Now, until: Tick) -> ConnectionStep {
        if now.tick < until {
            return ConnectionStep::Wait { until };
        }
        // Once is enough: the answer comes before the next step.
        if core::mem::replace(&mut self.is_cancelled, true) {
            return ConnectionStep::Wait { until: Tick::NEVER };
        }
        ConnectionStep::Cancel { id: self.last }
    }

    fn is_about(&self, id: Id, is_expected: bool) -> bool {
        is_expected && self.ids.is_last(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now { tick: tick(millis), ..Now::default() }
    }

    fn tick(millis: u64) -> Tick {
        Tick::from_nanos(millis * 1_000_000)
    }

    fn address(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 8086).into()
    }

    fn id(step: ConnectionStep) -> Id {
        match step {
            ConnectionStep::Resolve { id } | ConnectionStep::Connect { id, .. } | ConnectionStep::Cancel { id } => id,
            _ => panic!("{step:?} starts nothing"),
        }
    }

    /// A connection with a call that may send until two seconds have passed.
    fn ready() -> Connection {
        let mut connection = Connection::default();
        connection.begin(tick(2_000));
        let name = id(connection.step(at(0)));
        connection.resolved(name, &[address(1)]);
        let first = id(connection.step(at(0)));
        connection.connected(first);
        assert_eq!(connection.step(at(0)), ConnectionStep::Ready);
        connection
    }

    #[test]
    fn a_call_asks_the_name_and_tries_its_addresses_each_for_its_share() {
        let mut connection = Connection::default();
        assert_eq!(connection.step(at(0)), ConnectionStep::Wait { until: Tick::NEVER });
        connection.begin(tick(2_000));
        let ConnectionStep::Resolve { id: name } = connection.step(at(0)) else { panic!("the name first") };
        assert_eq!(connection.step(at(10)), ConnectionStep::Wait { until: tick(2_000) });
        connection.resolved(name, &[address(1), address(2)]);
        let ConnectionStep::Connect { id: first, address: one } = connection.step(at(400)) else {
            panic!("then an address")
        };
        assert_eq!((one, connection.step(at(400))), (address(1), ConnectionStep::Wait { until: tick(1_200) }));
        assert_eq!(connection.step(at(1_200)), ConnectionStep::Cancel { id: first });
        assert_eq!(connection.failed(first, false, false), None);
        let ConnectionStep::Connect { id: second, address: two } = connection.step(at(1_200)) else {
            panic!("the other one")
        };
        assert_eq!((two, connection.has_connected()), (address(2), false));
        connection.connected(first);
        assert!(!connection.has_connected(), "that was about the first");
        connection.connected(second);
        assert_eq!((connection.step(at(1_300)), connection.has_connected()), (ConnectionStep::Ready, true));
        let sent = connection.send();
        assert!(!connection.answered(second) && connection.answered(sent) && !connection.answered(sent));
        assert!(!connection.is_busy());
        connection.begin(tick(9_000));
        assert_eq!(connection.step(at(5_000)), ConnectionStep::Ready, "the connection is kept");
    }

    #[test]
    fn a_name_without_addresses_fails_and_is_asked_again_by_the_next_call() {
        let mut connection = Connection::default();
        for (round, resolves) in [true, false].into_iter().enumerate() {
            let start = round as u64 * 5_000;
            connection.begin(tick(start + 2_000));
            let name = id(connection.step(at(start)));
            match resolves {
                true => connection.resolved(name, &[]),
                false => assert_eq!(connection.failed(name, false, false), None),
            }
            assert_eq!((connection.step(at(start)), connection.is_busy()), (ConnectionStep::Failed, false));
        }
        connection.begin(tick(20_000));
        let name = id(connection.step(at(15_000)));
        assert_eq!(connection.step(at(20_000)), ConnectionStep::Cancel { id: name });
        assert_eq!(connection.failed(name, false, false), None);
        assert_eq!(connection.step(at(20_000)), ConnectionStep::Failed, "nobody answered in time");
        connection.begin(tick(20_000));
        assert_eq!(connection.step(at(20_000)), ConnectionStep::Failed, "no time at all");
    }

    #[test]
    fn what_was_sent_and_lost_is_told_and_a_dead_connection_told_apart_from_a_silent_one() {
        for (cancelled, began, kept, expected) in [
            (false, true, false, BrokenCall { began: true, kept: false }),
            (false, false, true, BrokenCall { began: false, kept: true }),
            (true, true, true, BrokenCall { began: true, kept: false }),
        ] {
            let mut connection = ready();
            let sent = connection.send();
            if cancelled {
                assert_eq!(connection.step(at(2_000)), ConnectionStep::Cancel { id: sent });
                assert_eq!(connection.step(at(2_000)), ConnectionStep::Wait { until: Tick::NEVER }, "once is enough");
            }
            assert_eq!(connection.failed(sent, began, kept), Some(expected));
            assert_eq!(connection.failed(sent, began, kept), None);
            connection.begin(tick(9_000));
            assert!(matches!(connection.step(at(5_000)), ConnectionStep::Resolve { .. }), "the connection is gone");
        }
    }

    #[test]
    fn a_stop_shortens_a_call_and_what_has_nothing_to_send_withdraws() {
        let mut connection = ready();
        let sent = connection.send();
        connection.shorten(tick(700));
        connection.shorten(tick(900));
        assert_eq!(connection.step(at(699)), ConnectionStep::Wait { until: tick(700) });
        assert_eq!(connection.step(at(700)), ConnectionStep::Cancel { id: sent });
        let mut connection = ready();
        connection.withdraw();
        assert!(!connection.is_busy());
        connection.begin(tick(9_000));
        assert_eq!(connection.step(at(0)), ConnectionStep::Ready);
    }
}
