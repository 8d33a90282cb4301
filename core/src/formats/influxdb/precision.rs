//! The units of timestamps, under the name that each API of InfluxDB knows.

/// The unit of timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// Nanoseconds, the only one in which every request has a timestamp of its own.
    #[default]
    Nanosecond,
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
}

impl Precision {
    /// All of them, the finest first.
    pub const ALL: [Self; 4] = [Self::Nanosecond, Self::Microsecond, Self::Millisecond, Self::Second];

    /// Nanoseconds of one unit.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
        }
    }

    /// As `/write` of InfluxDB 1 has it: `ns`, `u`, `ms`, `s`. It does not know `us`, and stores points with an unknown
    /// precision as nanoseconds.
    #[must_use]
    pub const fn v1(self) -> &'static str {
        match self {
            Self::Microsecond => "u",
            other => other.v2(),
        }
    }

    /// As `/api/v2/write` has it: `ns`, `us`, `ms`, `s`.
    #[must_use]
    pub const fn v2(self) -> &'static str {
        match self {
            Self::Nanosecond => "ns",
            Self::Microsecond => "us",
            Self::Millisecond => "ms",
            Self::Second => "s",
        }
    }

    /// As `/api/v3/write_lp` has it: `nanosecond`, `microsecond`, `millisecond`, `second`.
    #[must_use]
    pub const fn v3(self) -> &'static str {
        match self {
            Self::Nanosecond => "nanosecond",
            Self::Microsecond => "microsecond",
            Self::Millisecond => "millisecond",
            Self::Second => "second",
        }
    }
}
