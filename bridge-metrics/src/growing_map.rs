//! A map that only grows, so that it is read without a lock.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

/// Chains of entries, as many as there are to be; what is in one stays until the map goes.
pub(crate) struct GrowingMap<K, V> {
    chains: Box<[MapLink<K, V>]>,
    hasher: RandomState,
}

type MapLink<K, V> = OnceLock<Box<MapEntry<K, V>>>;

struct MapEntry<K, V> {
    key: K,
    value: V,
    next: MapLink<K, V>,
}

impl<K: Clone + Eq + Hash, V: Clone> GrowingMap<K, V> {
    /// An empty map. It is as fast as others while it has few more keys than these.
    pub(crate) fn new(keys: usize) -> Self {
        let chains = keys.next_power_of_two();
        Self { chains: (0..chains).map(|_| OnceLock::new()).collect(), hasher: RandomState::new() }
    }

    /// The value of a key.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let mut entry = self.chain(key)?.get();
        while let Some(other) = entry.filter(|entry| entry.key.borrow() != key) {
            entry = other.next.get();
        }
        entry.map(|entry| &entry.value)
    }

    /// Puts in a key unless it is there, as another thread may just have put it in. Returns what it is there with.
    pub(crate) fn insert(&self, key: &K, value: V) -> V {
        let mut link = self.chain(key);
        while let Some(end) = link {
            let new = || Box::new(MapEntry { key: key.clone(), value: value.clone(), next: OnceLock::new() });
            let entry = end.get_or_init(new);
            if entry.key == *key {
                return entry.value.clone();
            }
            link = Some(&entry.next);
        }
        value
    }

    /// The beginning of the chain that a key is in. There is always one.
    fn chain<Q: Hash + ?Sized>(&self, key: &Q) -> Option<&MapLink<K, V>> {
        let hash = self.hasher.hash_one(key) as usize;
        self.chains.get(hash & (self.chains.len() - 1))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn threads_that_put_in_the_same_keys_agree_on_their_values() {
        for chains in [0, 1, 64] {
            let map = GrowingMap::<String, usize>::new(chains);
            let seen: Vec<Vec<usize>> = thread::scope(|scope| {
                let insert = |thread: usize| {
                    (0..200).map(|key| map.insert(&format!("key {key}"), 1_000 * thread + key)).collect()
                };
                let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || insert(thread))).collect();
                threads.into_iter().map(|thread| thread.join().expect("a thread ends")).collect()
            });
            for (key, value) in seen[0].iter().enumerate() {
                assert!(seen.iter().all(|other| other[key] == *value), "{key}");
                assert_eq!((map.get(format!("key {key}").as_str()), value % 1_000), (Some(value), key));
            }
            assert_eq!(map.get("key 200"), None);
        }
    }
}
