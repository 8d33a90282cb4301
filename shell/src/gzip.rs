//! Bodies in gzip (RFC 1952), for those who are told so by `Content-Encoding: gzip`.

#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
use std::io::Read as _;
use std::io::Write as _;

use flate2::Compression;
#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// A body that is compressed as it is made, at the level that takes least time. Memory is constant: some 300 KiB, and
/// up to 64 KiB of what is ready.
#[cfg(feature = "prometheus")]
pub(crate) struct Pieces(GzEncoder<Vec<u8>>);

#[cfg(feature = "prometheus")]
impl Pieces {
    pub(crate) fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// Takes in the next piece. Returns what is ready of the compressed body, if that is at least so many bytes, or else
    /// nothing.
    pub(crate) fn add(&mut self, piece: &[u8], least: usize) -> Vec<u8> {
        // Memory takes whatever is written; so does it in `finish`.
        let written = self.0.write_all(piece);
        debug_assert!(written.is_ok());
        if self.0.get_ref().len() < least { Vec::new() } else { std::mem::take(self.0.get_mut()) }
    }

    /// All that is left of the compressed body. Nothing may be added after that.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        let written = self.0.try_finish();
        debug_assert!(written.is_ok());
        std::mem::take(self.0.get_mut())
    }
}

/// What a text of many alike lines usually becomes shorter by, or less.
#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
const USUAL_RATIO: usize = 4;

/// `body` in gzip, at the level that takes least time: some milliseconds for a mebibyte of lines.
#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
pub(crate) fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / USUAL_RATIO), Compression::fast());
    // Memory takes whatever is written, so neither of these fails.
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    debug_assert!(written.is_ok());
    written.unwrap_or_default()
}

/// What `compressed` was before; `None` where it is no gzip, breaks off, or has more than `limit` bytes.
#[cfg(any(feature = "influxdb", feature = "opentelemetry-http"))]
pub(crate) fn decompressed(compressed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    // One byte more than may be: that there is one tells that it is too long.
    GzDecoder::new(compressed).take(limit as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= limit).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn what_is_compressed_is_read_back() {
        let lines = "loaddensity_request,method=GET,name=/x,outcome=success response_time_ms=42 1\n".repeat(1_000);
        for body in ["", "x", &lines] {
            let compressed = compressed(body.as_bytes());
            let mut read = String::new();
            GzDecoder::new(&*compressed).read_to_string(&mut read).expect("gzip");
            assert_eq!(read, body);
        }
        assert!(compressed(lines.as_bytes()).len() < lines.len() / 10);
    }

    #[test]
    fn what_is_compressed_in_pieces_is_read_back() {
        let lines: Vec<_> = (0..50_000).map(|number: u64| format!("a{} {number}\n", number * number)).collect();
        let (mut pieces, mut whole) = (Pieces::new(), Vec::new());
        for (number, line) in lines.iter().enumerate() {
            let ready = pieces.add(line.as_bytes(), 100);
            assert!(ready.is_empty() || ready.len() >= 100, "{}", ready.len());
            whole.extend(ready);
            // It comes as it is made.
            assert!(number < 40_000 || !whole.is_empty());
        }
        whole.extend(pieces.finish());
        assert_eq!(pieces.finish(), b"");
        let mut read = String::new();
        GzDecoder::new(&*whole).read_to_string(&mut read).expect("gzip");
        assert_eq!(read, lines.concat());
    }
}
