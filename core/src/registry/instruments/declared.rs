//! The instruments that were declared. Whoever declares one takes a lock; readers wait for nobody.

use core::fmt;

use crate::atomics::{AtomicU64, Ordering, const_unless_loom};
use crate::metrics::InstrumentKind;
use crate::metrics::handles::{self, ObservedInstrument};
use crate::metrics::produced_names::clash;
use crate::registry::instruments::declaration::{
    self, Declaration, Declared, DeclaredWords, InstrumentShape, Reach, StoredInstrument,
};
use crate::registry::instruments::instrument_error::InstrumentError;

/// What a registry has once of its instruments.
#[derive(Debug)]
pub(crate) struct InstrumentControl {
    /// Whether somebody declares.
    lock: AtomicU64,
    /// Instruments that are declared.
    count: AtomicU64,
    /// What is in the handles of this registry; 0 until it is asked for.
    tag: AtomicU64,
    /// Observations with handles of other registries.
    pub(crate) unknown: AtomicU64,
}

impl InstrumentControl {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self { lock: AtomicU64::new(0), count: AtomicU64::new(0), tag: AtomicU64::new(0), unknown: AtomicU64::new(0) }
        }
    }
}

/// A registry's instruments.
#[derive(Clone, Copy)]
pub(crate) struct Instruments<'a> {
    pub(crate) control: &'a InstrumentControl,
    /// For as many counters and histograms as there is room for. What is declared first is first, whatever it is: one list in
    /// two parts.
    pub(crate) words: [&'a [DeclaredWords]; 2],
}

impl<'a> Instruments<'a> {
    /// Whether there is room for any.
    pub(crate) const fn has_room(self) -> bool {
        let [first, second] = self.words;
        first.len() + second.len() != 0
    }

    /// How many counters or histograms there is room for.
    pub(crate) const fn room(self, kind: InstrumentKind) -> usize {
        let [counters, histograms] = self.words;
        match kind {
            InstrumentKind::Counter => counters.len(),
            InstrumentKind::Histogram => histograms.len(),
        }
    }

    /// How many are declared.
    pub(crate) fn count(self) -> usize {
        // Acquire pairs with the release in `declare`.
        self.control.count.load(Ordering::Acquire) as usize
    }

    /// Those that are declared, in that order.
    pub(crate) fn each(self) -> impl Iterator<Item = Declared> + use<'a> {
        let [first, second] = self.words;
        first.iter().chain(second).take(self.count()).map(Declared::read)
    }

    /// Of each the shape, and its index among those of its kind: without its texts, which take long to read.
    pub(crate) fn shapes(self) -> impl Iterator<Item = (InstrumentShape, usize)> + use<'a> {
        let [first, second] = self.words;
        first.iter().chain(second).take(self.count()).map(InstrumentShape::read)
    }

    /// The one at this place in that order.
    pub(crate) fn nth(self, place: usize) -> Option<Declared> {
        let is_declared = place < self.count();
        self.word_at(place).filter(|_| is_declared).map(Declared::read)
    }

    /// The shape of that one, and its index among those of its kind: for readers that look at many and use few.
    pub(crate) fn shape_at(self, place: usize) -> Option<(InstrumentShape, usize)> {
        let is_declared = place < self.count();
        self.word_at(place).filter(|_| is_declared).map(InstrumentShape::read)
    }

    /// The one that an observation is of.
    #[inline]
    pub(crate) fn observed(self, of: ObservedInstrument) -> Option<StoredInstrument<'a>> {
        let count = self.count();
        let place = declaration::noted_place(self.word_at(of.index.into())?, of.kind)?;
        self.word_at(place).filter(|_| place < count).map(StoredInstrument::read)
    }

    #[inline]
    fn word_at(self, place: usize) -> Option<&'a DeclaredWords> {
        let [first, second] = self.words;
        first.get(place).or_else(|| second.get(place.checked_sub(first.len())?))
    }

    /// What is in the handles of this registry. Of one without room for instruments: what is in no handle.
    pub(crate) fn tag(self) -> u32 {
        if !self.has_room() {
            return handles::NONE;
        }
        // Relaxed: only this word matters; it publishes no other.
        let known = match self.control.tag.load(Ordering::Relaxed) {
            0 => {
                let tag = handles::tag(next_number()).into();
                let decided = self.control.tag.compare_exchange(0, tag, Ordering::Relaxed, Ordering::Relaxed);
                decided.map_or_else(|decided| decided, |_| tag)
            }
            known => known,
        };
        known as u32
    }

    /// The handle of this instrument, declared now unless it was. `is_free` says whether nothing but instruments has its names.
    pub(crate) fn declare(
        self,
        wanted: &Declaration<'_>,
        is_free: impl FnOnce() -> bool,
    ) -> Result<u32, InstrumentError> {
        if let Some(known) = self.find(wanted) {
            return known;
        }
        let kind = wanted.shape.kind;
        let full = InstrumentError::Full(kind, self.room(kind));
        self.alone(|| {
            // Another thread may just have declared it.
            if let Some(known) = self.find(wanted) {
                return known;
            }
            if !is_free() {
                return Err(InstrumentError::Taken);
            }
            let count = self.count();
            let index = self.each().filter(|declared| declared.shape.kind == kind).count();
            match self.word_at(count) {
                Some(words) if index < self.room(kind) => {
                    wanted.write(words, index);
                    if let Some(words) = self.word_at(index) {
                        declaration::note_place(words, kind, count);
                    }
                    // Release publishes the words.
                    self.control.count.store(count as u64 + 1, Ordering::Release);
                    Ok(self.handle(wanted.shape.reach, index))
                }
                _ => Err(full),
            }
        })
    }

    /// The handle of a declared instrument that is the same; an error where another has one of its names.
    fn find(self, wanted: &Declaration<'_>) -> Option<Result<u32, InstrumentError>> {
        self.each().find_map(|declared| match declared.name == wanted.name {
            true if declared.shape == wanted.shape => Some(Ok(self.handle(declared.shape.reach, declared.index))),
            true => Some(Err(InstrumentError::Taken)),
            false => clash(&declared.named(), &wanted.named()).then_some(Err(InstrumentError::Taken)),
        })
    }

    fn handle(self, reach: Reach, index: usize) -> u32 {
        handles::handle(self.tag(), index, reach == Reach::Run)
    }

    /// Does something while nobody else declares an instrument or makes a gauge. Where there is no room for instruments,
    /// nothing is waited for.
    pub(crate) fn alone<T>(self, act: impl FnOnce() -> T) -> T {
        let _lock = self.has_room().then(|| Lock::take(&self.control.lock));
        act()
    }
}

impl fmt::Debug for Instruments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instruments").field("count", &self.count()).finish_non_exhaustive()
    }
}

struct Lock<'a>(&'a AtomicU64);

impl<'a> Lock<'a> {
    fn take(word: &'a AtomicU64) -> Self {
        // Acquire pairs with the release below: what the former owner wrote is seen.
        while word.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            #[cfg(not(loom))]
            core::hint::spin_loop();
            #[cfg(loom)]
            loom::thread::yield_now();
        }
        Self(word)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

/// The number of the next registry with handles of its own, in this process.
fn next_number() -> u64 {
    #[cfg(not(loom))]
    static NEXT: AtomicU64 = AtomicU64::new(0);
    #[cfg(not(loom))]
    // Relaxed: only this word matters.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    #[cfg(loom)]
    let number = 0;
    number
}
