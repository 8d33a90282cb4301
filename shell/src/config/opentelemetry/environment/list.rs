//! Lists of `key=value`, separated by commas, with percent-encoded values (OpenTelemetry specification, "Resource SDK",
//! "Specifying resource information via an environment variable", and "OpenTelemetry Protocol Exporter", "Specifying
//! headers via environment variables": both after W3C Baggage).

use percent_encoding::percent_decode_str;

/// What a list says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// Keys and values; a key that is given twice has the value that came last.
    pub(super) pairs: Vec<(String, String)>,
    /// Which of its parts are no pairs, counted from 1.
    pub(super) unreadable: Vec<usize>,
}

impl List {
    /// Reads `text`, empty parts aside. `is_same` says which keys are one.
    pub(super) fn read(text: &str, is_same: impl Fn(&str, &str) -> bool) -> Self {
        let mut list = Self::default();
        for (at, part) in text.split(',').enumerate().filter(|(_, part)| !part.trim().is_empty()) {
            match pair(part) {
                Some((key, value)) => {
                    list.pairs.retain(|(other, _)| !is_same(other, &key));
                    list.pairs.push((key, value));
                }
                None => list.unreadable.push(at + 1),
            }
        }
        list
    }
}

fn pair(part: &str) -> Option<(String, String)> {
    let (key, value) = part.split_once('=')?;
    let key = decoded(key).filter(|key| !key.is_empty())?;
    Some((key, decoded(value)?))
}

fn decoded(text: &str) -> Option<String> {
    // `%` only begins an escape.
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
    let is_encoded = text.split('%').skip(1).all(is_escape);
    is_encoded.then(|| percent_decode_str(text.trim()).decode_utf8().ok().map(String::from)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_key_wins_and_a_part_that_is_no_pair_is_named_by_its_number() {
        for (text, pairs, unreadable) in [
            ("", &[][..], &[][..]),
            (" , ,", &[], &[]),
            ("a=1,b=2", &[("a", "1"), ("b", "2")], &[]),
            (" a = 1 , b=x=y ", &[("a", "1"), ("b", "x=y")], &[]),
            ("a=1,b=2,a=3", &[("b", "2"), ("a", "3")], &[]),
            ("a=%2C%3d%C3%A9,b=", &[("a", ",=é"), ("b", "")], &[]),
            ("a,b=2,=3,c=%zz,d=%f,e=%ff", &[("b", "2")], &[1, 3, 4, 5, 6]),
        ] {
            let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(List::read(text, |a, b| a == b), List { pairs, unreadable: unreadable.to_vec() }, "{text}");
        }
        let headers = List::read("Api-Key=1,api-key=2", str::eq_ignore_ascii_case);
        assert_eq!(headers.pairs, [("api-key".to_owned(), "2".to_owned())]);
    }
}
