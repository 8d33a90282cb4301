//! Contenders that record: each thread makes a pass of its own, and all passes of a contender count into one place.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::contest::{Contender, Role};
use crate::trace::{TraceEvent, TraceSums, TraceWork};

/// Records the whole trace once per call; returns the number of requests.
pub type Pass = Box<dyn FnMut() -> usize>;

/// A way to record.
pub struct RecordingContender {
    /// Unique within its contest.
    pub name: &'static str,
    /// What it stands for.
    pub role: Role,
    /// Makes a pass, on the thread that will record. Handles are looked up here, before anything is measured.
    pub make: Box<dyn Fn() -> Pass + Send + Sync>,
    /// What all passes together have counted. Asked for when they are gone, because some flush what they hold then.
    pub sums: Box<dyn Fn() -> TraceSums>,
}

impl RecordingContender {
    /// A way to record. What it counts into is made by `place` before the first pass: a contender that is never asked to
    /// record takes no memory.
    pub fn new<P: Send + Sync + 'static>(
        name: &'static str,
        role: Role,
        place: impl FnOnce() -> P + Send + 'static,
        make: impl Fn(&P) -> Pass + Send + Sync + 'static,
        sums: impl Fn(&P) -> TraceSums + 'static,
    ) -> Self {
        let place = Arc::new(LazyLock::new(place));
        let counted = Arc::clone(&place);
        Self { name, role, make: Box::new(move || make(&place)), sums: Box::new(move || sums(&counted)) }
    }

    /// Panics unless `passes` passes over `work` so far were counted, all of them.
    pub fn check(&self, work: &TraceWork, passes: u64) {
        assert_eq!((self.sums)(), TraceSums::of(&work.events, passes), "{} counts something else", self.name);
    }

    /// Checks one pass and becomes a contender of one thread.
    #[must_use]
    pub fn into_contender(self, work: &TraceWork) -> Contender {
        self.into_contender_after(work, || ()).0
    }

    /// The same; returns what `look` saw after that pass, while its handles lived.
    pub fn into_contender_after<T>(self, work: &TraceWork, look: impl FnOnce() -> T) -> (Contender, T) {
        let mut pass = (self.make)();
        pass();
        let seen = look();
        drop(pass);
        self.check(work, 1);
        (Contender { name: self.name, role: self.role, run: (self.make)() }, seen)
    }
}

/// A pass that does `one` for each request of the trace.
pub fn pass(work: &'static TraceWork, mut one: impl FnMut(usize, &TraceEvent) + 'static) -> Pass {
    Box::new(move || {
        for (position, event) in work.events.iter().enumerate() {
            one(position, event);
        }
        work.events.len()
    })
}

/// Pieces of memory, one for each thread. A thread gives its piece back, so that thousands of passes need no more
/// pieces than threads ran at once.
pub struct Shards<T> {
    all: Mutex<Vec<Arc<T>>>,
    make: fn(usize) -> T,
    series: usize,
}

impl<T> Shards<T> {
    /// None yet; `make` makes one for a number of series.
    pub fn new(series: usize, make: fn(usize) -> T) -> Self {
        Self { all: Mutex::default(), make, series }
    }

    /// A free piece, or a new one. It is free again when what is returned has been dropped.
    pub fn claim(&self) -> Arc<T> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(free) = all.iter().find(|shard| Arc::strong_count(shard) == 1) {
            return Arc::clone(free);
        }
        let shard = Arc::new((self.make)(self.series));
        all.push(Arc::clone(&shard));
        shard
    }

    /// Looks at every piece.
    pub fn for_each(&self, look: impl FnMut(&T)) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).iter().map(AsRef::as_ref).for_each(look);
    }
}
