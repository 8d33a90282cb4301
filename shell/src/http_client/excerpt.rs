//! What a server says, fit to be shown: short, on one line, without the secrets that were sent to it.
//!
//! A server may echo all that it was sent. A secret is recognised in upper and lower case, percent-encoded (RFC 3986,
//! 2.1; a space also as `+`) once and twice, and as JSON (RFC 8259, 7), HTML and programming languages escape it, whole
//! or in part. What a server cuts up or encodes in another way is not recognised.

use super::Secrets;

/// Most characters of an answer that are shown.
const CHARACTERS: usize = 200;
/// A secret of so many characters, or fewer, is looked for as a word of its own.
const SHORT: usize = 3;

impl Secrets {
    /// The beginning of `text`, with `…` in place of secrets.
    pub(crate) fn excerpt(&self, text: &[u8]) -> String {
        self.shown(&String::from_utf8_lossy(text)).take(CHARACTERS).collect()
    }

    /// All of `text`, which holds words of a server, with `…` in place of secrets.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        self.shown(text).collect()
    }

    // Secrets first, a cut afterwards: what is left of a secret would not be recognised.
    fn shown<'t>(&'t self, text: &'t str) -> impl Iterator<Item = char> + 't {
        let mut rest = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
        let mut last = ' ';
        std::iter::from_fn(move || {
            let first = rest.chars().next()?;
            let secret = self.0.iter().filter_map(|secret| length_in_front(rest, secret, last)).max();
            let (length, shown) = match secret {
                Some(length) => (length, '…'),
                None => (first.len_utf8(), if first.is_control() { ' ' } else { first }),
            };
            last = rest[..length].chars().next_back()?;
            rest = &rest[length..];
            Some(shown)
        })
    }
}

/// The length of `secret` as it is written at the start of `text`, after the character `before`. A short secret counts only
/// where it is a word of its own: a header's value `1` is no reason to hide each 1.
fn length_in_front(text: &str, secret: &str, before: char) -> Option<usize> {
    // Where the secret so far may end, for each way to read it: in `%25`, a `%` may be three bytes long or one.
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
    let is_short = secret.chars().nth(SHORT).is_none();
    let is_word = |end: &usize| !before.is_alphanumeric() && !text[*end..].starts_with(char::is_alphanumeric);
    ends.into_iter().rev().find(|end| !is_short || is_word(end))
}

fn begins(text: &str, at: usize, form: &str) -> bool {
    text.as_bytes().get(at..at + form.len()).is_some_and(|part| part.eq_ignore_ascii_case(form.as_bytes()))
}

/// The ways to write `character`.
fn forms(character: char) -> Vec<String> {
    let of_bytes = |escape: fn(u8) -> String| character.encode_utf8(&mut [0; 4]).bytes().map(escape).collect();
    let json = character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    let code = u32::from(character);
    let mut forms: Vec<String> = vec![
        character.into(),
        of_bytes(|byte| format!("%{byte:02x}")),
        of_bytes(|byte| format!("%25{byte:02x}")),
        of_bytes(|byte| format!("\\x{byte:02x}")),
        json,
        format!("\\u{{{code:x}}}"),
        format!("&#{code};"),
        format!("&#{code:03};"),
        format!("&#x{code:x};"),
    ];
    forms.extend(match character {
        ' ' => Some("+".into()),
        '"' => Some("&quot;".into()),
        '&' => Some("&amp;".into()),
        '\'' => Some("&apos;".into()),
        '<' => Some("&lt;".into()),
        '>' => Some("&gt;".into()),
        _ => None,
    });
    if matches!(character, '"' | '\'' | '\\' | '/') {
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
            ("𝕏yz1", "\\uD835\\udd4fyz1", "…"),
            ("a'<>\\", "a&apos;&lt;&gt;\\\\ a&#039;<>\\", "… …"),
            ("hün ter", r#"b"h\xc3\xbcn ter" h\u{fc}n%2520ter"#, r#"b"…" …"#),
            ("k", "k is a key, ok? k=k p%3Dk", "… is a key, ok? …=… p%3Dk"),
            ("", "nothing to hide", "nothing to hide"),
        ] {
            assert_eq!(excerpt(&[secret], text), shown, "{secret}: {text}");
        }
        assert_eq!(excerpt(&["hunter", "hunter2"], "hunter2"), "…", "the longest one");
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        let long = "x".repeat(300);
        assert_eq!(secrets.hide_in(&format!("{long}\nhunter2")), format!("{long} …"), "however long it is");
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
