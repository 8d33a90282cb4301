//! Random numbers that the core is given.

use std::hash::{BuildHasher as _, RandomState};

/// A number from the keys that the operating system gives to this process's hash maps. A fork inherits them, but has
/// another process id.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_comes_twice() {
        assert_ne!(number(), number());
    }
}
