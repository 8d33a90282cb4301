//! The orders of loads and stores that lanes rest on, by name, so that `ci/orderings.sh` can take them away one at a time
//! and see a model fail.

use crate::atomics::{Ordering, fence};

/// Of the store that carries.
pub(crate) const WIDE_STORE: Ordering = unless_removed("wide_store", Ordering::Release);
/// Of a reader's first look at a wide word.
pub(crate) const WIDE_LOAD: Ordering = unless_removed("wide_load", Ordering::Acquire);

/// Between a carry and the lane's next stores.
#[inline(always)]
pub(crate) fn fence_after_carry() {
    if !is_removed("fence_after_carry") {
        fence(Ordering::Release);
    }
}

/// Between a reader's look at a lane and its second look at the wide word.
#[inline(always)]
pub(crate) fn fence_before_second_look() {
    if !is_removed("fence_before_second_look") {
        fence(Ordering::Acquire);
    }
}

/// Between a reader's look at lanes and its second look at whether wide words are in use.
#[inline(always)]
pub(crate) fn fence_after_narrow() {
    if !is_removed("fence_after_narrow") {
        fence(Ordering::Acquire);
    }
}

/// Between the claim of a shard and the first lane that its new owner stores.
#[inline(always)]
pub(crate) fn fence_after_claim() {
    if !is_removed("fence_after_claim") {
        fence(Ordering::Release);
    }
}

const fn unless_removed(name: &str, order: Ordering) -> Ordering {
    if is_removed(name) { Ordering::Relaxed } else { order }
}

/// Whether the models are compiled without this order.
const fn is_removed(name: &str) -> bool {
    let removed = if cfg!(loom) { option_env!("WITHOUT_ORDER") } else { None };
    match removed {
        Some(removed) => is_equal(name.as_bytes(), removed.as_bytes()),
        None => false,
    }
}

const fn is_equal(mut a: &[u8], mut b: &[u8]) -> bool {
    while let ([first, rest @ ..], [other, others @ ..]) = (a, b) {
        if *first != *other {
            return false;
        }
        (a, b) = (rest, others);
    }
    a.is_empty() && b.is_empty()
}
