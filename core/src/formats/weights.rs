//! How many requests the items of a body stand for, where a point stands for many requests. A backend may say only how
//! many items it refused; this says how many requests those can have been.

/// Items whose requests are known one by one.
const KNOWN: usize = 16;

/// The requests that the items of one body stand for: all of them, and those of the sixteen heaviest.
///
/// ```
/// # use loaddensity_metrics_core::Weights;
/// let nothing = Weights::default();
/// assert_eq!((nothing.all(), nothing.heaviest(3)), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    all: u64,
    /// From the lightest to the heaviest.
    heaviest: [u64; KNOWN],
}

impl Weights {
    /// The requests of all items.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.all
    }

    /// The most requests that `items` of the items stand for; beyond sixteen, those of all. Where a backend refused as
    /// many and does not say which, no more than the rest has certainly arrived.
    #[must_use]
    pub fn heaviest(&self, items: u64) -> u64 {
        match usize::try_from(items) {
            Ok(items @ 0..=KNOWN) => self.heaviest[KNOWN - items..].iter().sum(),
            _ => self.all,
        }
    }

    /// One more item, of so many requests.
    #[inline]
    pub(crate) fn add(&mut self, requests: u64) {
        self.all += requests;
        if requests > self.heaviest[0] {
            self.insert(requests);
        }
    }

    /// Puts it in the place of the lightest, and in order.
    #[inline(never)]
    fn insert(&mut self, requests: u64) {
        let place = match requests > self.heaviest[KNOWN - 1] {
            true => KNOWN - 1,
            false => self.heaviest.partition_point(|known| *known < requests) - 1,
        };
        for at in 0..place {
            self.heaviest[at] = self.heaviest[at + 1];
        }
        self.heaviest[place] = requests;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_heaviest_are_those_of_a_sorted_list() {
        let mut random = 1_u64;
        let mut any = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % 50
        };
        let ascending: Vec<u64> = (0..40).collect();
        let descending: Vec<u64> = (0..40).rev().collect();
        let lists = (0..100).map(|length| (0..length).map(|_| any()).collect()).chain([ascending, descending]);
        for mut list in lists {
            let mut weights = Weights::default();
            list.iter().for_each(|requests| weights.add(*requests));
            list.sort_unstable_by(|one, other| other.cmp(one));
            let sum = |items: usize| list.iter().take(items).sum::<u64>();
            for items in 0..=KNOWN {
                assert_eq!(weights.heaviest(items as u64), sum(items), "{items} of {list:?}");
            }
            assert_eq!([17, u64::MAX].map(|items| weights.heaviest(items)), [sum(list.len()); 2]);
            assert_eq!(weights.all(), sum(list.len()));
        }
    }
}
