//! What a server says, fit to be shown: short, on one line, without the secrets that were sent to it.
//!
//! A server may echo whatever it was sent. A secret is recognised in upper and lower case, percent-encoded (RFC 3986,
//! 2.1; a space also as `+`), and as JSON (RFC 8259, 7) and HTML escape it, whole or in part. A server that takes a
//! secret to pieces or encodes it in another way is not seen through.

/// Most characters that are shown.
const CHARACTERS: usize = 200;

/// What must not be shown. It has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// `secret` is never shown. An empty one is none.
    pub(crate) fn add(&mut self, secret: impl Into<String>) {
        let secret = secret.into();
        if !secret.is_empty() {
            self.0.push(secret);
        }
    }

    /// The beginning of `text`, with `…` in the place of secrets.
    pub(crate) fn excerpt(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let mut rest = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        let mut shown = String::new();
        // Secrets first, the cut afterwards: what is left of a secret would not be recognised.
        for _ in 0..CHARACTERS {
            let Some(first) = rest.chars().next() else { break };
            let (length, first) = match self.0.iter().filter_map(|secret| length_in_front(rest, secret)).max() {
                Some(length) => (length, '…'),
                None => (first.len_utf8(), if first.is_control() { ' ' } else { first }),
            };
            shown.push(first);
            rest = rest.get(length..).unwrap_or_default();
        }
        shown
    }
}

/// How long `secret` is, as it is written at the front of `text`.
fn length_in_front(text: &str, secret: &str) -> Option<usize> {
    // Where each way to read the secret so far has come to: in `%25`, a `%` may be three bytes long or one.
    let mut ends = vec![0];
    for character in secret.chars() {
        let forms = forms(character);
        let ends_of =
            |end: usize| forms.iter().filter(move |form| begins(text, end, form)).map(move |form| end + form.len());
        ends = ends.into_iter().flat_map(ends_of).collect();
        ends.sort_unstable();
        ends.dedup();
        if ends.is_empty() {
            return None;
        }
    }
    ends.pop()
}

fn begins(text: &str, at: usize, form: &str) -> bool {
    text.as_bytes().get(at..at + form.len()).is_some_and(|part| part.eq_ignore_ascii_case(form.as_bytes()))
}

/// The ways to write `character`.
fn forms(character: char) -> Vec<String> {
    let percent = character.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("%{byte:02x}")).collect();
    let json = character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    let code = u32::from(character);
    let mut forms = vec![character.into(), percent, json, format!("&#{code};"), format!("&#x{code:x};")];
    forms.extend(match character {
        ' ' => Some("+".into()),
        '"' => Some("&quot;".into()),
        '&' => Some("&amp;".into()),
        '\'' => Some("&apos;".into()),
        '<' => Some("&lt;".into()),
        '>' => Some("&gt;".into()),
        _ => None,
    });
    if matches!(character, '"' | '\\' | '/') {
        forms.push(format!("\\{character}"));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(secrets: &[&str], text: &str) -> String {
        let mut all = Secrets::default();
        secrets.iter().for_each(|secret| all.add(*secret));
        all.excerpt(text.as_bytes())
    }

    #[test]
    fn secrets_are_hidden_however_they_are_written() {
        for (secret, text, shown) in [
            ("hunter2", "user root:hunter2 is unknown", "user root:… is unknown"),
            ("hunter2", "HUNTER2 hunter2", "… …"),
            ("hunter2", "hunter3", "hunter3"),
            ("hün ter/2", "h%C3%BCn%20ter%2F2, h%c3%bcn+ter/2, hün ter\\/2, h\\u00FCn\\u0020ter/2", "…, …, …, …"),
            ("db=x&p=a\"b", r#"{"query":"db=x\u0026p=a\"b"} db=x&amp;p=a&#34;b"#, r#"{"query":"…"} …"#),
            ("100%25", "100%25 100%2525 100%", "… … 100%"),
            ("𝕏y", "\\uD835\\udd4fy", "…"),
            ("a'<>\\", "a&apos;&lt;&gt;\\\\", "…"),
            ("", "nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(excerpt(&[secret], text), shown, "{secret}: {text}");
        }
        assert_eq!(excerpt(&["hunter", "hunter2"], "hunter2"), "…", "the longest one");
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(excerpt(&[], " a\r\nb\u{7f}c\u{0} \n"), "a  b c");
        assert_eq!(excerpt(&[], &"ü".repeat(300)), "ü".repeat(200));
        let cut = format!("{}hunter2", "x".repeat(198));
        assert_eq!(excerpt(&["hunter2"], &cut), format!("{}…", "x".repeat(198)));
        assert_eq!(Secrets::default().excerpt(b"\xff!"), "\u{fffd}!");
    }
}
