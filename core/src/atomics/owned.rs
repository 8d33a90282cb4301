//! Words that one thread alone writes, and what it knows of them.
//!
//! The model checker keeps only the last access of a location, so that an owner's own load would hide from it what a reader
//! does meanwhile. There an owner keeps its value beside the word, as a processor would in a register.

#[cfg(not(loom))]
pub(crate) use plain::{OwnedU16, OwnedU32};
#[cfg(loom)]
pub(crate) use shadowed::{OwnedU16, OwnedU32};

/// The value of a word, as its owner knows it.
pub(crate) trait OwnedWord {
    /// What the word holds.
    type Value;

    /// The value that the owner stored last.
    fn own_value(&self) -> Self::Value;
}

#[cfg(not(loom))]
mod plain {
    use super::OwnedWord;
    use crate::atomics::{AtomicU16, AtomicU32, Ordering};

    pub(crate) type OwnedU16 = AtomicU16;
    pub(crate) type OwnedU32 = AtomicU32;

    impl OwnedWord for OwnedU16 {
        type Value = u16;

        #[inline(always)]
        fn own_value(&self) -> u16 {
            // Relaxed: nobody else stores.
            self.load(Ordering::Relaxed)
        }
    }

    impl OwnedWord for OwnedU32 {
        type Value = u32;

        #[inline(always)]
        fn own_value(&self) -> u32 {
            // Relaxed: nobody else stores.
            self.load(Ordering::Relaxed)
        }
    }
}

#[cfg(loom)]
mod shadowed {
    extern crate std;

    use super::OwnedWord;
    use crate::atomics::{AtomicU16, AtomicU32, Ordering};

    macro_rules! shadowed {
        ($name:ident, $atomic:ident, $value:ty) => {
            /// A word with what its owner stored last beside it.
            #[derive(Debug)]
            pub(crate) struct $name {
                word: $atomic,
                own: std::sync::atomic::$atomic,
            }

            impl $name {
                pub(crate) fn new(value: $value) -> Self {
                    Self { word: $atomic::new(value), own: std::sync::atomic::$atomic::new(value) }
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.word.load(order)
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    self.own.store(value, Ordering::Relaxed);
                    self.word.store(value, order);
                }
            }

            impl OwnedWord for $name {
                type Value = $value;

                fn own_value(&self) -> $value {
                    self.own.load(Ordering::Relaxed)
                }
            }
        };
    }

    shadowed!(OwnedU16, AtomicU16, u16);
    shadowed!(OwnedU32, AtomicU32, u32);
}
