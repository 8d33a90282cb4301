//! The `Host` field of a request.

use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Version};

/// Whether `request` has the one `Host` that it must have (RFC 9112, section 3.2). Before HTTP/1.1 it may have none.
pub(super) fn has_right_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// Whether this is a host with or without a port, and no user before it (RFC 9110, section 7.2). It is empty where the URL has
/// none.
fn is_host(value: &[u8]) -> bool {
    let Ok(authority) = Authority::try_from(value) else { return value.is_empty() };
    let port = authority.as_str().strip_prefix(authority.host()).and_then(|rest| rest.strip_prefix(':'));
    authority.as_str() == authority.host() || port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(version: Version, hosts: &[&str]) -> bool {
        let request =
            hosts.iter().fold(Request::builder().version(version), |request, host| request.header(HOST, *host));
        has_right_host(&request.body(()).expect("a request"))
    }

    #[test]
    fn a_request_needs_one_valid_host() {
        let (old, new) = (Version::HTTP_10, Version::HTTP_11);
        for host in ["", "h", "h:9646", "h:", "127.0.0.1", "[::1]:9646", "a_b.example", "xn--bcher-kva.example:1"] {
            assert!(is_taken(new, &[host]) && is_taken(old, &[host]), "{host}");
        }
        for host in
            ["a b", "h/x", "h?x", "me@h", "me:secret@h", "h:port", "h:1:2", "[::1", "http://h", "h, h", "\u{e4}"]
        {
            assert!(!is_taken(new, &[host]) && !is_taken(old, &[host]), "{host}");
        }
        for hosts in [["h", "other"], ["h", "h"], ["", ""]] {
            assert!(!is_taken(new, &hosts) && !is_taken(old, &hosts), "{hosts:?}");
        }
        assert!(is_taken(old, &[]));
        assert!(!is_taken(new, &[]));
    }
}
