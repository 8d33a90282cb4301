//! Watermarks: which of the items that wait may have arrived, although no answer said so.

use heapless::Vec;

/// The most single items that are remembered. Where there is one more, all before it count as items that may have arrived.
const SINGLE: usize = 4;

/// The watermarks, counted from the first item. What is below one is dropped as `unconfirmed`, whatever the cause.
#[derive(Clone, Debug, Default)]
pub(super) struct Watermarks {
    /// So many may have arrived: no answer came, or one that leaves it open.
    silent: usize,
    /// So many may have arrived in part: the server failed over a body of several. An item that failed alone has not
    /// arrived: a server that fails over it has not stored it.
    failed: usize,
    /// Items that went out as a probe; none of them twice.
    single: Vec<usize, SINGLE>,
}

impl Watermarks {
    /// There is no answer for the first `items`.
    pub(super) fn silent(&mut self, items: usize) {
        self.silent = self.silent.max(items);
    }

    /// The server failed over a body of the first `items`.
    pub(super) fn failed(&mut self, items: usize) {
        if items > 1 {
            self.failed = self.failed.max(items);
        }
    }

    /// The item at `position` may have arrived.
    pub(super) fn single(&mut self, position: usize) {
        if !self.single.contains(&position) && self.single.push(position).is_err() {
            self.silent(position + 1);
        }
    }

    /// Whether none can have arrived.
    pub(super) fn are_clear(&self) -> bool {
        !self.may_hold(usize::MAX)
    }

    /// Whether any of the first `items` may have arrived.
    pub(super) fn may_hold(&self, items: usize) -> bool {
        self.silent.max(self.failed) != 0 || self.single.iter().any(|&position| position < items)
    }

    /// How many of the first `items`, which are at least one, are alike, and whether they may have arrived. `alone`: the
    /// first was sent alone and failed.
    pub(super) fn front(&self, items: usize, alone: bool) -> (usize, bool) {
        let below = if alone { self.silent } else { self.silent.max(self.failed) };
        match self.single.iter().min() {
            _ if below != 0 => (below.min(items), true),
            Some(0) => (1, true),
            Some(&next) => (next.min(items), false),
            None => (items, false),
        }
    }

    /// The first `items` have left.
    pub(super) fn advance(&mut self, items: usize) {
        self.silent = self.silent.saturating_sub(items);
        self.failed = self.failed.saturating_sub(items);
        self.single.retain(|&position| position >= items);
        self.single.iter_mut().for_each(|position| *position -= items);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    /// How ten items would be dropped: runs of how many, and whether they may have arrived.
    fn runs(mut watermarks: Watermarks) -> std::vec::Vec<(usize, bool)> {
        let (mut left, mut runs) = (10, std::vec::Vec::new());
        while left != 0 {
            let (items, may) = watermarks.front(left, false);
            watermarks.advance(items);
            runs.push((items, may));
            left -= items;
        }
        runs
    }

    #[test]
    fn what_is_below_a_mark_may_have_arrived() {
        let mut watermarks = Watermarks::default();
        assert!(watermarks.are_clear());
        assert_eq!(runs(watermarks.clone()), [(10, false)]);
        watermarks.silent(3);
        watermarks.failed(1);
        assert_eq!(runs(watermarks.clone()), [(3, true), (7, false)]);
        watermarks.failed(5);
        watermarks.silent(2);
        assert_eq!(runs(watermarks.clone()), [(5, true), (5, false)]);
        assert_eq!((watermarks.front(1, true), watermarks.may_hold(1)), ((1, true), true));
        watermarks.advance(3);
        assert_eq!((watermarks.front(1, true), watermarks.front(1, false)), ((1, false), (1, true)), "it failed alone");
        watermarks.advance(2);
        assert!(watermarks.are_clear());
        watermarks.failed(1);
        assert!(watermarks.are_clear(), "the server has not stored the one that it failed over");
    }

    #[test]
    fn single_items_are_remembered_and_where_there_are_too_many_all_before_them() {
        let mut watermarks = Watermarks::default();
        for position in [7, 2, 7] {
            watermarks.single(position);
        }
        assert!(!watermarks.may_hold(2) && watermarks.may_hold(3) && !watermarks.are_clear());
        assert_eq!(runs(watermarks.clone()), [(2, false), (1, true), (4, false), (1, true), (2, false)]);
        watermarks.single(0);
        watermarks.single(9);
        assert_eq!(runs(watermarks.clone())[0], (1, true));
        watermarks.single(4);
        assert_eq!(runs(watermarks), [(5, true), (2, false), (1, true), (1, false), (1, true)]);
    }
}
