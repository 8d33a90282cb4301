//! The host name that datagrams go to, and the address in use. A name may get another address while it is used.
//!
//! The name is asked until it has an address. Then it is asked at every interval, and soon after something has failed, but at
//! most once a second: a socket can report a failure with every datagram. The address in use stays as long as it is among
//! the answers, and while there are no answers. IPv4 goes first: nothing tells whether anybody listens, and LoadDensity's
//! sinks speak IPv4 where a name (`localhost`) has both.

use core::net::SocketAddr;
use core::time::Duration;

use heapless::Vec;

use super::{Id, MOST_ADDRESSES, Tick};

/// The least time from an answer to the next question where something has failed.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// A name, and the address in use.
#[derive(Clone, Debug)]
pub struct ResolvedName {
    every: Option<Duration>,
    address: Option<SocketAddr>,
    /// The addresses of the last answer, IPv4 first.
    addresses: Vec<SocketAddr, MOST_ADDRESSES>,
    /// How many addresses in a row no socket could be connected to.
    tried: usize,
    asked: Option<Id>,
    answered_at: Tick,
    /// When it is asked next.
    due: Tick,
}

impl ResolvedName {
    /// A name that is asked at once, and then `every` so often; `None`: never again once it has an address.
    #[must_use]
    pub const fn new(every: Option<Duration>) -> Self {
        let zero = Tick::from_nanos(0);
        Self { every, address: None, addresses: Vec::new(), tried: 0, asked: None, answered_at: zero, due: zero }
    }

    /// The address in use; `None` until the name has one.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// When it is to be asked; never while it is.
    #[must_use]
    pub fn due(&self) -> Tick {
        if self.asked.is_some() { Tick::NEVER } else { self.due }
    }

    /// It is asked now.
    pub const fn ask(&mut self, id: Id) {
        self.asked = Some(id);
    }

    /// Whether this is the question that is not yet answered.
    #[must_use]
    pub fn is_asked(&self, id: Id) -> bool {
        self.asked == Some(id)
    }

    /// The name has these addresses; none where it has none, or nobody could be asked. Says whether another address is
    /// in use now.
    pub fn answered(&mut self, now: Tick, addresses: &[SocketAddr]) -> bool {
        (self.asked, self.answered_at) = (None, now);
        self.due = self.every.map_or(Tick::NEVER, |every| now.after(every));
        if addresses.is_empty() {
            return false;
        }
        let (v4, v6) = (addresses.iter().filter(|a| a.is_ipv4()), addresses.iter().filter(|a| a.is_ipv6()));
        self.addresses = v4.chain(v6).copied().take(MOST_ADDRESSES).collect();
        self.tried = 0;
        let stays = self.address.is_some_and(|address| addresses.contains(&address));
        if !stays {
            self.address = self.addresses.first().copied();
        }
        !stays
    }

    /// Where it has no address yet, it is asked again then.
    pub fn ask_again(&mut self, at: Tick) {
        if self.address.is_none() {
            self.due = at;
        }
    }

    /// Something failed: it is asked soon.
    pub fn ask_soon(&mut self) {
        if self.every.is_some() && self.address.is_some() {
            self.due = self.due.min(self.answered_at.after(LEAST_PAUSE));
        }
    }

    /// No socket could be connected to the address in use: the next one is. `false`: all have been tried, and they begin
    /// anew.
    pub fn try_next(&mut self) -> bool {
        let at = self.addresses.iter().position(|address| Some(*address) == self.address);
        let next = at.map_or(0, |at| at + 1);
        self.address = self.addresses.get(next).or_else(|| self.addresses.first()).copied();
        self.tried += 1;
        let goes_on = self.tried < self.addresses.len();
        if !goes_on {
            self.tried = 0;
        }
        goes_on
    }

    /// A socket was connected to the address in use.
    pub const fn connected(&mut self) {
        self.tried = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ids;
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_nanos(seconds * 1_000_000_000)
    }

    fn v4(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 8_125).into()
    }

    fn v6(last: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 8_125).into()
    }

    fn name(every: u64, seconds: u64, addresses: &[SocketAddr]) -> ResolvedName {
        let mut name = ResolvedName::new(Some(Duration::from_secs(every)));
        assert!(name.answered(at(seconds), addresses));
        name
    }

    #[test]
    fn it_is_asked_at_once_and_then_at_every_interval() {
        let mut name = ResolvedName::new(Some(Duration::from_secs(60)));
        assert_eq!((name.due(), name.address()), (at(0), None));
        let (mut ids, other) = (Ids::default(), Id::default());
        let id = ids.next();
        name.ask(id);
        assert_eq!(name.due(), Tick::NEVER, "one question at a time");
        assert!(name.is_asked(id) && !name.is_asked(other));
        assert!(name.answered(at(3), &[v4(1)]));
        assert_eq!((name.due(), name.address()), (at(63), Some(v4(1))));
        let mut never_again = ResolvedName::new(None);
        never_again.answered(at(3), &[v4(1)]);
        never_again.ask_soon();
        assert_eq!(never_again.due(), Tick::NEVER);
    }

    #[test]
    fn the_address_in_use_stays_while_it_is_among_the_answers_and_while_there_are_none() {
        let mut name = name(60, 0, &[v4(1)]);
        assert!(!name.answered(at(60), &[v4(2), v4(1)]));
        assert!(!name.answered(at(120), &[]));
        assert_eq!(name.address(), Some(v4(1)));
        assert!(name.answered(at(180), &[v4(3)]));
        assert_eq!(name.address(), Some(v4(3)));
    }

    #[test]
    fn a_doubt_is_looked_into_a_second_after_the_last_answer() {
        let mut name = name(60, 10, &[v4(1)]);
        name.ask_soon();
        assert_eq!(name.due(), at(11));
        name.answered(at(11), &[v4(1)]);
        assert_eq!(name.due(), at(71));
    }

    #[test]
    fn a_name_without_an_address_is_asked_when_it_is_told_to() {
        let mut name = ResolvedName::new(None);
        assert!(!name.answered(at(1), &[]));
        name.ask_again(at(2));
        assert_eq!(name.due(), at(2));
        name.ask_soon();
        assert_eq!(name.due(), at(2));
        name.answered(at(2), &[v4(1)]);
        name.ask_again(at(3));
        assert_eq!(name.due(), Tick::NEVER);
    }

    #[test]
    fn ipv4_goes_first_and_each_address_is_tried_once() {
        let mut name = name(60, 0, &[v6(1), v4(1), v6(2)]);
        assert_eq!(name.address(), Some(v4(1)));
        for (goes_on, address) in [(true, v6(1)), (true, v6(2)), (false, v4(1)), (true, v6(1))] {
            assert_eq!((name.try_next(), name.address()), (goes_on, Some(address)));
        }
        name.connected();
        assert!(name.try_next() && name.try_next() && !name.try_next());
        assert!(!ResolvedName::new(None).try_next());
    }
}
