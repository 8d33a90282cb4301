//! The key that was folded into the overflow series first, for whoever asks which series there was no room for.

use heapless::String;

use crate::atomics::{AtomicU64, Ordering, const_unless_loom, words, zeros};
use crate::request::key::{METHOD_BYTES, NAME_BYTES};

/// Words that are written once, by the thread that comes first.
#[derive(Debug)]
pub(crate) struct FirstFolded {
    /// 0: there is none. 1: it is being written. Else: it is written, the low byte is 2, and the two bytes above it are
    /// the lengths of method and name.
    state: AtomicU64,
    method: [AtomicU64; METHOD_BYTES.div_ceil(8)],
    name: [AtomicU64; NAME_BYTES.div_ceil(8)],
}

impl FirstFolded {
    const_unless_loom! {
        pub(crate) fn new() -> Self {
            Self { state: AtomicU64::new(0), method: zeros(), name: zeros() }
        }
    }

    /// Keeps the key, unless another was folded before.
    pub(crate) fn note(&self, method: &str, name: &str) {
        // Relaxed: the exchange only decides who writes; the release store below publishes what was written.
        let won = self.state.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if won {
            words::store(&self.method, method.as_bytes());
            words::store(&self.name, name.as_bytes());
            let lengths = (method.len() << 8 | name.len() << 16) as u64;
            self.state.store(2 | lengths, Ordering::Release);
        }
    }

    /// Method and name.
    pub(crate) fn get(&self) -> Option<(String<METHOD_BYTES>, String<NAME_BYTES>)> {
        // Acquire pairs with the release in `note`.
        let state = self.state.load(Ordering::Acquire);
        if state < 2 {
            return None;
        }
        let (method, name) = ((state >> 8) as u8, (state >> 16) as u8);
        Some((text(&self.method, method.into())?, text(&self.name, name.into())?))
    }
}

fn text<const N: usize>(words: &[AtomicU64], length: usize) -> Option<String<N>> {
    let mut bytes = heapless::Vec::new();
    bytes.resize_default(length).ok()?;
    words::load(words, &mut bytes);
    String::from_utf8(bytes).ok()
}
