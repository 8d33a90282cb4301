//! The addresses of a name: which one is tried next and for how long, and when the name is asked.
//!
//! Each attempt to connect asks the name first, since its addresses may have changed. Of several addresses each gets an
//! equal share of the time that is left. The one that took a connection last is tried first.

use core::net::SocketAddr;

use heapless::Vec;

use super::{Now, Tick};

/// The most addresses of a name that are tried; others are left out.
pub const MOST_ADDRESSES: usize = 16;

/// What an attempt to connect does next.
///
/// It is exhaustive on purpose: whoever asks must do each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressStep {
    /// Ask the name.
    Resolve,
    /// Connect to this address, for no longer than until then.
    Connect {
        /// The address.
        address: SocketAddr,
        /// When it is given up.
        until: Tick,
    },
    /// None is left: the attempt has failed.
    Failed,
}

/// The addresses of one name.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// Those of this attempt, in the order in which they are tried.
    addresses: Vec<SocketAddr, MOST_ADDRESSES>,
    tried: usize,
    is_asked: bool,
    /// The one that took a connection last.
    proven: Option<SocketAddr>,
}

impl Addresses {
    /// An attempt begins: the name is asked first.
    pub fn begin(&mut self) {
        self.addresses.clear();
        (self.tried, self.is_asked) = (0, false);
    }

    /// The name has these addresses; none where it has none, or nobody could be asked.
    pub fn resolved(&mut self, addresses: &[SocketAddr]) {
        self.addresses = addresses.iter().copied().take(MOST_ADDRESSES).collect();
        (self.tried, self.is_asked) = (0, true);
        if let Some(at) = self.addresses.iter().position(|address| Some(*address) == self.proven) {
            self.addresses[..=at].rotate_right(1);
        }
    }

    /// What is next in an attempt that is given up at `until`.
    pub fn next(&mut self, now: Now, until: Tick) -> AddressStep {
        if !self.is_asked {
            return AddressStep::Resolve;
        }
        let left = self.addresses.len() - self.tried;
        let Some(&address) = self.addresses.get(self.tried).filter(|_| now.tick < until) else {
            return AddressStep::Failed;
        };
        self.tried += 1;
        let share = until.since(now.tick) / u32::try_from(left).unwrap_or(1);
        AddressStep::Connect { address, until: now.tick.after(share) }
    }

    /// The address that was tried last has taken a connection.
    pub fn connected(&mut self) {
        self.proven = self.tried.checked_sub(1).and_then(|last| self.addresses.get(last)).copied();
    }

    /// Whether any address ever took a connection.
    #[must_use]
    pub const fn have_connected(&self) -> bool {
        self.proven.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        Now { tick: tick(seconds), ..Now::default() }
    }

    fn tick(seconds: u64) -> Tick {
        Tick::from_nanos(seconds * 1_000_000_000)
    }

    fn address(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 80).into()
    }

    #[test]
    fn each_address_gets_an_equal_share_of_what_is_left() {
        let mut addresses = Addresses::default();
        addresses.begin();
        assert_eq!(addresses.next(at(0), tick(12)), AddressStep::Resolve);
        addresses.resolved(&[address(1), address(2), address(3)]);
        assert_eq!(addresses.next(at(0), tick(12)), AddressStep::Connect { address: address(1), until: tick(4) });
        // Refused at once.
        assert_eq!(addresses.next(at(0), tick(12)), AddressStep::Connect { address: address(2), until: tick(6) });
        assert_eq!(addresses.next(at(6), tick(12)), AddressStep::Connect { address: address(3), until: tick(12) });
        assert_eq!(addresses.next(at(12), tick(12)), AddressStep::Failed);
        addresses.resolved(&[address(1)]);
        assert_eq!(addresses.next(at(12), tick(12)), AddressStep::Failed, "no time is left");
    }

    #[test]
    fn the_one_that_connected_is_first_the_next_time() {
        let mut addresses = Addresses::default();
        addresses.begin();
        addresses.resolved(&[address(1), address(2)]);
        addresses.next(at(0), tick(2));
        addresses.next(at(1), tick(2));
        assert!(!addresses.have_connected());
        addresses.connected();
        addresses.begin();
        assert_eq!(addresses.next(at(9), tick(11)), AddressStep::Resolve, "what it means may have changed");
        addresses.resolved(&[address(3), address(1), address(2), address(4)]);
        let order = core::array::from_fn(|_| match addresses.next(at(9), tick(99)) {
            AddressStep::Connect { address, .. } => Some(address),
            _ => None,
        });
        assert_eq!(order, [Some(address(2)), Some(address(3)), Some(address(1)), Some(address(4)), None]);
        assert!(addresses.have_connected());
    }

    #[test]
    fn a_name_without_addresses_is_a_failed_attempt() {
        let mut addresses = Addresses::default();
        addresses.begin();
        addresses.resolved(&[]);
        assert_eq!(addresses.next(at(0), tick(2)), AddressStep::Failed);
        addresses.resolved(&[address(7); 40]);
        let tried = (0..40).take_while(|_| addresses.next(at(0), tick(2)) != AddressStep::Failed).count();
        assert_eq!(tried, MOST_ADDRESSES);
    }
}
