//! What to do about an answer, in words that name the exporter's settings.

use hyper::header::{HeaderMap, LOCATION};
use loaddensity_metrics_core::verdict::{Hint, Language, language};

use super::Secrets;
use crate::public_url::public_url;

/// What an exporter calls the settings that an answer may be about.
#[derive(Clone)]
pub(crate) struct Advice {
    /// The setting that has the URL.
    pub(crate) url: &'static str,
    /// The URL that requests go to, without anything secret.
    pub(crate) asked: String,
    /// The settings that have the credentials.
    pub(crate) credentials: &'static str,
    /// Whether any are sent.
    pub(crate) has_credentials: bool,
    /// The setting for the largest request.
    pub(crate) size: &'static str,
    /// What to do where nothing takes what was sent.
    pub(crate) path: String,
    /// What to do where the database does not exist.
    pub(crate) database: String,
    /// What to do where the server wants another protocol or media type.
    pub(crate) protocol: &'static str,
    /// What is missing in an answer that is no acceptance, and what to check.
    pub(crate) no_acceptance: &'static str,
}

impl Advice {
    /// The words for `hint`, for an answer with `headers`.
    pub(crate) fn on(&self, hint: Hint, headers: &HeaderMap, secrets: &Secrets) -> String {
        let Self { url, size, .. } = self;
        match hint {
            Hint::Credentials if self.has_credentials => format!("check {}, which was sent", self.credentials),
            Hint::Credentials => format!("no credentials were sent: set {}", self.credentials),
            Hint::ProxyCredentials => "a proxy on the way wants credentials of its own".into(),
            Hint::Redirect => self.redirect(headers, secrets),
            Hint::Path => self.path.clone(),
            Hint::Database | Hint::Bucket => self.database.clone(),
            Hint::Protocol | Hint::Media => self.protocol.into(),
            Hint::Proxy => format!("most likely a proxy answered: check {url}, or reach the server without it"),
            Hint::Size => format!("too large for the server: lower {size}, or raise the server's limit"),
            Hint::NoAcceptance => self.no_acceptance.into(),
            Hint::UnusualSuccess => {
                format!("counted as stored, though InfluxDB answers 204: check {url}, something else may answer there")
            }
            Hint::Unreadable => {
                format!("counted as accepted, but no OTLP receiver answers so: check {url}, it may be a login page")
            }
            _ => format!("check {url}"),
        }
    }

    /// `error` of a connection that broke before an answer came, and what to do about it, by the `first` bytes that came
    /// over it; HTTP/1 was `expected`, or HTTP/2.
    pub(crate) fn on_break(&self, error: String, first: &[u8], expected: Language) -> String {
        let url = self.url;
        let advice = match language(first) {
            Some(Language::Tls) => format!("TLS is spoken there: use https:// in {url}"),
            Some(Language::Http1) if expected != Language::Http1 => {
                format!("HTTP/1 is spoken there, not HTTP/2 as gRPC needs it: check `protocol` and the port in {url}")
            }
            Some(Language::Http2) if expected != Language::Http2 => {
                format!("HTTP/2 is spoken there, most likely gRPC: check the port in {url}")
            }
            Some(Language::Other) => format!("no HTTP is spoken there: check the port in {url}"),
            None if first.is_empty() && self.asked.starts_with("http://") => {
                format!("it was closed without a word: if TLS is spoken there, use https:// in {url}")
            }
            _ => return error,
        };
        format!("{error}; {advice}")
    }

    fn redirect(&self, headers: &HeaderMap, secrets: &Secrets) -> String {
        let location = headers.get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()));
        let Some(location) = location.filter(|location| !location.trim().is_empty()) else {
            return format!("redirects are not followed, and this one does not say where to: check {}", self.url);
        };
        let new = secrets.excerpt(public_url(&resolved(&self.asked, location.trim())).as_bytes());
        let url = self.url;
        format!("redirects are not followed: set {url} so that requests go to {new}, unless that is a login page")
    }
}

/// The URL that `location` means in an answer to a request for `asked`, which has no query (RFC 3986, 5.2).
fn resolved(asked: &str, location: &str) -> String {
    let (scheme, rest) = asked.split_once("://").unwrap_or(("http", asked));
    let host = rest.split('/').next().unwrap_or_default();
    let path = &rest[host.len()..];
    if has_scheme(location) {
        location.into()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{host}{location}")
    } else if location.starts_with(['?', '#']) {
        format!("{scheme}://{host}{path}{location}")
    } else {
        let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
        format!("{scheme}://{host}{folder}{location}")
    }
}

fn has_scheme(url: &str) -> bool {
    let scheme = url.split(['/', '?', '#']).next().and_then(|start| start.split_once(':')).map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(is_part)
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn advice(has_credentials: bool) -> Advice {
        Advice {
            url: "`url`",
            asked: "http://h:8086/api/write".into(),
            credentials: "`token`",
            has_credentials,
            size: "`batch_bytes`",
            path: String::new(),
            database: String::new(),
            protocol: "",
            no_acceptance: "",
        }
    }

    #[test]
    fn the_url_of_a_redirect_is_named_without_its_secrets() {
        let mut secrets = Secrets::default();
        secrets.add("hunter2");
        for (location, new) in [
            ("https://h:8086/api/write?token=x", "https://h:8086/api/write?…"),
            ("HTTPS://Other/", "HTTPS://Other/"),
            ("//other/write", "http://other/write"),
            ("/login", "http://h:8086/login"),
            ("login", "http://h:8086/api/login"),
            ("?db=x", "http://h:8086/api/write?…"),
            (" /write/a:b ", "http://h:8086/write/a:b"),
            ("https://root:secret@h/", "https://…@h"),
            ("/write/hunter2", "http://h:8086/write/…"),
        ] {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).expect("a value"))]);
            let words = advice(true).on(Hint::Redirect, &headers, &secrets);
            assert!(words.contains(&format!("set `url` so that requests go to {new},")), "{location}: {words}");
        }
        let words = advice(true).on(Hint::Redirect, &HeaderMap::new(), &secrets);
        assert!(words.contains("does not say where to"), "{words}");
    }

    #[test]
    fn the_error_of_a_broken_connection_says_what_the_server_speaks() {
        for (first, expected, says) in [
            (&b"\x15\x03\x03\x00\x02\x02\x32"[..], Language::Http1, "gone; TLS is spoken there: use https:// in `url`"),
            (b"HTTP/1.1 400 Bad Request", Language::Http2, "gone; HTTP/1 is spoken there, not HTTP/2"),
            (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00", Language::Http1, "gone; HTTP/2 is spoken there"),
            (b"SSH-2.0-x", Language::Http1, "gone; no HTTP is spoken there"),
            (b"", Language::Http2, "gone; it was closed without a word"),
        ] {
            let shown = advice(false).on_break("gone".into(), first, expected);
            assert!(shown.starts_with(says), "{shown:?} does not begin with {says:?}");
        }
        for (first, expected) in [(&b"HTTP/1.1 204"[..], Language::Http1), (b"xyz", Language::Http1)] {
            assert_eq!(advice(false).on_break("gone".into(), first, expected), "gone");
        }
        let over_tls = Advice { asked: "https://h/".into(), ..advice(false) };
        assert_eq!(over_tls.on_break("gone".into(), b"", Language::Http1), "gone");
    }

    #[test]
    fn credentials_are_named_by_their_setting_and_whether_they_were_sent() {
        let words = |sent| advice(sent).on(Hint::Credentials, &HeaderMap::new(), &Secrets::default());
        assert_eq!(words(true), "check `token`, which was sent");
        assert_eq!(words(false), "no credentials were sent: set `token`");
    }
}
