//! The handles of an engine's own instruments, and how many and how long things are.

use core::fmt;
use core::marker::PhantomData;

use crate::metrics::InstrumentKind;

/// Handle of a counter of the engine's own: `Copy`, four bytes, valid on every recorder of its registry.
///
/// On another registry it counts nowhere, and [`Usage::unknown_observations`](crate::Usage::unknown_observations) says
/// how often.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counter(u32);

/// Handle of a histogram of the engine's own, of times ([`Duration`](core::time::Duration)) or of numbers (`u64`): `Copy`,
/// four bytes, valid on every recorder of its registry.
///
/// On another registry it counts nowhere, and [`Usage::unknown_observations`](crate::Usage::unknown_observations) says
/// how often.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Histogram<V>(u32, PhantomData<V>);

/// What an observation is of: the kind of an instrument, and its index among those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ObservedInstrument {
    pub(crate) kind: InstrumentKind,
    pub(crate) index: u16,
}

impl Counter {
    /// Records nothing: for a library that found no room for its counter.
    pub const NONE: Self = Self(NONE);

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    #[inline(always)]
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

impl<V> Histogram<V> {
    /// Records nothing: for a library that found no room for its histogram.
    pub const NONE: Self = Self(NONE, PhantomData);

    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self(bits, PhantomData)
    }

    #[inline(always)]
    pub(crate) const fn bits(&self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, "Counter", self.0)
    }
}

impl<V> fmt::Debug for Histogram<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_place(f, "Histogram", self.0)
    }
}

/// The most bytes of an instrument's name.
pub const INSTRUMENT_NAME_BYTES: usize = 48;
/// The most bytes of an instrument's description.
pub const DESCRIPTION_BYTES: usize = 128;

/// No registry has this tag, so that no registry takes it for one of its own.
pub(crate) const NONE: u32 = 0;

/// Most instruments of either kind that a storage may have room for.
pub(crate) const MAX_INSTRUMENTS: usize = (1 << INDEX_BITS) - 1;

const INDEX_BITS: u32 = 10;
/// What is below the tag: the index, and whether the instrument is of the whole run.
const LOW_BITS: u32 = INDEX_BITS + 1;

/// What tells the handles of one registry from those of others, and is in each of them: the registry's number among those
/// with such a tag. After 2,097,151 of them they begin again.
pub(crate) const fn tag(number: u64) -> u32 {
    let tags = (1 << (u32::BITS - LOW_BITS)) - 1;
    ((number % tags) as u32 + 1) << LOW_BITS
}

/// The handle of the instrument with this index among those of its kind.
pub(crate) const fn handle(tag: u32, index: usize, is_of_run: bool) -> u32 {
    tag | (index as u32) << 1 | is_of_run as u32
}

/// The index of an instrument and the series that counts: the first one for an instrument of the run. The index of a handle
/// of another registry is one that no storage has room for.
#[inline(always)]
pub(crate) const fn place(tag: u32, handle: u32, series: u32) -> (u32, u32) {
    let low = handle ^ tag;
    (low >> 1, series & (low & 1).wrapping_sub(1))
}

fn write_place(f: &mut fmt::Formatter<'_>, name: &str, bits: u32) -> fmt::Result {
    if bits == NONE {
        return write!(f, "{name}::NONE");
    }
    let low = bits & ((1 << LOW_BITS) - 1);
    f.debug_struct(name).field("index", &(low >> 1)).field("is_of_run", &(low & 1 == 1)).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_knows_its_own_handles_and_no_others() {
        let (ours, theirs) = (tag(6), tag(7));
        for index in [0, 1, 500, MAX_INSTRUMENTS - 1] {
            assert_eq!(place(ours, handle(ours, index, false), 9), (index as u32, 9));
            assert_eq!(place(ours, handle(ours, index, true), 9), (index as u32, 0));
            for foreign in [handle(theirs, index, false), handle(theirs, index, true), NONE] {
                assert!(place(ours, foreign, 9).0 as usize > MAX_INSTRUMENTS, "{foreign:x}");
            }
        }
    }

    #[test]
    fn the_last_tag_is_none_of_no_registry() {
        let all = (1 << 21) - 1;
        assert_eq!((tag(0), tag(all)), (1 << 11, 1 << 11));
        assert_eq!(tag(all - 1), u32::MAX << 11);
    }
}
