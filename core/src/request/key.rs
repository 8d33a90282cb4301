//! The key of a series: its method, its name and its further labels, in their one canonical form.
//!
//! Names are checked and made fit once, here, when a series is interned; after that no encoder can fail on one.

use core::fmt;

use heapless::String;

use super::label::labels_of;
use crate::hash;

/// Longest method in bytes; a longer one is cut and gets a hash.
pub const METHOD_BYTES: usize = 32;
/// Longest name in bytes; a longer one is cut and gets a hash.
pub const NAME_BYTES: usize = 255;
/// What the contract shows for an empty method and an empty name.
const EMPTY_METHOD: &str = "REQ";
const EMPTY_NAME: &str = "unknown";
/// Method and name of the series that takes what a full registry has no room for.
const OVERFLOW: &str = "overflow";
/// `~` and 16 hexadecimal digits after a name that was cut.
const CUT_MARK: usize = 17;

/// A series' identity in its one canonical form.
pub(crate) struct Key<'a> {
    pub(crate) method: &'a str,
    pub(crate) name: &'a str,
    pub(crate) labels: &'a [u8],
    /// Whether the method or the name was longer than its limit.
    pub(crate) cut: bool,
}

impl Key<'_> {
    /// The key of the series that a full registry folds new ones into.
    pub(crate) const OVERFLOW: Key<'static> = Key { method: OVERFLOW, name: OVERFLOW, labels: &[], cut: false };

    /// Makes `method` and `name` fit and hands the key to `then`.
    pub(crate) fn with<T>(method: &str, name: &str, labels: &[u8], then: impl FnOnce(&Key<'_>) -> T) -> T {
        if method.len() <= METHOD_BYTES && name.len() <= NAME_BYTES {
            let method = if method.is_empty() { EMPTY_METHOD } else { method };
            let name = if name.is_empty() { EMPTY_NAME } else { name };
            return then(&Key { method, name, labels, cut: false });
        }
        let (mut method_room, mut name_room) = (String::new(), String::new());
        then(&Key {
            method: fit::<METHOD_BYTES>(method, EMPTY_METHOD, &mut method_room),
            name: fit::<NAME_BYTES>(name, EMPTY_NAME, &mut name_room),
            labels,
            cut: true,
        })
    }

    /// Whether it is the overflow series, or one of its parts that have labels.
    pub(crate) fn is_overflow(&self) -> bool {
        self.method == OVERFLOW && self.name == OVERFLOW
    }

    /// The labels, in order of their keys.
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        labels_of(self.labels)
    }
}

/// `text`, or what stands for an empty one, or its beginning and a hash of the whole where it is too long.
fn fit<'a, const N: usize>(text: &'a str, empty: &'static str, room: &'a mut String<N>) -> &'a str {
    if text.is_empty() {
        return empty;
    }
    if text.len() <= N {
        return text;
    }
    let mut end = N - CUT_MARK;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    room.clear();
    // `end` and the mark fit into N by construction.
    let fits = room.push_str(&text[..end]).is_ok()
        && fmt::Write::write_fmt(room, format_args!("~{:016x}", hash::of(text.as_bytes()))).is_ok();
    debug_assert!(fits);
    room
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::String as StdString;

    fn shown(method: &str, name: &str) -> (StdString, StdString, bool) {
        Key::with(method, name, &[], |key| (key.method.into(), key.name.into(), key.cut))
    }

    #[test]
    fn empty_names_are_shown_as_the_contract_says() {
        assert_eq!(shown("", ""), ("REQ".into(), "unknown".into(), false));
    }

    #[test]
    fn names_up_to_the_limit_are_kept_and_longer_ones_cut_on_a_character() {
        let fits = "é".repeat(127) + "x";
        assert_eq!(shown("GET", &fits), ("GET".into(), fits, false));
        let (_, cut, was_cut) = shown("GET", &"é".repeat(128));
        assert!(was_cut && cut.len() <= NAME_BYTES);
        let (text, mark) = cut.split_once('~').unwrap();
        assert_eq!((text, mark.len()), ("é".repeat(119).as_str(), 16));
    }

    #[test]
    fn two_long_names_never_merge() {
        let one = "x".repeat(5_000);
        let other = "x".repeat(4_999) + "y";
        assert_ne!(shown("GET", &one), shown("GET", &other));
    }
}
