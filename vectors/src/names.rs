//! Names that break naive encoders.
//!
//! One table for every test, fuzz seed and bench. A name here is what an engine might pass as the name (or the method)
//! of a request: a URL from a log, a user's free text, or an attack. What each format must make of it is said by the
//! tests of that format, not here.

/// One name with the reason it is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NastyName {
    /// What is nasty about it, for the message of a failing test.
    pub what: String,
    /// The name itself.
    pub name: String,
}

/// Longest method that is shown whole, in bytes; the contract cuts a longer one and adds a hash.
pub const METHOD_LIMIT: usize = 32;

/// Longest name that is shown whole, in bytes.
pub const NAME_LIMIT: usize = 255;

/// The characters to which at least one of the four formats gives a meaning.
pub const SPECIAL: [char; 16] = [',', '=', '|', ':', '#', '@', '{', '}', ' ', '"', '\'', '\\', '\n', '\r', '\t', '\0'];

/// Every nasty name. All are different from each other.
#[must_use]
pub fn all() -> Vec<NastyName> {
    let mut names: Vec<NastyName> = FIXED.iter().map(|(what, name)| nasty(*what, *name)).collect();
    names.extend(around_each_special());
    names.extend(at_the_limits());
    names.push(nasty("5,000 characters", "x".repeat(5_000)));
    names.push(nasty("5,000 characters of four bytes", "😀".repeat(5_000)));
    names.push(nasty("5,000 backslashes", "\\".repeat(5_000)));
    names.push(nasty("5,000 newlines", "\n".repeat(5_000)));
    names
}

const FIXED: &[(&str, &str)] = &[
    ("empty", ""),
    ("plain", "/items"),
    ("a URL with a query", "http://host:8080/a/b?x=1,2&y={id}#top"),
    ("double quotes", r#"say "hi""#),
    ("only a double quote", "\""),
    ("backslash in the middle", r"a\b"),
    ("two backslashes in the middle", r"a\\b"),
    ("backslash at the end", r"a\"),
    ("two backslashes at the end", r"a\\"),
    ("only a backslash", r"\"),
    ("backslash and n, not a newline", r"a\nb"),
    ("newline in the middle", "a\nb"),
    ("newline at the end", "a\n"),
    ("carriage return and newline", "a\r\nb"),
    ("a line of exposition text", "x\"} 1\nloaddensity_requests_total{name=\"y\"} 99\n"),
    ("a line of line protocol", "x value=1i\nevil,tag=a value=2i 1"),
    ("a DogStatsD message", "x\nevil:1|c|#a:b"),
    ("tab", "a\tb"),
    ("NUL", "a\0b"),
    ("escape sequence of a terminal", "a\x1b[31mb"),
    ("DEL", "a\x7fb"),
    ("C1 control NEL", "a\u{85}b"),
    ("C1 control CSI", "a\u{9b}b"),
    ("line separator, no control", "a\u{2028}b"),
    ("right-to-left override", "a\u{202e}b"),
    ("byte order mark first", "\u{feff}a"),
    ("leading hash", "#a"),
    ("leading hash and space", "# HELP a b"),
    ("leading space", " a"),
    ("trailing space", "a "),
    ("only spaces", "   "),
    ("trailing colon", "a:"),
    ("accent and emoji", "café/😀"),
    ("combining accent", "cafe\u{301}"),
    ("highest code point", "\u{10ffff}"),
    ("looks like a number", "42"),
    ("looks like a float", "+Inf"),
    ("looks like the replacement of an empty name", "unknown"),
    ("looks like the replacement of an empty method", "REQ"),
    ("looks like the overflow series", "overflow"),
    ("looks like a made-safe name", "a_b"),
    ("everything at once", "café \"q\" \\ , = | : # @ { } \r\n\t\0 😀\\"),
];

/// Each special character alone, inside, doubled, last, and after a backslash (which is where escaping goes wrong).
fn around_each_special() -> impl Iterator<Item = NastyName> {
    SPECIAL.into_iter().filter(|&c| c != '\\').flat_map(|c| {
        let shapes = [
            ("inside", format!("in{c}side")),
            ("doubled", format!("dou{c}{c}bled")),
            ("first", format!("{c}first")),
            ("last", format!("last{c}")),
            ("after a backslash", format!("after\\{c}x")),
            ("after two backslashes", format!("after\\\\{c}x")),
            ("after a backslash, last", format!("end\\{c}")),
            ("before a backslash", format!("before{c}\\x")),
        ];
        shapes.map(|(shape, name)| nasty(format!("{c:?} {shape}"), name))
    })
}

/// Names of one byte less, exactly and one byte more than both limits, whose last character has one to four bytes.
fn at_the_limits() -> impl Iterator<Item = NastyName> {
    let edges = [METHOD_LIMIT - 1, METHOD_LIMIT, METHOD_LIMIT + 1, NAME_LIMIT, NAME_LIMIT + 1];
    edges
        .into_iter()
        .flat_map(|bytes| {
            ['x', 'é', '€', '😀'].map(|last| {
                let name = "e".repeat(bytes - last.len_utf8()) + &last.to_string();
                nasty(format!("{bytes} bytes, the last {} of them one character", last.len_utf8()), name)
            })
        })
        .chain(cut_inside_a_character())
}

/// Too long by far, with a character of several bytes at each place where a cut may fall.
fn cut_inside_a_character() -> impl Iterator<Item = NastyName> {
    (0..4).flat_map(|shift| {
        ['é', '€', '😀'].map(|c| {
            let name = "c".repeat(shift) + &c.to_string().repeat(NAME_LIMIT);
            nasty(format!("cut among {c:?}, shifted by {shift}"), name)
        })
    })
}

fn nasty(what: impl Into<String>, name: impl Into<String>) -> NastyName {
    NastyName { what: what.into(), name: name.into() }
}

#[cfg(test)]
mod tests {
    use super::{METHOD_LIMIT, NAME_LIMIT, SPECIAL, all};
    use std::collections::BTreeSet;

    #[test]
    fn all_names_and_reasons_differ() {
        let table = all();
        let names: BTreeSet<_> = table.iter().map(|n| &n.name).collect();
        let reasons: BTreeSet<_> = table.iter().map(|n| &n.what).collect();
        assert_eq!(names.len(), table.len());
        assert_eq!(reasons.len(), table.len());
    }

    #[test]
    fn the_table_reaches_every_special_character_and_limit() {
        let table = all();
        for c in SPECIAL {
            assert!(table.iter().any(|n| n.name.contains(c)), "{c:?}");
        }
        for length in [0, METHOD_LIMIT, METHOD_LIMIT + 1, NAME_LIMIT, NAME_LIMIT + 1, 5_000] {
            assert!(table.iter().any(|n| n.name.len() == length), "{length}");
        }
    }
}
