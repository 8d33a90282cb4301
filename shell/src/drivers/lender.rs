//! The trait through which a machine borrows the items or points that it works on.

use std::future::{Future, pending};

/// Lends what a machine works on, for one call at a time.
pub(crate) trait Lender: Send + 'static {
    /// What is lent.
    type Lent<'a>;

    /// Lends it to `ask`.
    fn lend<T>(&mut self, ask: impl FnOnce(&mut Self::Lent<'_>) -> T) -> T;

    /// Waits until there are `items` or more.
    fn wait_until_holds(&mut self, items: usize) -> impl Future<Output = ()> + Send {
        let _ = items;
        pending()
    }
}
