//! Sizes that storage cannot have.

use core::fmt;

/// A size that storage cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SizeError {
    /// Not 1 to 2^31 - 1 series.
    Series(usize),
    /// Not 1 to 1,023 shards.
    Shards(usize),
    /// Not a power of two from 2 to 2^31.
    Ring(usize),
    /// More than 1,023 counters or histograms of the engine's own.
    Instruments(usize),
    /// More memory than the allocator has.
    Memory,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(n) => write!(f, "storage for {n} series: choose 1 to 2,147,483,647"),
            Self::Shards(n) => write!(f, "storage with {n} shards: choose 1 to 1,023"),
            Self::Ring(n) => {
                write!(f, "storage with rings of {n} events: choose a power of two from 2 on, such as 8192")
            }
            Self::Instruments(n) => {
                write!(f, "storage for {n} instruments of one kind: choose 0 to 1,023 counters, and as many histograms")
            }
            Self::Memory => f.write_str(
                "there is not enough memory for storage of this size; choose fewer series, shards or events",
            ),
        }
    }
}

impl core::error::Error for SizeError {}
