//! The handle of a series.

/// Handle of an interned series: `Copy`, four bytes, valid on every recorder of its registry.
///
/// On another registry it means another series, the overflow series, or none that is shown; nothing worse happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series(u32);

impl Series {
    /// The series that takes the requests of all series for which the registry has no room.
    pub const OVERFLOW: Self = Self(0);

    pub(crate) const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}
