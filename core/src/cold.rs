//! A word for the compiler.

/// Tells the compiler that a branch is hardly ever taken, as `core::hint::cold_path` does, which needs Rust 1.95.
/// Both make the same machine code.
#[cold]
#[inline]
pub(crate) const fn cold_path() {}
