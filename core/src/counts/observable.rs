//! What histograms of an engine's own take: times and numbers.

use core::time::Duration;

use crate::counts::bounds::Quantity;
use crate::request::sample::{capped_bytes, capped_nanos};

/// What a histogram of the engine's own takes: a [`Duration`] or a `u64`.
pub trait Observable: sealed::Number {}

impl Observable for Duration {}
impl Observable for u64 {}

pub(crate) mod sealed {
    use crate::counts::bounds::Quantity;

    /// What is counted of a value.
    pub trait Number: Copy {
        /// The scale that it is counted on.
        const QUANTITY: Quantity;
        /// In nanoseconds or units, as large as numbers are counted at most.
        fn number(self) -> u64;
    }
}

impl sealed::Number for Duration {
    const QUANTITY: Quantity = Quantity::Latency;

    #[inline(always)]
    fn number(self) -> u64 {
        capped_nanos(self)
    }
}

impl sealed::Number for u64 {
    const QUANTITY: Quantity = Quantity::Size;

    #[inline(always)]
    fn number(self) -> u64 {
        capped_bytes(self)
    }
}
