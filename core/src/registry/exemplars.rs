//! Exemplars: for each series, outcome and latency bucket, one request whose trace tells more about it.
//!
//! Each has one slot, which all recorders share. If another thread is writing the slot, a thread goes on without
//! writing: any request of the bucket is as good an exemplar as another. The sequence number of a slot is odd while its
//! words are written. A reader whose words may be from two writers reads again.

use crate::atomics::{AtomicU64, Ordering, fence};
use crate::counts::bounds::Bounds;
use crate::registry::Registry;
use crate::request::sample::{Outcome, Timestamp};
use crate::request::series::Series;

/// The span of a request, as W3C Trace Context names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The trace's id, in the byte order of its hexadecimal text. All zero means that there is no trace.
    pub trace_id: [u8; 16],
    /// The span's id, in the same order. All zero means that the span is not known.
    pub span_id: [u8; 8],
}

impl TraceContext {
    /// Whether there is a trace.
    #[must_use]
    pub const fn is_some(&self) -> bool {
        u128::from_ne_bytes(self.trace_id) != 0
    }
}

/// A request of one bucket, and its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exemplar {
    /// The trace of the request. There always is one.
    pub trace: TraceContext,
    /// The latency in nanoseconds. It is inside the bucket.
    pub latency_ns: u64,
    /// When the request was completed; zero if the engine did not say.
    pub at: Timestamp,
}

impl Registry<'_> {
    /// The latest exemplar of one series, one outcome and one latency bucket. `bucket` counts from 0; the last bucket
    /// is the one above the last bound. `None` if there is no exemplar, or if another thread is writing it just now.
    ///
    /// There are 12 slots, as many as the default bounds make buckets. With more buckets, those that are 12 apart share
    /// a slot.
    #[must_use]
    pub fn exemplar(self, series: Series, outcome: Outcome, bucket: usize) -> Option<Exemplar> {
        // Relaxed: a reader that misses the newest value misses only the first exemplar.
        if self.parts.control.traced.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let words = self.parts.seldom.exemplars().get(series.index())?;
        let [sequence, words @ ..] = slot(words, outcome, bucket)?;
        let exemplar = Exemplar::from_words(read(sequence, words)?);
        let is_inside = is_inside(&self.bounds(), bucket, exemplar.latency_ns);
        is_inside.then_some(exemplar)
    }

    /// Whether there has ever been an exemplar.
    pub(crate) fn has_exemplars(self) -> bool {
        // Relaxed, as in `exemplar`.
        self.parts.control.traced.load(Ordering::Relaxed) != 0
    }

    /// Keeps an exemplar of a bucket, unless another thread is writing its slot. The handle of another registry stands
    /// for the overflow series, as when a request is counted.
    pub(crate) fn keep_exemplar(self, series: Series, outcome: Outcome, bucket: usize, exemplar: Exemplar) {
        let (traced, exemplars) = (&self.parts.control.traced, self.parts.seldom.exemplars());
        // Relaxed, twice: readers need only the flag itself. The sequence of a slot publishes its words.
        if traced.load(Ordering::Relaxed) == 0 {
            traced.store(1, Ordering::Relaxed);
        }
        let words = exemplars.get(series.index()).filter(|_| self.entry(series).is_published());
        let slot = words.or_else(|| exemplars.first()).and_then(|words| slot(words, outcome, bucket));
        if let Some([sequence, words @ ..]) = slot {
            write(sequence, words, exemplar.to_words());
        }
    }
}

/// The words of one series, all zero at first: 1,152 bytes.
pub(crate) type ExemplarWords = [AtomicU64; 2 * SLOTS * SLOT];

/// The sequence number of one exemplar, and after it the exemplar's words.
type ExemplarSlot = [AtomicU64; SLOT];

/// Slots of one outcome.
const SLOTS: usize = 12;
/// Words of one slot.
const SLOT: usize = 6;
/// How often a reader tries to read a slot that others write.
const READS: u32 = if cfg!(loom) { 2 } else { 8 };

impl Exemplar {
    fn to_words(self) -> [u64; SLOT - 1] {
        let trace = u128::from_be_bytes(self.trace.trace_id);
        let span = u64::from_be_bytes(self.trace.span_id);
        [(trace >> 64) as u64, trace as u64, span, self.latency_ns, self.at.as_unix_nanos()]
    }

    fn from_words([high, low, span, latency_ns, at]: [u64; SLOT - 1]) -> Self {
        let trace = u128::from(high) << 64 | u128::from(low);
        Self {
            trace: TraceContext { trace_id: trace.to_be_bytes(), span_id: span.to_be_bytes() },
            latency_ns,
            at: Timestamp::from_unix_nanos(at),
        }
    }
}

fn slot(words: &ExemplarWords, outcome: Outcome, bucket: usize) -> Option<&ExemplarSlot> {
    words.as_chunks().0.get(outcome.index() * SLOTS + bucket % SLOTS)
}

/// Whether this latency belongs to this bucket. The slot may hold the exemplar of another bucket.
fn is_inside(bounds: &Bounds, bucket: usize, latency_ns: u64) -> bool {
    let upper = &bounds.buckets()[..bounds.latency_buckets()];
    let exceeds = |bound: Option<&u64>| bound.is_none_or(|bound| latency_ns > *bound);
    upper.get(bucket).is_some_and(|bound| latency_ns <= *bound)
        && exceeds(bucket.checked_sub(1).and_then(|below| upper.get(below)))
}

/// Writes a slot, unless another thread is writing it.
pub(crate) fn write<const N: usize>(sequence: &AtomicU64, words: &[AtomicU64; N], values: [u64; N]) {
    // Relaxed: the exchange below decides.
    let before = sequence.load(Ordering::Relaxed);
    // Acquire pairs with the release below: the words of the former writer are stored before the words of this one.
    let is_mine = before.is_multiple_of(2)
        && sequence.compare_exchange(before, before.wrapping_add(1), Ordering::Acquire, Ordering::Relaxed).is_ok();
    if !is_mine {
        return;
    }
    // Release pairs with the acquire fence in `read`: a reader that has seen one of these words sees the odd sequence
    // too.
    fence(Ordering::Release);
    for (word, value) in words.iter().zip(values) {
        word.store(value, Ordering::Relaxed);
    }
    // Release: a reader that sees this sequence sees all the words.
    sequence.store(before.wrapping_add(2), Ordering::Release);
}

/// The words of a slot, all from the same writer. `None` before the first writer, or if writers come too often.
pub(crate) fn read<const N: usize>(sequence: &AtomicU64, words: &[AtomicU64; N]) -> Option<[u64; N]> {
    for _ in 0..READS {
        // Acquire pairs with the release at the end of `write`.
        let before = sequence.load(Ordering::Acquire);
        if before == 0 {
            return None;
        }
        let values = core::array::from_fn(|i| words[i].load(Ordering::Relaxed));
        // Acquire pairs with the release fence in `write`.
        fence(Ordering::Acquire);
        if before.is_multiple_of(2) && sequence.load(Ordering::Relaxed) == before {
            return Some(values);
        }
    }
    None
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::registry::storage::{Classic, Storage};
    use crate::request::sample::Sample;
    use core::time::Duration;

    fn trace(number: u8) -> TraceContext {
        TraceContext { trace_id: core::array::from_fn(|i| number + i as u8), span_id: [number; 8] }
    }

    fn sample(latency_ms: u64) -> Sample {
        let at = Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + latency_ms);
        Sample::ok(Duration::from_millis(latency_ms)).completed_at(at)
    }

    #[test]
    fn the_latest_traced_request_of_each_bucket_is_its_exemplar() {
        let storage = Storage::<4, 1, 2, Classic>::new();
        let registry = storage.registry();
        let mut recorder = registry.recorder();
        let series = recorder.series("GET", "/items");
        let failure = |latency_ms| {
            Sample::failed(Duration::from_millis(latency_ms)).completed_at(sample(latency_ms).completed_at)
        };
        let all = |outcome| (0..13).map(move |bucket| registry.exemplar(series, outcome, bucket));
        recorder.record(series, sample(1));
        recorder.record_traced(series, sample(1), TraceContext { trace_id: [0; 16], span_id: [1; 8] });
        assert!(Outcome::ALL.into_iter().flat_map(all).all(|exemplar| exemplar.is_none()));

        recorder.record_traced(series, sample(6), trace(1));
        recorder.record_traced(series, sample(10), trace(2));
        recorder.record(series, sample(7));
        recorder.record_traced(series, sample(20_000), trace(3));
        recorder.record_traced(series, failure(5), trace(4));
        let kept = |number, latency_ms| Exemplar {
            trace: trace(number),
            latency_ns: latency_ms * 1_000_000,
            at: sample(latency_ms).completed_at,
        };
        for bucket in 0..13 {
            let success = [(1, kept(2, 10)), (11, kept(3, 20_000))].into_iter().find(|(at, _)| *at == bucket);
            let failure = (bucket == 0).then(|| kept(4, 5));
            assert_eq!(registry.exemplar(series, Outcome::Success, bucket), success.map(|(_, kept)| kept), "{bucket}");
            assert_eq!(registry.exemplar(series, Outcome::Failure, bucket), failure, "{bucket}");
        }
        assert!((0..12).all(|bucket| registry.exemplar(Series::OVERFLOW, Outcome::Success, bucket).is_none()));
        assert_eq!(registry.totals().requests(), 7);
    }

    #[test]
    fn buckets_that_share_a_slot_show_only_their_own_exemplar() {
        let storage = Storage::<4, 1, 2>::new();
        let registry = storage.registry();
        let bounds: [Duration; 30] = core::array::from_fn(|i| Duration::from_millis(i as u64 + 1));
        registry.set_bounds(&Bounds::new(&bounds, &[]).unwrap()).unwrap();
        let mut recorder = registry.recorder();
        let series = recorder.series("GET", "/items");
        for latency_ms in 1..=31 {
            recorder.record_traced(series, sample(latency_ms), trace(latency_ms as u8));
            for bucket in 0..32 {
                let exemplar = registry.exemplar(series, Outcome::Success, bucket);
                let age = latency_ms.checked_sub(bucket as u64 + 1);
                let expected = age.filter(|age| *age < 12).map(|_| trace(bucket as u8 + 1));
                assert_eq!(exemplar.map(|exemplar| exemplar.trace), expected, "{bucket} after {latency_ms} ms");
            }
        }
    }

    #[test]
    fn the_handle_of_another_registry_leaves_its_exemplar_with_the_overflow_series() {
        let other = Storage::<64, 1, 2, Classic>::new();
        let foreign = (0..60_u8).map(|i| other.registry().series("GET", core::str::from_utf8(&[b'0' + i]).unwrap()));
        let foreign = foreign.last().unwrap();
        for series in [foreign, Series::from_number(3)] {
            let storage = Storage::<8, 1, 2, Classic>::new();
            let registry = storage.registry();
            registry.recorder().record_traced(series, sample(1), trace(9));
            let exemplar = registry.exemplar(Series::OVERFLOW, Outcome::Success, 0);
            assert_eq!(exemplar.map(|exemplar| exemplar.trace), Some(trace(9)));
            assert_eq!(registry.exemplar(series, Outcome::Success, 0), None);
        }
    }
}
