//! The strings of a JSON text (RFC 8259), as much of JSON as answers need: no tree is built, nothing is unescaped.

/// The strings of a JSON text, one after the other. What is no JSON gives some strings or none.
pub(crate) struct JsonStrings<'a>(&'a [u8]);

/// What stands between two quotes, escapes included.
pub(crate) struct JsonString<'a> {
    pub(crate) raw: &'a [u8],
    /// What follows the colon after it, where it is a key.
    pub(crate) value: Option<&'a [u8]>,
}

impl<'a> JsonStrings<'a> {
    pub(crate) const fn of(text: &'a [u8]) -> Self {
        Self(text)
    }
}

impl<'a> Iterator for JsonStrings<'a> {
    type Item = JsonString<'a>;

    fn next(&mut self) -> Option<JsonString<'a>> {
        let start = self.0.iter().position(|byte| *byte == b'"')? + 1;
        let rest = &self.0[start..];
        let mut is_escaped = false;
        let length = rest.iter().position(|byte| {
            let ends = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        })?;
        self.0 = &rest[length + 1..];
        let value = self.0.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        Some(JsonString { raw: &rest[..length], value })
    }
}

/// Whether a text is one object, as far as its ends tell.
pub(crate) fn is_object(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.starts_with(b"{") && text.ends_with(b"}") && text.len() >= 2
}

/// The integer that a value begins with, also in quotes, as protobuf writes one of 64 bits ("JSON Mapping"). `None` for
/// anything else, a number with a fraction or an exponent among it.
pub(crate) fn integer(value: &[u8]) -> Option<i64> {
    let (value, is_quoted) = value.strip_prefix(b"\"").map_or((value, false), |rest| (rest, true));
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'-';
    let length = value.iter().take_while(|byte| is_part(byte)).count();
    let ends = match value.get(length) {
        Some(b'"') => is_quoted,
        Some(b',' | b'}' | b' ' | b'\t' | b'\r' | b'\n') => !is_quoted,
        _ => false,
    };
    core::str::from_utf8(&value[..length]).ok().filter(|_| ends)?.parse().ok()
}

/// The string that a value is, escapes included.
pub(crate) fn string(value: &[u8]) -> Option<&[u8]> {
    value.starts_with(b"\"").then(|| JsonStrings::of(value).next())?.map(|text| text.raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_with_and_without_quotes() {
        for (value, number) in [
            (&b"\"2\"}"[..], Some(2)),
            (b"2}", Some(2)),
            (b"-3 ,", Some(-3)),
            (b"9223372036854775807\n", Some(i64::MAX)),
            (b"9223372036854775808}", None),
            (b"2.5}", None),
            (b"2e3}", None),
            (b"\"2}", None),
            (b"2\"}", None),
            (b"2", None),
            (b"\"\"}", None),
            (b"null}", None),
            (b"", None),
        ] {
            assert_eq!(integer(value), number, "{value:?}");
        }
    }

    #[test]
    fn strings_end_at_the_quote_that_is_not_escaped() {
        assert_eq!(string(br#""a\"b\\","c""#), Some(&br#"a\"b\\"#[..]));
        for value in [&b"\"a"[..], b"a\"b\"", b"", b"\"a\\\""] {
            assert_eq!(string(value), None, "{value:?}");
        }
    }

    #[test]
    fn an_object_has_both_braces() {
        assert!(is_object(b" {} \n") && is_object(b"{\"a\":1}"));
        assert!(!is_object(b"{") && !is_object(b"OK") && !is_object(b"") && !is_object(b"[]"));
    }
}
