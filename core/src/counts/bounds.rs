//! The bounds of the classic buckets: LoadDensity's, or those that an engine sets.

use core::fmt;
use core::time::Duration;

use crate::atomics::{AtomicU64, Ordering, const_unless_loom, zeros};
use crate::request::sample::{MAX_LATENCY_NS, MAX_RESPONSE_BYTES};

/// The most bounds of latency and size together.
pub const MAX_BOUNDS: usize = 44;
/// Buckets of latency and size together, those above the last bounds included.
pub(crate) const BUCKETS: usize = MAX_BOUNDS + 2;

/// Upper bounds of the classic buckets, inclusive: of latencies in nanoseconds, of sizes in bytes.
///
/// How many there are makes no difference to what a request costs, but a request that falls close to two of them takes some
/// comparisons more: within 1.6 %, the bounds of exponential buckets included, or within 6 % in
/// [`Classic`](crate::Classic) storage. Of latencies from 1 ms to 20 s, spread evenly over their logarithms, none does so
/// with the contract's bounds, which are also the default of Prometheus' clients; 0.1 % do with OpenTelemetry's
/// default, and 0.6 % with 40 bounds that are 6 % apart. In `Classic` storage none does with any of these.
///
/// ```
/// use core::time::Duration;
/// use loaddensity_metrics_core::{Bounds, Storage};
///
/// static STORAGE: Storage<100, 4, 1024> = Storage::new();
/// let bounds = Bounds::new(&[1, 2, 5, 10, 100].map(Duration::from_millis), &[1_000, 1_000_000])?;
/// STORAGE.registry().set_bounds(&bounds)?;
/// assert_eq!(STORAGE.registry().bounds(), bounds);
/// # Ok::<(), loaddensity_metrics_core::BoundsError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Latency's bounds and [`ABOVE`], then size's and [`ABOVE`], then zeros.
    buckets: [u64; BUCKETS],
    latency_buckets: u8,
    size_buckets: u8,
}

/// The bound of the last bucket, which has no upper limit. No value exceeds it.
const ABOVE: u64 = u64::MAX;

impl Bounds {
    /// LoadDensity's: 5 ms to 10 s, 64 B to 1 MiB.
    pub const CONTRACT: Self = {
        let latency_ms = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];
        let size = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576];
        let mut buckets = [0; BUCKETS];
        let mut i = 0;
        while i < latency_ms.len() {
            buckets[i] = latency_ms[i] * 1_000_000;
            i += 1;
        }
        buckets[i] = ABOVE;
        let mut j = 0;
        while j < size.len() {
            buckets[i + 1 + j] = size[j];
            j += 1;
        }
        buckets[i + 1 + j] = ABOVE;
        Self { buckets, latency_buckets: i as u8 + 1, size_buckets: j as u8 + 1 }
    };

    /// The bounds of these two lists. Each list may be empty.
    ///
    /// # Errors
    /// If there are more than [`MAX_BOUNDS`] together, if a bound is zero or above the largest value that is recorded
    /// (a day, 1 PiB), or if a bound does not exceed the one before it.
    pub fn new(latency: &[Duration], size: &[u64]) -> Result<Self, BoundsError> {
        if latency.len() + size.len() > MAX_BOUNDS {
            return Err(BoundsError::TooMany(latency.len() + size.len()));
        }
        let mut bounds = Self { buckets: [0; BUCKETS], latency_buckets: 0, size_buckets: 0 };
        let nanos = latency.iter().map(|bound| u64::try_from(bound.as_nanos()).unwrap_or(ABOVE));
        bounds.latency_buckets = fill(&mut bounds.buckets, nanos, MAX_LATENCY_NS, Quantity::Latency)?;
        let sizes = &mut bounds.buckets[bounds.latency_buckets.into()..];
        bounds.size_buckets = fill(sizes, size.iter().copied(), MAX_RESPONSE_BYTES, Quantity::Size)?;
        Ok(bounds)
    }

    /// The bounds of the latency buckets in nanoseconds. There is one more bucket, above the last bound.
    #[must_use]
    pub fn latency_ns(&self) -> &[u64] {
        self.lists().0
    }

    /// The bounds of the size buckets in bytes. There is one more bucket, above the last bound.
    #[must_use]
    pub fn size(&self) -> &[u64] {
        self.lists().1
    }

    /// The bounds of latencies and of sizes.
    fn lists(&self) -> (&[u64], &[u64]) {
        let (latency, rest) = self.buckets.split_at_checked(self.latency_buckets()).unwrap_or_default();
        let size = rest.get(..self.size_buckets()).unwrap_or_default();
        // The last of each is above all.
        let [latency, size] = [latency, size].map(|list| list.split_last().map_or(list, |(_, bounds)| bounds));
        (latency, size)
    }

    /// Latency's buckets, the one above the last bound included.
    pub(crate) const fn latency_buckets(&self) -> usize {
        self.latency_buckets as usize
    }

    /// Size's buckets, the one above the last bound included.
    pub(crate) const fn size_buckets(&self) -> usize {
        self.size_buckets as usize
    }

    /// Bounds of all buckets, latency's before size's; those above the last bound have the largest number.
    pub(crate) const fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self::CONTRACT
    }
}

impl fmt::Debug for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounds").field("latency_ns", &self.latency_ns()).field("size", &self.size()).finish()
    }
}

/// What is measured of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// In nanoseconds.
    Latency,
    /// In bytes.
    Size,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Latency => "latency",
            Self::Size => "size",
        })
    }
}

/// Why bounds cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundsError {
    /// More than [`MAX_BOUNDS`] of latency and size together.
    TooMany(usize),
    /// The bound at this position, from 0, is zero or larger than what is recorded.
    Range(Quantity, usize),
    /// The bound at this position, from 0, is not larger than the one before it.
    Order(Quantity, usize),
    /// The registry counts with other bounds already.
    InUse,
}

impl fmt::Display for BoundsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(n) => write!(f, "{n} bounds of latency and size together; choose {MAX_BOUNDS} or fewer"),
            Self::Range(Quantity::Latency, at) => {
                write!(f, "latency bound {at} (from 0) is not between 1 ns and a day")
            }
            Self::Range(Quantity::Size, at) => write!(f, "size bound {at} (from 0) is not between 1 byte and 1 PiB"),
            Self::Order(quantity, at) => {
                write!(f, "{quantity} bound {at} (from 0) is not larger than the one before it; sort them")
            }
            Self::InUse => f.write_str(
                "the registry counts with other bounds already; set them before the first recorder, exporter or reading",
            ),
        }
    }
}

impl core::error::Error for BoundsError {}

/// The bounds of a registry. They are fixed once: by the first who sets them, or as LoadDensity's by the first who
/// reads them.
#[derive(Debug)]
pub(crate) struct BoundsWords {
    /// Whether they are fixed. The bytes above hold the numbers of buckets.
    state: AtomicU64,
    /// A word is zero until it is decided.
    buckets: [AtomicU64; BUCKETS],
}

const OPEN: u64 = 0;
const CONTRACT: u64 = 1;
/// Set, with latency's buckets in the second byte and size's in the third.
const SET: u64 = 2;

impl BoundsWords {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self { state: AtomicU64::new(OPEN), buckets: zeros() }
        }
    }

    /// The bounds. From now on they are fixed.
    pub(crate) fn get(&self) -> Bounds {
        let state = self.settled();
        if state == CONTRACT {
            return Bounds::CONTRACT;
        }
        Bounds {
            // Relaxed: the acquire load of the state came before.
            buckets: core::array::from_fn(|i| self.buckets[i].load(Ordering::Relaxed)),
            latency_buckets: (state >> 8) as u8,
            size_buckets: (state >> 16) as u8,
        }
    }

    /// Threads that set the same bounds at one time help each other; of those that set different ones, one is told that
    /// they are in use.
    pub(crate) fn set(&self, bounds: &Bounds) -> Result<(), BoundsError> {
        let counts = u64::from(bounds.latency_buckets) << 8 | u64::from(bounds.size_buckets) << 16;
        // Relaxed: this only saves work if the bounds are fixed already.
        if self.state.load(Ordering::Relaxed) == OPEN {
            if !self.take_buckets(bounds) {
                return Err(BoundsError::InUse);
            }
            // Release publishes the words. It fails if another thread has set the same bounds or fixed LoadDensity's.
            let _ = self.state.compare_exchange(OPEN, SET | counts, Ordering::Release, Ordering::Relaxed);
        }
        if self.get() == *bounds { Ok(()) } else { Err(BoundsError::InUse) }
    }

    /// Whether the words hold these bounds. If they held none, they hold these from now on. Each word is decided once,
    /// in order. No list of bounds is the beginning of another, because both parts of a list end with [`ABOVE`].
    fn take_buckets(&self, bounds: &Bounds) -> bool {
        let count = bounds.latency_buckets() + bounds.size_buckets();
        self.buckets.iter().zip(bounds.buckets()).take(count).all(|(word, &wanted)| {
            // Release publishes the words before this one, which were read or written here. Acquire on failure pairs
            // with the release of the thread that decided this word.
            match word.compare_exchange(0, wanted, Ordering::Release, Ordering::Acquire) {
                Ok(_) => true,
                Err(decided) => decided == wanted,
            }
        })
    }

    fn settled(&self) -> u64 {
        // Acquire, twice: it pairs with the release in `set`.
        match self.state.load(Ordering::Acquire) {
            OPEN => match self.state.compare_exchange(OPEN, CONTRACT, Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) => CONTRACT,
                Err(now) => now,
            },
            state => state,
        }
    }
}

/// Writes `bounds` and [`ABOVE`] to the front of `buckets`; returns how many that are.
fn fill(
    buckets: &mut [u64],
    bounds: impl Iterator<Item = u64>,
    largest: u64,
    quantity: Quantity,
) -> Result<u8, BoundsError> {
    let (mut before, mut count) = (0, 0);
    for (at, bound) in bounds.enumerate() {
        if !(1..=largest).contains(&bound) {
            return Err(BoundsError::Range(quantity, at));
        }
        if bound <= before {
            return Err(BoundsError::Order(quantity, at));
        }
        buckets[at] = bound;
        before = bound;
        count = at + 1;
    }
    buckets[count] = ABOVE;
    Ok(count as u8 + 1)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use core::array::from_fn;

    #[test]
    fn bounds_are_checked() {
        let millis = |numbers: &[u64]| -> [Duration; 3] { from_fn(|i| Duration::from_millis(numbers[i])) };
        assert_eq!(Bounds::new(&millis(&[1, 3, 2]), &[]), Err(BoundsError::Order(Quantity::Latency, 2)));
        assert_eq!(Bounds::new(&millis(&[0, 1, 2]), &[]), Err(BoundsError::Range(Quantity::Latency, 0)));
        assert_eq!(Bounds::new(&[Duration::MAX], &[]), Err(BoundsError::Range(Quantity::Latency, 0)));
        assert_eq!(Bounds::new(&[], &[5, 5]), Err(BoundsError::Order(Quantity::Size, 1)));
        assert_eq!(Bounds::new(&[], &[1 << 51]), Err(BoundsError::Range(Quantity::Size, 0)));
        assert_eq!(Bounds::new(&[], &from_fn::<u64, 45, _>(|i| i as u64 + 1)), Err(BoundsError::TooMany(45)));
        let most = Bounds::new(&from_fn::<_, 40, _>(|i| Duration::from_nanos(i as u64 + 1)), &[1, 2, 3, 4]).unwrap();
        assert_eq!((most.latency_ns().len(), most.size()), (40, &[1, 2, 3, 4][..]));
        let none = Bounds::new(&[], &[]).unwrap();
        assert_eq!((none.latency_ns(), none.size()), (&[][..], &[][..]));
    }

    #[test]
    fn the_first_who_sets_or_reads_the_bounds_fixes_them() {
        let own = Bounds::new(&[Duration::from_millis(7)], &[8, 9]).unwrap();
        let words = BoundsWords::new();
        assert_eq!((words.set(&own), words.get()), (Ok(()), own));
        assert_eq!((words.set(&own), words.set(&Bounds::CONTRACT)), (Ok(()), Err(BoundsError::InUse)));
        let words = BoundsWords::new();
        assert_eq!((words.get(), words.set(&own)), (Bounds::CONTRACT, Err(BoundsError::InUse)));
        assert_eq!((words.set(&Bounds::CONTRACT), words.get()), (Ok(()), Bounds::CONTRACT));
    }
}
