//! Where everything that is decided by chance comes from: a seed, or the bytes of a fuzzer.

use std::time::Duration;

use loaddensity_metrics_core::export::Random;

/// A sequence of decisions. The same seed, or the same bytes, give the same sequence.
#[derive(Clone, Debug)]
pub struct Choices(ChoiceSource);

#[derive(Clone, Debug)]
enum ChoiceSource {
    Seed(Random),
    /// Two bytes decide once. After the last one every decision is the first of its alternatives.
    Bytes {
        bytes: Vec<u8>,
        at: usize,
    },
}

impl Choices {
    /// The decisions of a seed.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self(ChoiceSource::Seed(Random::new(seed)))
    }

    /// The decisions that these bytes make.
    #[must_use]
    pub const fn of_bytes(bytes: Vec<u8>) -> Self {
        Self(ChoiceSource::Bytes { bytes, at: 0 })
    }

    /// How many requests a simulation has at least: as many as a fuzzer's bytes have something to say about, and many more where
    /// each number of a seed's is another.
    pub(crate) const fn requests(&self) -> usize {
        match self.0 {
            ChoiceSource::Seed(_) => 1_000,
            ChoiceSource::Bytes { .. } => 100,
        }
    }

    /// Decisions that take none of these away, so that what these decide stays what it was.
    pub(crate) fn apart(&self) -> Self {
        Self(match &self.0 {
            ChoiceSource::Seed(random) => ChoiceSource::Seed(Random::new(random.clone().next())),
            ChoiceSource::Bytes { bytes, .. } => {
                ChoiceSource::Bytes { bytes: bytes.iter().rev().copied().collect(), at: 0 }
            }
        })
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        match &mut self.0 {
            ChoiceSource::Seed(random) => random.below(end.max(1)),
            ChoiceSource::Bytes { bytes, at } => {
                let two = [*at, *at + 1].map(|at| bytes.get(at).copied().unwrap_or_default());
                *at += 2;
                usize::from(u16::from_le_bytes(two)) % end.max(1)
            }
        }
    }

    /// Whether something happens that does so in as many of 1,000 cases.
    pub fn happens(&mut self, of_a_thousand: usize) -> bool {
        // The first alternative is that it does not.
        of_a_thousand != 0 && 1_000 - of_a_thousand.min(1_000) <= self.below(1_000)
    }

    /// One of several.
    pub fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A time below `most`, in microseconds.
    pub fn time(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.below(usize::try_from(most.as_micros()).unwrap_or(usize::MAX)) as u64)
    }

    /// A number below `most` in one of three cases, else 0: most faults are absent from most runs.
    pub fn rarely(&mut self, most: usize) -> usize {
        if self.below(3) == 1 { self.below(most) } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_decides_alike_and_bytes_that_are_used_up_decide_for_the_first() {
        let decide = |mut choices: Choices| -> Vec<usize> { (1..50).map(|end| choices.below(end)).collect() };
        assert_eq!(decide(Choices::of_seed(7)), decide(Choices::of_seed(7)));
        assert_ne!(decide(Choices::of_seed(7)), decide(Choices::of_seed(8)));
        let mut bytes = Choices::of_bytes(vec![5, 0, 255]);
        assert_eq!([bytes.below(10), bytes.below(1_000), bytes.below(10)], [5, 255, 0]);
        assert!(!bytes.happens(999) && bytes.happens(1_000));
    }
}
