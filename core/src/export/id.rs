//! What ties an answer to what was asked.

/// The number of something that was started: of each attempt another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Id(u32);

/// Gives numbers, each of which no other has for four billion attempts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ids {
    last: u32,
}

impl Ids {
    /// The number of what is started next.
    pub const fn next(&mut self) -> Id {
        self.last = self.last.wrapping_add(1);
        Id(self.last)
    }

    /// Whether `id` is of what was started last.
    #[must_use]
    pub const fn is_last(&self, id: Id) -> bool {
        id.0 == self.last
    }
}
