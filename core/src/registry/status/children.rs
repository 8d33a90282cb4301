//! What a recorder remembers of the series in which it counts by status.

use super::{StatusLabel, Value};
use crate::registry::Registry;
use crate::request::series::Series;

/// Places in the table. Each holds one series and one value of the label.
const PLACES: usize = 1 << BITS;
const BITS: u32 = 6;

/// The last child that was found for each place. If two children share a place, each look-up that finds the other one
/// there asks the registry again.
#[derive(Clone, Debug)]
pub(crate) struct Children {
    /// The series and, in the low 16 bits, the value plus 1. A key is 0 if the place is empty.
    keys: [u64; PLACES],
    children: [Series; PLACES],
}

impl Children {
    pub(crate) const fn new() -> Self {
        Self { keys: [0; PLACES], children: [Series::OVERFLOW; PLACES] }
    }

    /// The series in which a request of `series` with this `status` counts.
    pub(crate) fn of(&mut self, registry: Registry<'_>, label: StatusLabel, series: Series, status: u16) -> Series {
        let value = Value::new(label, status);
        let key = u64::from(series.number()) << 16 | (u64::from(value.number()) + 1);
        // Fibonacci hashing: the upper bits depend on every bit of the key.
        let place = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - BITS)) as usize % PLACES;
        if self.keys[place] != key {
            self.children[place] = registry.child(series, value);
            self.keys[place] = key;
        }
        self.children[place]
    }
}
