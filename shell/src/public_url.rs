//! URLs without what may be secret in them.

/// A URL without what may be secret in it: user and password, query, fragment.
///
/// A password may hold anything, also what ends a host (`/`, `?`, `#`) or looks like an end of its own (`@`). So
/// where there is an `@`, what stands before the last one may be a password; and where a query may have begun before it,
/// what follows it may be one too.
pub(crate) fn public_url(url: &str) -> String {
    let is_scheme = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let after_scheme = url.find("://").filter(|at| is_scheme(&url[..*at])).map_or(0, |at| at + "://".len());
    let (scheme, rest) = url.split_at(after_scheme);
    let upto = |text: &str, ends: &[char]| text.split(ends).next().unwrap_or_default().to_owned();
    match rest.rsplit_once('@') {
        Some((before, _)) if before.contains(['?', '#']) => format!("{scheme}…"),
        Some((_, host)) => format!("{scheme}…@{}", upto(host, &['/', '?', '#'])),
        None if rest.contains(['?', '#']) => format!("{scheme}{}?…", upto(rest, &['?', '#'])),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("http://h:8086/write?db=x&p=secret", "http://h:8086/write?…"),
            ("http://h:8086/write#secret", "http://h:8086/write?…"),
            ("http://h:8086/write", "http://h:8086/write"),
            ("http://root:secret@h:8086/write", "http://…@h:8086"),
            ("http://root:secret@h?p=secret", "http://…@h"),
            ("http://root:sec@ret@h", "http://…@h"),
            ("http://root:sec/ret@h/write", "http://…@h"),
            ("http://root:sec?ret@h/write", "http://…"),
            ("http://root:sec#ret@h/write", "http://…"),
            ("http://h/write?u=root&p=sec@ret", "http://…"),
            ("http://root:sec://ret@[::1]:1/write", "http://…@[::1]:1"),
            ("http://h/a@b", "http://…@b"),
            ("root:secret@h/write#secret", "…@h"),
            ("root:secret://x@h", "…@h"),
            ("h:1/write", "h:1/write"),
        ] {
            assert_eq!(public_url(url), shown, "{url}");
        }
    }
}
