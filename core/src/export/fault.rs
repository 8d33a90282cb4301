//! What an error of a socket means for the datagrams that were handed to it: one table of data, which the documents show
//! too. A driver looks an error up by its name; what follows from a fault is decided by the machine
//! ([`DatagramMachine`](super::datagrams::DatagramMachine)).

use core::fmt;

/// Why a socket did not take datagrams. Of several in one call it is always the first that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Its buffer, or the receiver's queue, is full; it says when that is over.
    WouldBlock,
    /// The system has no memory for more, and does not say when it has.
    NoBuffers,
    /// It is longer than the socket, or the network on the way to the receiver, can carry.
    TooLarge,
    /// The receiver cannot be reached through this socket.
    Away,
    /// It takes one datagram at a time, not several in a call.
    NoOffload,
    /// What an earlier call handed over was refused by the receiver's host, since nobody listens there. Of this call
    /// nothing was taken.
    RefusedBefore,
    /// A packet that was begun over a stream is longer than the socket of datagrams takes which has replaced that. It is
    /// forgotten; of this call nothing was taken.
    TooLargeBefore,
}

/// What was sent when a socket answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendKind {
    /// One datagram, over UDP.
    Udp,
    /// Several datagrams in one call, over UDP.
    SeveralUdp,
    /// A packet, over a Unix socket.
    Unix,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FaultRow {
    /// The names of the errors in POSIX; none: any other.
    pub errors: &'static [&'static str],
    /// What must have been sent; none: whatever it was.
    pub kinds: &'static [SendKind],
    /// What it means.
    pub fault: Fault,
    /// What follows.
    pub then: &'static str,
    /// Where this is known from.
    pub source: &'static str,
}

/// What errors mean. The first row that fits is the one that counts.
pub const FAULTS: &[FaultRow] = &[
    FaultRow {
        errors: &["EAGAIN", "EWOULDBLOCK"],
        kinds: &[],
        fault: Fault::WouldBlock,
        then: "that socket waits until it is writable, others go on",
        source: "send(2)",
    },
    FaultRow {
        errors: &["ENOBUFS"],
        kinds: &[],
        fault: Fault::NoBuffers,
        then: "held, a pause of 10 ms that grows to 1 s",
        source: "send(2); FreeBSD and macOS answer it in place of EAGAIN",
    },
    FaultRow {
        errors: &["EMSGSIZE"],
        kinds: &[],
        fault: Fault::TooLarge,
        then: "smaller; a single item is `too_large`",
        source: "send(2); Linux, `net/ipv4/udp.c`",
    },
    FaultRow {
        errors: &["ECONNREFUSED"],
        kinds: &[SendKind::Udp, SendKind::SeveralUdp],
        fault: Fault::RefusedBefore,
        then: "the call before is `unconfirmed`, then one datagram at a time",
        source: "udp(7), \"Error handling\"",
    },
    FaultRow {
        errors: &["EIO", "EINVAL", "ENOPROTOOPT", "EOPNOTSUPP"],
        kinds: &[SendKind::SeveralUdp],
        fault: Fault::NoOffload,
        then: "one datagram in a call from now on",
        source: "udp(7), `UDP_SEGMENT`; Linux, `net/ipv4/udp.c`",
    },
    FaultRow {
        errors: &[],
        kinds: &[],
        fault: Fault::Away,
        then: "held, back-off, the name is asked, the socket made anew",
        source: "send(2), unix(7)",
    },
];

/// What the error of this name means, by [`FAULTS`].
#[must_use]
pub fn fault(error: &str, kind: SendKind) -> Fault {
    FAULTS.iter().find(|row| row.fits(error, kind)).map_or(Fault::Away, |row| row.fault)
}

impl FaultRow {
    fn fits(&self, error: &str, kind: SendKind) -> bool {
        (self.errors.is_empty() || self.errors.contains(&error))
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }
}

impl fmt::Display for FaultRow {
    /// As a row of a table in Markdown: the errors, what they mean, what follows, the source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| ")?;
        if self.errors.is_empty() {
            f.write_str("any other")?;
        }
        for (number, error) in self.errors.iter().enumerate() {
            write!(f, "{}`{error}`", if number == 0 { "" } else { ", " })?;
        }
        f.write_str(match self.kinds {
            [] => "",
            [SendKind::SeveralUdp] => ", several datagrams in a call",
            _ => ", UDP",
        })?;
        write!(f, " | {} | {} | {} |", self.fault, self.then, self.source)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "would block",
            Self::NoBuffers => "no buffers",
            Self::TooLarge => "too large",
            Self::Away => "away",
            Self::NoOffload => "no offload",
            Self::RefusedBefore => "refused before",
            Self::TooLargeBefore => "too large before",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_fits_everything_and_each_row_has_a_source() {
        let last = FAULTS.last().expect("rows");
        assert!(last.errors.is_empty() && last.kinds.is_empty());
        assert!(FAULTS.iter().all(|row| !row.source.is_empty() && !row.then.is_empty()));
    }

    #[test]
    fn errors_mean_what_the_table_says() {
        for (error, udp, several, unix) in [
            ("EAGAIN", Fault::WouldBlock, Fault::WouldBlock, Fault::WouldBlock),
            ("ENOBUFS", Fault::NoBuffers, Fault::NoBuffers, Fault::NoBuffers),
            ("EMSGSIZE", Fault::TooLarge, Fault::TooLarge, Fault::TooLarge),
            ("ECONNREFUSED", Fault::RefusedBefore, Fault::RefusedBefore, Fault::Away),
            ("EINVAL", Fault::Away, Fault::NoOffload, Fault::Away),
            ("EIO", Fault::Away, Fault::NoOffload, Fault::Away),
            ("ENETUNREACH", Fault::Away, Fault::Away, Fault::Away),
            ("", Fault::Away, Fault::Away, Fault::Away),
        ] {
            let found = [SendKind::Udp, SendKind::SeveralUdp, SendKind::Unix].map(|kind| fault(error, kind));
            assert_eq!(found, [udp, several, unix], "{error}");
        }
    }
}
