//! Where datagrams go, and over how many sockets.

use core::time::Duration;

/// The most sockets of an exporter.
pub const MOST_SOCKETS: usize = 16;

/// Where datagrams go, and how.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DatagramRoute {
    /// Over how many sockets, which take turns; 1 to [`MOST_SOCKETS`].
    pub sockets: usize,
    /// What they go to.
    pub to: DatagramTarget,
    /// Whether the first socket is made at once, so that what is wrong is seen before anything is to be sent.
    pub at_once: bool,
}

impl DatagramRoute {
    /// Over one socket, which is made once something is to be sent.
    #[must_use]
    pub const fn new(to: DatagramTarget) -> Self {
        Self { sockets: 1, to, at_once: false }
    }

    /// The same over so many sockets.
    #[must_use]
    pub const fn sockets(self, sockets: usize) -> Self {
        Self { sockets, ..self }
    }

    /// The same, where the first socket is made at once if that is so.
    #[must_use]
    pub const fn at_once(self, at_once: bool) -> Self {
        Self { at_once, ..self }
    }
}

/// What datagrams go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatagramTarget {
    /// A name, or an address in text form, over UDP. It is asked once and then `every` so often; `None`: never again once
    /// it has an address.
    Name {
        /// How often it is asked.
        every: Option<Duration>,
    },
    /// A Unix socket, whose path the driver knows.
    UnixSocket,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_as_it_was_asked_for() {
        let usual = DatagramRoute::new(DatagramTarget::UnixSocket);
        assert_eq!((usual.sockets, usual.at_once), (1, false));
        let route = usual.sockets(3).at_once(true);
        assert_eq!((route.sockets, route.at_once, route.to), (3, true, DatagramTarget::UnixSocket));
    }
}
