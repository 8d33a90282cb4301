//! What a recorder remembers of the series that it counts in by status.

use super::{StatusLabel, Value};
use crate::registry::Registry;
use crate::request::series::Series;

/// Places, each for one series and value of the label.
const PLACES: usize = 1 << BITS;
const BITS: u32 = 6;

/// The last child found for each place: where two share one, the look-up in the registry is made anew.
#[derive(Clone, Debug)]
pub(crate) struct Children {
    /// Series and value plus 1; 0 where there is none.
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
        // Fibonacci hashing: the upper bits depend on all of the key.
        let place = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - BITS)) as usize % PLACES;
        if self.keys[place] != key {
            self.children[place] = registry.child(series, value);
            self.keys[place] = key;
        }
        self.children[place]
    }
}
