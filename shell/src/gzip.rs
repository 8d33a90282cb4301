//! Bodies in gzip (RFC 1952), for those who are told so by `Content-Encoding: gzip`.

#[cfg(feature = "http-client")]
use std::io::Read as _;
use std::io::Write as _;

use flate2::Compression;
#[cfg(feature = "http-client")]
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// A body that is compressed as it is made, at the level that takes least time. Memory is constant: some 300 KiB, and
/// up to 64 KiB of what is ready.
#[cfg(feature = "http-server")]
pub(crate) struct GzipWriter(GzEncoder<Vec<u8>>);

#[cfg(feature = "http-server")]
impl GzipWriter {
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
#[cfg(feature = "http-client")]
const USUAL_RATIO: usize = 4;
/// Bytes of gRPC's prefix (PROTOCOL-HTTP2.md, "Length-Prefixed-Message").
#[cfg(feature = "http-client")]
const PREFIX: usize = 5;

/// Bytes that are compressed in one go: a millisecond's work or so, so that nothing else on the thread waits for longer.
#[cfg(feature = "http-client")]
pub(crate) const SLICE: usize = 128 << 10;

/// `body` in gzip, at the level that takes least time, a slice at a time, with a `pause` between two of them. Where that
/// `is_framed`, gRPC's prefix stands before it: a flag that it is compressed, and its length.
#[cfg(feature = "http-client")]
pub(crate) async fn compressed_in_slices<P>(body: &[u8], is_framed: bool, pause: impl Fn() -> P) -> Vec<u8>
where
    P: Future<Output = ()>,
{
    let prefix = if is_framed { PREFIX } else { 0 };
    let mut whole = Vec::with_capacity(prefix + body.len() / USUAL_RATIO);
    whole.resize(prefix, 0);
    let mut encoder = GzEncoder::new(whole, Compression::fast());
    let mut slices = body.chunks(SLICE).peekable();
    while let Some(slice) = slices.next() {
        // Memory takes whatever is written; so does it in `finish`.
        let written = encoder.write_all(slice);
        debug_assert!(written.is_ok());
        if slices.peek().is_some() {
            pause().await;
        }
    }
    let mut whole = encoder.finish().unwrap_or_default();
    if let Some((prefix, message)) = whole.split_at_mut_checked(prefix).filter(|_| is_framed) {
        // At most 64 MiB went in.
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        prefix[0] = 1;
        prefix[1..].copy_from_slice(&length);
    }
    whole
}

/// What `compressed` was before; `None` where it is no gzip, breaks off, or has more than `limit` bytes.
#[cfg(feature = "http-client")]
pub(crate) fn decompressed(compressed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    // One byte more than may be: that there is one tells that it is too long.
    GzDecoder::new(compressed).take(limit as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() <= limit).then_some(plain)
}

/// All of `body` in gzip, in one go.
#[cfg(test)]
pub(crate) fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes it")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use flate2::read::GzDecoder;
    use futures_lite::future::yield_now;

    use super::*;

    /// `body` compressed in slices, and how many pauses there were.
    fn in_slices(body: &[u8], is_framed: bool) -> (Vec<u8>, usize) {
        let mut compressing = pin!(compressed_in_slices(body, is_framed, yield_now));
        let (mut cx, mut pauses) = (Context::from_waker(Waker::noop()), 0);
        loop {
            match compressing.as_mut().poll(&mut cx) {
                Poll::Ready(compressed) => return (compressed, pauses),
                Poll::Pending => pauses += 1,
            }
        }
    }

    /// Lines that are similar, but no two are equal.
    fn some_lines(bytes: usize) -> Vec<u8> {
        let line =
            |number: u64| format!("requests,method=GET,name=/x/{} value={} {number}\n", number % 97, number * number);
        let mut lines: Vec<u8> = (0..).flat_map(|number| line(number).into_bytes()).take(bytes).collect();
        // Bytes that cannot be compressed are stored as they are, in another kind of block.
        let mut noise = 1_u32;
        for byte in lines.iter_mut().skip(bytes / 2).take(bytes / 8) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = noise.to_be_bytes()[0];
        }
        lines
    }

    #[test]
    fn slices_are_compressed_to_the_same_bytes_as_the_whole() {
        for bytes in [0, 1, SLICE - 1, SLICE, SLICE + 1, 2 * SLICE, 3 * SLICE + 7, 1 << 20, (4 << 20) + 3] {
            let body = some_lines(bytes);
            let (sliced, whole) = (in_slices(&body, false).0, compressed(&body));
            assert!(sliced == whole, "{bytes} bytes: {} and {}", sliced.len(), whole.len());
            let (framed, _) = in_slices(&body, true);
            let length = u32::try_from(whole.len()).expect("short").to_be_bytes();
            assert!(framed == [&[1], &length[..], &whole].concat(), "{bytes} bytes");
        }
    }

    #[test]
    fn there_is_a_pause_between_two_slices() {
        for (bytes, pauses) in [(0, 0), (1, 0), (SLICE, 0), (SLICE + 1, 1), (2 * SLICE, 1), (4 << 20, 31)] {
            assert_eq!(in_slices(&some_lines(bytes), true).1, pauses, "{bytes} bytes");
        }
    }

    #[test]
    fn compressed_bodies_can_be_decompressed() {
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
    fn bodies_compressed_in_pieces_can_be_decompressed() {
        let lines: Vec<_> = (0..50_000).map(|number: u64| format!("a{} {number}\n", number * number)).collect();
        let (mut pieces, mut whole) = (GzipWriter::new(), Vec::new());
        for (number, line) in lines.iter().enumerate() {
            let ready = pieces.add(line.as_bytes(), 100);
            assert!(ready.is_empty() || ready.len() >= 100, "{}", ready.len());
            whole.extend(ready);
            // The output comes while the input is still written, not only at the end.
            assert!(number < 40_000 || !whole.is_empty());
        }
        whole.extend(pieces.finish());
        assert_eq!(pieces.finish(), b"");
        let mut read = String::new();
        GzDecoder::new(&*whole).read_to_string(&mut read).expect("gzip");
        assert_eq!(read, lines.concat());
    }
}
