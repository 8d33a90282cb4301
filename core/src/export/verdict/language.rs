//! What speaks at the other end of a connection that breaks before an answer came.

/// A language other than the one that was expected, by the first bytes that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// TLS: an alert to somebody who spoke in plain text, or a handshake.
    Tls,
    /// HTTP/1.
    Http1,
    /// HTTP/2, gRPC for one.
    Http2,
    /// Something that greets first, as SSH, SMTP and FTP servers do.
    Other,
}

/// How first bytes begin, what that is, and where that is known from. An asterisk is any byte.
const BEGINNINGS: &[(&[u8], Language)] = &[
    // RFC 8446, 5.1: a record of type alert (21) or handshake (22), and the major version.
    (b"\x15\x03", Language::Tls),
    (b"\x16\x03", Language::Tls),
    // RFC 9112, 4.
    (b"HTTP/1.", Language::Http1),
    // RFC 9113, 3.4: a server begins with SETTINGS (type 4) on stream 0; they are shorter than 64 KiB.
    (b"\x00**\x04*\x00\x00\x00\x00", Language::Http2),
    // RFC 4253, 4.2; RFC 5321, 4.2; RFC 959, 5.4.
    (b"SSH-", Language::Other),
    (b"220 ", Language::Other),
    (b"220-", Language::Other),
];

/// What begins with the bytes `first`; `None` for what is not known here.
#[must_use]
pub fn language(first: &[u8]) -> Option<Language> {
    let begins = |beginning: &[u8]| {
        first.len() >= beginning.len()
            && beginning.iter().zip(first).all(|(known, byte)| *known == b'*' || known == byte)
    };
    BEGINNINGS.iter().find(|(beginning, _)| begins(beginning)).map(|(_, language)| *language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_what_speaks() {
        for (first, expected) in [
            // rustls and OpenSSL to a client that speaks in plain text.
            (&b"\x15\x03\x03\x00\x02\x02\x32"[..], Some(Language::Tls)),
            (b"\x15\x03\x01\x00\x02\x02\x46", Some(Language::Tls)),
            // Go and nginx at a port for TLS; any server of HTTP/1 to HTTP/2's preface.
            (b"HTTP/1.0 400 Bad Request\r\n", Some(Language::Http1)),
            (b"HTTP/1.1 505 HTTP Version Not Supported\r\n", Some(Language::Http1)),
            // grpc-go's first bytes.
            (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", Some(Language::Http2)),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Some(Language::Other)),
            (b"220 mail ESMTP\r\n", Some(Language::Other)),
            (b"\x00\x00\x06\x05\x00\x00\x00\x00\x00", None),
            (b"HTTP", None),
            (b"", None),
        ] {
            assert_eq!(language(first), expected, "{first:?}");
        }
    }
}
