//! What a server is told and nobody else may see.
//!
//! Passwords and tokens are secret, and so are the values of headers that the user gives. Of a URL's query, all values are but
//! those of [`HARMLESS`] parameters: only the maker of a gateway knows which of its parameters is a key. The query as a whole
//! is secret too, so that an echoed request line shows nothing of it, and so is each pair `key=value`.

use percent_encoding::percent_decode_str;

/// Parameters of write URLs (InfluxDB 1, 2 and 3) whose values are no secrets by themselves. If `precision=s` were
/// masked, little of a text would be left.
const HARMLESS: [&str; 10] =
    ["accept_partial", "bucket", "consistency", "db", "no_sync", "org", "orgID", "precision", "rp", "u"];

/// What must not be shown. It has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct Secrets(pub(super) Vec<String>);

impl Secrets {
    /// Adds `secret`, unless it is empty.
    pub(crate) fn add(&mut self, secret: impl Into<String>) {
        let secret = secret.into();
        if !secret.is_empty() && !self.0.contains(&secret) {
            self.0.push(secret);
        }
    }

    /// The value of a header, and what of it may come back alone: what follows the scheme (RFC 9110, 11.4), user and
    /// password of Basic authentication (RFC 7617), the last word.
    pub(crate) fn add_header(&mut self, value: &str) {
        self.add(value);
        let Some((scheme, credentials)) = value.split_once(' ') else { return };
        self.add(credentials.trim());
        self.add(credentials.rsplit(' ').next().unwrap_or_default());
        if scheme.eq_ignore_ascii_case("basic") {
            self.add_basic(credentials.trim());
        }
    }

    /// The query of `url`, as a whole and in its parts, as they are written and as they are meant.
    pub(crate) fn add_query(&mut self, url: &str) {
        let Some((_, query)) = url.split_once('?') else { return };
        let query = query.split('#').next().unwrap_or_default();
        self.add(query);
        for pair in query.split(['&', ';']) {
            let (key, value) = pair.split_once('=').unwrap_or(("", pair));
            for text in [pair, value].into_iter().filter(|_| !HARMLESS.contains(&key)) {
                self.add(text);
                self.add(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy());
            }
        }
    }

    fn add_basic(&mut self, credentials: &str) {
        use base64::Engine as _;
        let decoded = base64::engine::general_purpose::STANDARD.decode(credentials).unwrap_or_default();
        if let Some((_, password)) = String::from_utf8_lossy(&decoded).split_once(':') {
            self.add(password);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_in_an_answer_is_hidden() {
        for (url, says, shown) in [
            ("http://h/otlp?api-key=k3y", "no POST /otlp?api-key=k3y HTTP/1.1", "no POST /otlp?… HTTP/1.1"),
            ("http://h/otlp?api-key=k3y", "{\"uri\":\"/otlp?api-key\\u003dk3y\"}", "{\"uri\":\"/otlp?…\"}"),
            ("http://h/otlp?a=1&api-key=k3y", "api-key=k3y&a=1 k3y", "…&… …"),
            ("http://h/otlp?t0ken-alone", "no t0ken-alone", "no …"),
            ("http://h/write?db=load&precision=s", "precision=s is used, s", "precision=s is used, s"),
            ("http://h/write?db=load&p=hun%2Fter+2#f", "db=load&p=hun%2Fter+2", "…"),
            ("http://h/write?db=load;p=hun%2Fter+2", "hun/ter 2, p=hun%2fter%202, hun/ter+2", "…, …, …"),
            ("http://h/write", "nothing", "nothing"),
        ] {
            let mut secrets = Secrets::default();
            secrets.add_query(url);
            assert_eq!(secrets.excerpt(says.as_bytes()), shown, "{url}");
        }
    }

    #[test]
    fn a_header_in_an_answer_is_hidden_even_in_parts() {
        for (value, says, shown) in [
            ("Bearer abc.def", "Bearer abc.def: abc.def is no token", "…: … is no token"),
            ("ApiKey  abc def", "key 'abc def', def", "key '…', …"),
            // The example of RFC 7617, section 2.
            ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin has no \"open sesame\"", "Aladdin has no \"…\""),
            ("basic no/base64", "no/base64", "…"),
            ("42", "tenant 42 of 4211", "tenant … of 4211"),
        ] {
            let mut secrets = Secrets::default();
            secrets.add_header(value);
            assert_eq!(secrets.excerpt(says.as_bytes()), shown, "{value}");
        }
    }
}
