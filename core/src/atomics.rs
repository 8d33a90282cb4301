//! The atomics that this crate uses: those of `core`; those of portable-atomic if the target has none of 64 bits; those
//! of loom under the model checker.

pub(crate) mod owned;
pub(crate) mod stored_text;
pub(crate) mod words;

#[cfg(all(not(loom), target_has_atomic = "64"))]
pub(crate) use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(all(not(loom), not(target_has_atomic = "64")))]
pub(crate) use portable_atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// Makes a function `const`, except under loom, whose atomics cannot be made in a constant.
macro_rules! const_unless_loom {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])*
        $vis fn $($rest)*
    };
}
pub(crate) use const_unless_loom;

/// Keeps the words that one thread writes off the cache lines that another thread uses. Two lines (128 bytes), because
/// the prefetcher fetches them in pairs.
#[repr(align(128))]
#[derive(Debug)]
pub(crate) struct Padded<T>(pub(crate) T);

/// An array with one of these in each place, made in a constant but under loom.
macro_rules! each {
    ($value:expr; $count:expr) => {{
        #[cfg(not(loom))]
        let all = [const { $value }; $count];
        #[cfg(loom)]
        let all = core::array::from_fn(|_| $value);
        all
    }};
}
pub(crate) use each;

const_unless_loom! {
    /// Atomic words, all zero.
    pub(crate) fn zeros<const N: usize>() -> [AtomicU64; N] {
        each!(AtomicU64::new(0); N)
    }
}
