//! Reading the URL of a server: what people write is taken where it has one meaning, and refused in words where not.

use std::net::Ipv6Addr;

use hyper::http::uri::{Authority, PathAndQuery};
use loaddensity_metrics_core::Exporter;
use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::{HTTP_PORT, HTTPS_PORT, RemoteServer};
use crate::config::ClientTls;
use crate::error::StartError;
use crate::public_url::public_url;
use crate::tls::{Connector, HttpVersion};

/// Reads `http://host[:port][/path][?query]`, or `https`, into the server and the rest, which begins with `/`. `tls` and
/// `protocol` are for `https`.
///
/// Blanks around it and the case of the scheme do not matter. What is percent-encoded stays so; characters beyond ASCII
/// in path and query become it (RFC 3986, 2.5). A fragment is never sent (RFC 9110, 4.2.5), and warned of.
pub(crate) fn read_url(
    exporter: Exporter,
    field: &'static str,
    url: &str,
    tls: &ClientTls,
    protocol: HttpVersion,
) -> Result<(RemoteServer, String), StartError> {
    let bad =
        |expected: &str| StartError::Setting { exporter, field, value: public_url(url), expected: expected.into() };
    let user = || match exporter {
        Exporter::Influxdb => bad("it must not hold a user or a password; there are settings of their own for those"),
        _ => bad("it must not hold a user or a password; none is sent"),
    };
    let text = url.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    // Also after a slash: where a password holds one, it ends the host, and what stands before it looks like a port.
    if rest.split(['?', '#']).next().is_some_and(|rest| rest.contains('@')) {
        return Err(user());
    }
    let is_https = is_https(scheme, text).map_err(bad)?;
    let (whole, fragment) = rest.split_once('#').map_or((rest, None), |(whole, fragment)| (whole, Some(fragment)));
    let (authority, path) = whole.split_at(whole.find(['/', '?']).unwrap_or(whole.len()));
    let (host, port) = authority_of(authority).map_err(|expected| bad(&expected))?;
    let port = match port {
        None => Some(if is_https { HTTPS_PORT } else { HTTP_PORT }),
        Some(port) => port.parse().ok().filter(|port| *port != 0),
    };
    // A password with a question mark ends the host too; elsewhere a query may well hold an `@`.
    let port = port.ok_or_else(|| if rest.contains('@') { user() } else { bad("its port must be 1 to 65535") })?;
    let path = path_and_query(path).map_err(bad)?;
    let server = if is_https {
        RemoteServer { host, port, tls: Some(Connector::new(exporter, tls, protocol)?), via: None }
    } else {
        RemoteServer::plain(exporter, &host, port, tls)?
    };
    if fragment.is_some() {
        tracing::warn!(
            exporter = exporter.as_str(),
            "what follows # in the URL is never sent; leave it out, or write %23 for a # that belongs to a value"
        );
    }
    Ok((server, path))
}

/// Whether the URL `text` of this scheme is one of TLS, which this build must then have.
fn is_https(scheme: &str, text: &str) -> Result<bool, &'static str> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(false),
        "https" if cfg!(feature = "tls") => Ok(true),
        "https" => Err("this build has no TLS: it was built without feature \"tls\"; switch that on, or use http://"),
        _ if text.starts_with(['"', '\'', '“']) => {
            Err("it begins with a quotation mark; leave the quotation marks out: http://host:port…")
        }
        _ => Err("it must begin with http:// or https://"),
    }
}

/// The host, without brackets, and the port as it is written. A zone (`[fe80::1%25eth0]`, RFC 6874; `%eth0` too, as curl
/// has it) is kept as `%eth0`.
fn authority_of(text: &str) -> Result<(String, Option<&str>), String> {
    if let Some((address, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let (address, zone) = address.split_once('%').unwrap_or((address, ""));
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        address.parse::<Ipv6Addr>().map_err(|_| "there is no IPv6 address in the brackets".to_owned())?;
        let host = if zone.is_empty() { address.to_owned() } else { format!("{address}%{zone}") };
        return match port.strip_prefix(':') {
            None if !port.is_empty() => Err("after the brackets of its address only :port may follow".into()),
            port => Ok((host, port)),
        };
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    if host.is_empty() && !text.contains("::") {
        return Err("it must name a host".into());
    }
    if text.parse::<Ipv6Addr>().is_ok() || text.contains("::") {
        return Err("it is no URL: an IPv6 address stands in brackets, http://[::1]:port".into());
    }
    if !host.is_ascii() {
        return Err("it is no URL: a host name with other letters is written in Punycode (RFC 3492), xn--…".into());
    }
    let error = |error| format!("it is no URL ({error}); it must be http://host:port…");
    Authority::try_from(host).map_err(error)?;
    Ok((host.to_owned(), port))
}

/// Path and query as they are sent.
fn path_and_query(text: &str) -> Result<String, &'static str> {
    // A request line begins with a slash, even where the URL has a query alone (RFC 9112, 3.2.1).
    let slash = if text.starts_with('/') { "" } else { "/" };
    let encoded = utf8_percent_encode(text, &AsciiSet::EMPTY);
    let whole: PathAndQuery = format!("{slash}{encoded}").parse().map_err(|_| {
        if text.contains(' ') {
            "it is no URL: there is a blank in it; write %20 for one that belongs there"
        } else {
            "it is no URL: its path or query holds a character that must be percent-encoded (RFC 3986, 2.1)"
        }
    })?;
    Ok(whole.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ClientCertificate, Roots};

    fn read(url: &str) -> Result<(RemoteServer, String), StartError> {
        read_url(Exporter::Influxdb, "url", url, &ClientTls::default(), HttpVersion::Http1)
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn https_is_refused_by_a_build_without_tls() {
        let text = read("https://h/write?p=secret").err().expect("refused").to_string();
        assert!(text.contains("without feature \"tls\"") && !text.contains("sec"), "{text}");
    }

    #[test]
    fn certificates_are_refused_without_https() {
        let roots = Roots::Pem("ca.pem".into());
        let identity = ClientCertificate { certificate: "mine.pem".into(), key: "mine.key".into() };
        for (tls, key) in [
            (ClientTls { roots, ..ClientTls::default() }, "`tls.roots`"),
            (ClientTls { identity: Some(identity), ..ClientTls::default() }, "`tls.identity.certificate`"),
        ] {
            let refused = read_url(Exporter::Influxdb, "url", "http://h/write", &tls, HttpVersion::Http1);
            let text = refused.err().expect(key).to_string();
            if cfg!(feature = "tls") {
                assert!(text.contains(key) && text.contains("https://"), "{text}");
            } else {
                assert!(text.contains("built without feature \"tls\""), "{text}");
            }
        }
    }

    /// URL, host and port to connect to, `Host` header, request target.
    #[test]
    fn urls_are_read() {
        for (url, host, port, authority, target) in [
            ("http://localhost:4317", "localhost", 4317, "localhost:4317", "/"),
            ("http://localhost", "localhost", 80, "localhost", "/"),
            ("http://h:80/write", "h", 80, "h", "/write"),
            ("http://h:443/write", "h", 443, "h:443", "/write"),
            ("http://h:8080", "h", 8080, "h:8080", "/"),
            ("http://[::1]:8086/write?db=x&precision=ns", "::1", 8086, "[::1]:8086", "/write?db=x&precision=ns"),
            ("http://[::1]", "::1", 80, "[::1]", "/"),
            ("http://[::1]:80", "::1", 80, "[::1]", "/"),
            ("http://[fe80::1%25eth0]:8086/w", "fe80::1%eth0", 8086, "[fe80::1]:8086", "/w"),
            ("http://[fe80::1%eth0]/w", "fe80::1%eth0", 80, "[fe80::1]", "/w"),
            ("http://h/api/v2/write?org=o", "h", 80, "h", "/api/v2/write?org=o"),
            ("http://h/write?u=me@home", "h", 80, "h", "/write?u=me@home"),
            ("http://h?api-key=k", "h", 80, "h", "/?api-key=k"),
            ("HTTP://H.Example:8086/", "H.Example", 8086, "H.Example:8086", "/"),
            (" http://h:1/w\n", "h", 1, "h:1", "/w"),
            ("http://h:1//a//b/", "h", 1, "h:1", "//a//b/"),
            ("http://h:1/a%2Fb%20c?d=%2b+", "h", 1, "h:1", "/a%2Fb%20c?d=%2b+"),
            ("http://h:1/café?d=ü", "h", 1, "h:1", "/caf%C3%A9?d=%C3%BC"),
            ("http://h:1/w?d=x#part", "h", 1, "h:1", "/w?d=x"),
            ("http://h:1#part", "h", 1, "h:1", "/"),
            ("http://xn--caf-dma.example", "xn--caf-dma.example", 80, "xn--caf-dma.example", "/"),
            ("http://h.:1/", "h.", 1, "h.:1", "/"),
        ] {
            let (server, read) = read(url).expect("a good URL");
            assert_eq!((server.host.as_str(), server.port, read.as_str()), (host, port, target), "{url}");
            assert_eq!(
                (server.authority(), server.origin()),
                (authority.into(), format!("http://{authority}")),
                "{url}"
            );
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn the_port_of_https_is_443() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tls/samples/self.pem");
        let tls = ClientTls { roots: Roots::Pem(file.into()), ..ClientTls::default() };
        for (url, port, authority) in
            [("https://h", 443, "h"), ("https://h:443/w", 443, "h"), ("HTTPS://h:80", 80, "h:80")]
        {
            let (server, _) = read_url(Exporter::Influxdb, "url", url, &tls, HttpVersion::Http1).expect("a good URL");
            assert_eq!((server.port, server.authority()), (port, authority.into()), "{url}");
            assert_eq!(server.origin(), format!("https://{authority}"));
        }
    }

    #[test]
    fn wrong_urls_are_refused_without_showing_their_secrets() {
        for (url, says) in [
            ("ftp://h", "http://"),
            ("localhost:4317", "http://"),
            ("http:/h:1", "http://"),
            ("", "http://"),
            ("\"http://h:1\"", "leave the quotation marks out"),
            ("http://root:secret@h/write", "must not hold a user"),
            ("http://root:sec/secret@h/write", "must not hold a user"),
            ("http://root:1/secret@h/write", "must not hold a user"),
            ("http://root:sec?secret@h/write", "must not hold a user"),
            ("http://root:sec#secret@h/write", "must not hold a user"),
            ("http://root:sec secret@h/write", "must not hold a user"),
            ("root:secret@h", "must not hold a user"),
            ("http://h:99999/?p=secret", "port"),
            ("http://h:0/", "port"),
            ("http://h:/", "port"),
            ("http://", "must name a host"),
            ("http:///write", "must name a host"),
            ("http://:8086/write", "must name a host"),
            ("http://h h/?secret", "URL"),
            ("http://h/a b?secret", "%20"),
            ("http://h/a<b?secret", "percent-encoded"),
            ("http://h/a\nb?secret", "percent-encoded"),
            ("http://café.example/?secret", "Punycode"),
            ("http://::1:8086/", "brackets"),
            ("http://fe80::1/", "brackets"),
            ("http://[::1/", "URL"),
            ("http://[h]/", "no IPv6 address in the brackets"),
            ("http://[::1]8086/", "after the brackets"),
        ] {
            let text = read(url).err().expect(url).to_string();
            assert!(text.contains(says) && text.contains("`url`") && !text.contains("sec"), "{url}: {text}");
        }
    }
}
