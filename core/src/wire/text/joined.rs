//! Texts that are put together when compiling.

/// The parts of a text, each a constant `&str`, one after the other: a `&'static [u8; N]`.
macro_rules! joined {
    ($($part:expr),+ $(,)?) => {{
        const PARTS: &[&str] = &[$($part),+];
        const JOINED: &[u8; $crate::wire::text::joined::length(PARTS)] = &$crate::wire::text::joined::join(PARTS);
        JOINED
    }};
}

/// The same as a `&'static str`.
macro_rules! joined_str {
    ($($part:expr),+ $(,)?) => {
        const {
            // Whole strings one after the other are one.
            match core::str::from_utf8($crate::wire::text::joined::joined!($($part),+)) {
                Ok(text) => text,
                Err(_) => "",
            }
        }
    };
}

pub(crate) use {joined, joined_str};

/// Bytes of all parts.
pub(crate) const fn length(parts: &[&str]) -> usize {
    let (mut length, mut part) = (0, 0);
    while part < parts.len() {
        length += parts[part].len();
        part += 1;
    }
    length
}

/// All parts in `N` bytes, and zeros after them.
pub(crate) const fn join<const N: usize>(parts: &[&str]) -> [u8; N] {
    let (mut joined, mut at, mut part) = ([0; N], 0, 0);
    while part < parts.len() {
        let bytes = parts[part].as_bytes();
        let mut byte = 0;
        while byte < bytes.len() {
            joined[at] = bytes[byte];
            at += 1;
            byte += 1;
        }
        part += 1;
    }
    joined
}

#[cfg(test)]
mod tests {
    #[test]
    fn parts_follow_one_another() {
        assert_eq!(joined!("a", "", "bc"), b"abc");
        assert_eq!(joined_str!("é", "b"), "éb");
        assert_eq!(super::join::<4>(&["a", "b"]), *b"ab\0\0");
    }
}
