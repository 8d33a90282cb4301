//! The body of an answer, as far as it is read.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, HeaderMap};

/// Most bytes of an answer that are read, as they come and without compression; real ones have a few hundred.
pub(crate) const ANSWER_BYTES: usize = 64 << 10;

/// What was read of a body.
pub(crate) struct ReadBody {
    /// `None` where it broke off, is too long, or is compressed in a way that is not known here.
    pub(crate) body: Option<Bytes>,
    /// Whether it was read to its end, so that the connection can be used again.
    pub(crate) is_over: bool,
}

/// Reads the body that came with `headers`.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming) -> ReadBody {
    let Ok(body) = Limited::new(body, ANSWER_BYTES).collect().await else {
        return ReadBody { body: None, is_over: false };
    };
    let encoding = headers.get(CONTENT_ENCODING).map_or(&b""[..], |encoding| encoding.as_bytes());
    ReadBody { body: decoded(body.to_bytes(), encoding), is_over: true }
}

/// `body` without the compression `encoding`. None was asked for, but proxies compress all the same. `None` for an encoding
/// that is not known here, or of more than [`ANSWER_BYTES`].
pub(crate) fn decoded(body: Bytes, encoding: &[u8]) -> Option<Bytes> {
    match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Some(body),
        // What has no content has nothing to decode.
        _ if body.is_empty() => Some(body),
        #[cfg(feature = "gzip")]
        b"gzip" | b"x-gzip" => crate::gzip::decompressed(&body, ANSWER_BYTES).map(Bytes::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_encodings_are_decoded() {
        for (encoding, read) in
            [(&b""[..], Some("OK")), (b"identity", Some("OK")), (b"br", None), (b"gzip, gzip", None), (b"gzip", None)]
        {
            let read = read.map(Bytes::from);
            assert_eq!(decoded(Bytes::from_static(b"OK"), encoding), read, "{encoding:?}");
            assert_eq!(decoded(Bytes::new(), encoding), Some(Bytes::new()), "{encoding:?}");
        }
    }

    #[cfg(feature = "gzip")]
    #[test]
    fn a_short_gzip_body_may_not_expand_without_limit() {
        let gzip = |bytes: usize| Bytes::from(crate::gzip::compressed(&vec![b'x'; bytes]));
        assert_eq!(decoded(gzip(ANSWER_BYTES), b"GZIP").map(|body| body.len()), Some(ANSWER_BYTES));
        assert_eq!(decoded(gzip(ANSWER_BYTES + 1), b"gzip"), None);
        assert_eq!(decoded(gzip(100 << 20), b"gzip"), None);
        assert_eq!(decoded(gzip(1_000).slice(..12), b"gzip"), None, "it breaks off");
    }
}
