//! The observation: a counter of the engine's own that was raised, or a value of a histogram, on its way to exporters that send
//! each by itself.

use crate::metrics::InstrumentKind;
use crate::metrics::handles::ObservedInstrument;
use crate::registry::ring::OBSERVATION_WORDS;
use crate::request::sample::Timestamp;
use crate::request::series::Series;

/// One observation, 24 bytes.
///
/// The default value fills the empty places in the buffer of a [`Sink`](crate::Sink). A sink never returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The series; the overflow series for an instrument of the run.
    pub series: Series,
    /// Which instrument it is of.
    pub(crate) of: ObservedInstrument,
    /// By how much the counter was raised, or the value: nanoseconds for times, else units.
    pub value: u64,
    /// The time of the drain. Among observations that come from the pump, it is unique.
    pub observed_at: Timestamp,
}

const INDEX_SHIFT: u32 = 32;
const KIND_SHIFT: u32 = 48;

impl Default for Observation {
    fn default() -> Self {
        Self::from_words([0; OBSERVATION_WORDS])
    }
}

impl Observation {
    /// What a recorder puts into its ring, of the instrument with an index among those of this kind, and of a series: the time
    /// comes when it is taken out.
    #[inline(always)]
    pub(crate) const fn words(
        kind: InstrumentKind,
        (index, series): (u32, u32),
        value: u64,
    ) -> [u64; OBSERVATION_WORDS] {
        // One half of the word at a time: a constant of 64 bits takes an instruction of its own.
        let of = index | (matches!(kind, InstrumentKind::Histogram) as u32) << (KIND_SHIFT - INDEX_SHIFT);
        [series as u64 | (of as u64) << INDEX_SHIFT, value]
    }

    pub(crate) const fn from_words([head, value]: [u64; OBSERVATION_WORDS]) -> Self {
        let kind = if head >> KIND_SHIFT & 1 == 0 { InstrumentKind::Counter } else { InstrumentKind::Histogram };
        Self {
            series: Series::from_number(head as u32),
            of: ObservedInstrument { kind, index: (head >> INDEX_SHIFT) as u16 },
            value,
            observed_at: Timestamp::from_unix_nanos(0),
        }
    }
}

const _: () = assert!(size_of::<Observation>() == 24, "buffers of observations are sized for this");

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_observation_survives_its_words() {
        for kind in [InstrumentKind::Counter, InstrumentKind::Histogram] {
            for (series, index, value) in [(0, 0, 0), (u32::MAX, 1_022, u64::MAX), (7, 3, 1 << 50)] {
                let of = ObservedInstrument { kind, index };
                let read = Observation::from_words(Observation::words(kind, (index.into(), series), value));
                assert_eq!((read.series.number(), read.of, read.value), (series, of, value));
                assert_eq!(read.observed_at, Timestamp::default());
            }
        }
    }
}
