//! What kind of failure a request was.

/// Why a request failed, as its engine saw it, for [`Sample::error`](crate::Sample::error).
///
/// Shown where the registry's label is on; see [`Registry::set_error_label`](crate::Registry::set_error_label).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ErrorKind {
    /// No connection came about: refused, no route, no such host, no socket left.
    Connect = 1,
    /// It took too long.
    Timeout,
    /// The connection was broken off, or closed before the answer was whole.
    Reset,
    /// The two sides did not agree on TLS.
    Tls,
    /// What came was not what the protocol allows.
    Protocol,
    /// An answer came, and its status says that the request failed.
    Status,
    /// Anything else.
    Other,
}

/// How many kinds there are.
pub(crate) const KINDS: usize = ErrorKind::ALL.len();

impl ErrorKind {
    /// All of them, in the order in which every format shows them.
    pub const ALL: [Self; 7] =
        [Self::Connect, Self::Timeout, Self::Reset, Self::Tls, Self::Protocol, Self::Status, Self::Other];

    /// `connect`, `timeout`, `reset`, `tls`, `protocol`, `status` or `other`: the value of the label `error_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Other => "other",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize - 1
    }

    /// Three bits of an event's head; 0 is none.
    #[inline(always)]
    pub(crate) const fn to_bits(kind: Option<Self>) -> u64 {
        match kind {
            Some(kind) => kind as u64,
            None => 0,
        }
    }

    /// From the lowest three bits.
    #[inline]
    pub(crate) const fn from_bits(bits: u64) -> Option<Self> {
        match bits & 7 {
            1 => Some(Self::Connect),
            2 => Some(Self::Timeout),
            3 => Some(Self::Reset),
            4 => Some(Self::Tls),
            5 => Some(Self::Protocol),
            6 => Some(Self::Status),
            7 => Some(Self::Other),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_place_of_its_own_and_survives_its_bits() {
        for (place, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!((kind.index(), ErrorKind::from_bits(ErrorKind::to_bits(Some(kind)))), (place, Some(kind)));
        }
        assert_eq!((ErrorKind::to_bits(None), ErrorKind::from_bits(8)), (0, None));
    }
}
