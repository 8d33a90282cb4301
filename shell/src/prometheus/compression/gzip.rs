//! Pages in gzip, compressed as they are made.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use loaddensity_metrics_core::prometheus::ContentCoding;

use crate::gzip::GzipWriter;
use crate::prometheus::FRAME;
use crate::prometheus::frames::Frames;
use crate::prometheus::permits::{Permit, Permits};

/// Pages that may be compressed at a time: one takes half a megabyte, however long the page is.
const COMPRESSED_PAGES: usize = 4;

/// What pages are compressed with.
pub(in crate::prometheus) struct Compressors {
    /// `None` where that is switched off.
    permits: Option<Permits>,
}

/// What one page is compressed with.
pub(in crate::prometheus) struct Compressor {
    pieces: GzipWriter,
    has_ended: bool,
    _permit: Permit,
}

impl Compressors {
    pub(in crate::prometheus) fn new(is_on: bool) -> Self {
        Self { permits: is_on.then(|| Permits::new(COMPRESSED_PAGES)) }
    }

    /// Whether any page is ever compressed.
    pub(in crate::prometheus) const fn is_on(&self) -> bool {
        self.permits.is_some()
    }

    /// One, where a request with these `headers` asks for gzip; none where all are taken, for any client can do without.
    pub(in crate::prometheus) fn take(&self, headers: &HeaderMap) -> Option<Compressor> {
        let permits = self.permits.as_ref()?;
        let accepted: Vec<_> = headers.get_all(ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes).collect();
        match ContentCoding::from_accept_encoding(&accepted) {
            ContentCoding::Identity => None,
            ContentCoding::Gzip => {
                let permit = permits.take()?;
                Some(Compressor { pieces: GzipWriter::new(), has_ended: false, _permit: permit })
            }
        }
    }
}

impl Compressor {
    /// The next frame of what `frames` are in gzip, `None` after the last.
    pub(in crate::prometheus) fn poll_next(&mut self, frames: &mut Frames, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        while !self.has_ended {
            let ready = match ready!(frames.poll_next(cx)) {
                Some(frame) => self.pieces.add(&frame, FRAME),
                None => {
                    self.has_ended = true;
                    self.pieces.finish()
                }
            };
            if !ready.is_empty() {
                return Poll::Ready(Some(ready.into()));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pages_are_compressed_at_a_time() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let compressors = Compressors::new(true);
        let mut taken: Vec<_> =
            (0..COMPRESSED_PAGES).map(|_| compressors.take(&headers).expect("a free permit")).collect();
        assert!(compressors.take(&headers).is_none());
        taken.pop();
        assert!(compressors.take(&headers).is_some());
        assert!(Compressors::new(false).take(&headers).is_none());
    }
}
