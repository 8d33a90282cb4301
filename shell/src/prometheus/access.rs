//! Who may read the page: the `Authorization` header, compared in constant time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::config::PageAccess;

/// What a request must show.
pub(super) struct Authenticator {
    scheme: &'static str,
    /// What follows the scheme.
    credentials: Vec<u8>,
}

impl Authenticator {
    /// `None` where anyone may read.
    pub(super) fn new(access: &PageAccess) -> Option<Self> {
        match access {
            PageAccess::Anyone => None,
            PageAccess::Basic { username, password } => {
                let pair = format!("{username}:{}", password.reveal());
                Some(Self { scheme: "Basic", credentials: STANDARD.encode(pair).into_bytes() })
            }
            PageAccess::Bearer(token) => Some(Self { scheme: "Bearer", credentials: token.reveal().into() }),
        }
    }

    /// Whether this `Authorization` header lets the request in.
    pub(super) fn accepts(&self, authorization: Option<&HeaderValue>) -> bool {
        let Some((scheme, credentials)) = authorization.map(HeaderValue::as_bytes).and_then(split) else {
            return false;
        };
        scheme.eq_ignore_ascii_case(self.scheme.as_bytes()) && is_same(credentials, &self.credentials)
    }

    /// What to answer to a request that is not let in.
    pub(super) const fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(match self.scheme.as_bytes() {
            b"Basic" => "Basic realm=\"metrics\", charset=\"UTF-8\"",
            _ => "Bearer realm=\"metrics\"",
        })
    }
}

fn split(header: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = header.iter().position(|byte| *byte == b' ')?;
    Some((&header[..space], header[space..].trim_ascii()))
}

/// Takes as long wherever two texts differ, so that the time tells nothing but their length.
fn is_same(given: &[u8], wanted: &[u8]) -> bool {
    let differences = given.iter().zip(wanted).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == wanted.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn only_the_right_credentials_open_the_page() {
        // RFC 7617, section 2 and RFC 6750, section 2.1: their examples.
        let basic = PageAccess::Basic { username: "Aladdin".into(), password: Secret::new("open sesame") };
        let bearer = PageAccess::Bearer(Secret::new("mF_9.B5f-4.1JqM"));
        let table = [
            (&basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", true),
            (&basic, "bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ== ", true),
            (&basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=", false),
            (&basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==", false),
            (&basic, "Basic", false),
            (&basic, "", false),
            (&basic, "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", false),
            (&bearer, "Bearer mF_9.B5f-4.1JqM", true),
            (&bearer, "Bearer mf_9.B5f-4.1JqM", false),
            (&bearer, "Bearer ", false),
            (&bearer, "BearermF_9.B5f-4.1JqM", false),
        ];
        for (access, header, accepts) in table {
            let authenticator = Authenticator::new(access).expect("credentials are asked for");
            let header = HeaderValue::from_str(header).expect("a header");
            assert_eq!(authenticator.accepts(Some(&header)), accepts, "{header:?}");
            assert!(!authenticator.accepts(None));
        }
        assert!(Authenticator::new(&PageAccess::Anyone).is_none());
    }
}
