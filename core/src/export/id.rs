//! The number that ties an answer to the action that it answers.

/// The number of an action that was started. Each attempt has another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Id(u32);

/// Gives out numbers. None is given twice within four billion attempts.
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
