//! When an export may be tried again: `RetryInfo` in `grpc-status-details-bin`, and `grpc-retry-pushback-ms`.
//!
//! Sources: OTLP specification, "OTLP/gRPC Throttling"; googleapis, `google/rpc/status.proto`,
//! `google/rpc/error_details.proto`, `google/protobuf/duration.proto`; grpc/grpc, PROTOCOL-HTTP2.md, "Binary-Header";
//! grpc/proposal, A6-client-retries.md, "Pushback".

use core::time::Duration;

use crate::wire::protobuf::{ProtobufReader, bytes_tag, varint_tag};

/// Most bytes of decoded status details that are looked at; gRPC allows peers to limit all headers to 8 KiB.
const DETAILS_BYTES: usize = 4_096;
/// The end of the type URL of a `RetryInfo` in an `Any`.
const RETRY_INFO: &[u8] = b"google.rpc.RetryInfo";

/// Field numbers, under the names of the .proto files.
mod field {
    pub(super) const STATUS_MESSAGE: u8 = 2;
    pub(super) const STATUS_DETAILS: u8 = 3;
    pub(super) const ANY_TYPE_URL: u8 = 1;
    pub(super) const ANY_VALUE: u8 = 2;
    pub(super) const RETRY_DELAY: u8 = 1;
    pub(super) const SECONDS: u8 = 1;
    pub(super) const NANOS: u8 = 2;
}

/// What `grpc-retry-pushback-ms` asks for. Exhaustive: gRPC has no third answer, and whoever retries must heed both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// To wait for so long before the next attempt.
    Wait(Duration),
    /// Not to try again: the value is negative or no number.
    Never,
}

impl Pushback {
    /// Reads the value of the trailer: a signed number of 32 bits, in decimal.
    #[must_use]
    pub fn parse(value: &[u8]) -> Self {
        let millis = core::str::from_utf8(value).ok().and_then(|text| text.parse::<i32>().ok());
        match millis.and_then(|millis| u64::try_from(millis).ok()) {
            Some(millis) => Self::Wait(Duration::from_millis(millis)),
            None => Self::Never,
        }
    }
}

/// The `retry_delay` of the `RetryInfo` in the value of `grpc-status-details-bin`, which is a `google.rpc.Status` in
/// base64, padded or not. `None` without one, for one that is negative, and for a value that is no such message or
/// has more than 4,096 bytes.
#[must_use]
pub fn retry_delay(details: &[u8]) -> Option<Duration> {
    let mut room = [0; DETAILS_BYTES];
    let status = base64(details, &mut room)?;
    let mut found = None;
    each_bytes(status, field::STATUS_DETAILS, |any| {
        if found.is_none() {
            found = retry_info(any);
        }
    })?;
    found
}

/// The `message` of a `google.rpc.Status`, as the body of an answer over HTTP has it.
#[must_use]
pub fn status_message(status: &[u8]) -> Option<&str> {
    let mut message = None;
    each_bytes(status, field::STATUS_MESSAGE, |text| message = Some(text))?;
    core::str::from_utf8(message?).ok()
}

/// The delay of an `Any` that is a `RetryInfo`.
fn retry_info(any: &[u8]) -> Option<Duration> {
    let (mut is_one, mut value) = (false, None);
    each_bytes(any, field::ANY_TYPE_URL, |url| is_one = url.ends_with(RETRY_INFO))?;
    each_bytes(any, field::ANY_VALUE, |bytes| value = Some(bytes))?;
    let mut delay = None;
    // A `RetryInfo` without a delay names none.
    each_bytes(value.filter(|_| is_one)?, field::RETRY_DELAY, |bytes| delay = Some(bytes))?;
    duration(delay?)
}

/// A `google.protobuf.Duration` that is not negative.
fn duration(message: &[u8]) -> Option<Duration> {
    let (mut seconds, mut nanos) = (0, 0);
    let mut reader = ProtobufReader::new(message);
    while !reader.is_at_end() {
        let tag = reader.varint()?;
        if tag == u64::from(varint_tag(field::SECONDS)) {
            seconds = reader.varint()?;
        } else if tag == u64::from(varint_tag(field::NANOS)) {
            nanos = reader.varint()?;
        } else {
            reader.skip(tag)?;
        }
    }
    // Negative numbers are the largest ones here.
    let (seconds, nanos) = (i64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?);
    (nanos < 1_000_000_000).then(|| Duration::new(seconds.unsigned_abs(), nanos))
}

/// Hands each field `number` of `message` that has a length to `then`; `None` where it is no message.
fn each_bytes<'m>(message: &'m [u8], number: u8, mut then: impl FnMut(&'m [u8])) -> Option<()> {
    let mut reader = ProtobufReader::new(message);
    while !reader.is_at_end() {
        let tag = reader.varint()?;
        if tag == u64::from(bytes_tag(number)) {
            then(reader.bytes()?);
        } else {
            reader.skip(tag)?;
        }
    }
    Some(())
}

/// Decodes base64 (RFC 4648, 4), padded or not, into the front of `room`.
fn base64<'r>(text: &[u8], room: &'r mut [u8; DETAILS_BYTES]) -> Option<&'r [u8]> {
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let text = text.get(..text.len() - padding).filter(|_| padding <= 2)?;
    let mut length = 0;
    for quad in text.chunks(4) {
        // One digit alone has less than a byte.
        if quad.len() == 1 {
            return None;
        }
        let mut bits = 0;
        for at in 0..4 {
            bits = bits << 6 | u32::from(quad.get(at).map_or(Some(0), |digit| sextet(*digit))?);
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        for byte in bytes.iter().take(quad.len() - 1) {
            *room.get_mut(length)? = *byte;
            length += 1;
        }
    }
    room.get(..length)
}

const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `google.rpc.Status { code: 8, message: "slow down", details: [Any { type_url:
    /// "type.googleapis.com/google.rpc.RetryInfo", value: RetryInfo { retry_delay: 2.5 s } }] }`, as prost and the
    /// base64 crate wrote it.
    const TWO_AND_A_HALF: &[u8] =
        b"CAgSCXNsb3cgZG93bho2Cih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgoKCAgCEIDKte4B";

    #[test]
    fn a_delay_is_found_padded_or_not() {
        let wait = Some(Duration::from_millis(2_500));
        assert_eq!(retry_delay(TWO_AND_A_HALF), wait);
        // The same with one more byte (field 4, varint), so that it ends in padding.
        for padded in [&b"=="[..], b""] {
            let mut text: heapless::Vec<u8, 256> = heapless::Vec::from_slice(TWO_AND_A_HALF).unwrap();
            text.extend_from_slice(b"IAEgAQ").unwrap();
            text.extend_from_slice(padded).unwrap();
            assert_eq!(retry_delay(&text), wait, "{padded:?}");
        }
    }

    #[test]
    fn what_names_no_delay_gives_none() {
        for (details, what) in [
            (&b""[..], "nothing"),
            (b"====", "padding alone"),
            (b"C", "less than a byte"),
            (b"CA", "a tag alone"),
            (b"CAg", "a code alone"),
            (b"\xff\xff\xff\xff", "no base64"),
            (&TWO_AND_A_HALF[..TWO_AND_A_HALF.len() - 4], "cut off"),
            (&[b'A'; 8_000], "too long"),
        ] {
            assert_eq!(retry_delay(details), None, "{what}");
        }
    }

    #[test]
    fn durations_that_mean_none_are_refused() {
        for (message, wait) in [
            (&[][..], Some(Duration::ZERO)),
            (&[0x08, 0x03], Some(Duration::from_secs(3))),
            (&[0x10, 0x05, 0x1a, 0x01, 0x00], Some(Duration::from_nanos(5))),
            // -1 s, -1 ns, and a second in nanoseconds.
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], None),
            (&[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], None),
            (&[0x10, 0x80, 0x94, 0xeb, 0xdc, 0x03], None),
            (&[0x08], None),
        ] {
            assert_eq!(duration(message), wait, "{message:x?}");
        }
    }

    #[test]
    fn the_message_of_a_status_is_read() {
        assert_eq!(status_message(&[0x08, 0x03, 0x12, 0x02, b'n', b'o']), Some("no"));
        assert_eq!(
            (status_message(&[]), status_message(b"<html>"), status_message(&[0x12, 1, 0xff])),
            (None, None, None)
        );
    }

    #[test]
    fn pushback_is_a_wait_or_a_never() {
        for (value, expected) in [
            (&b"0"[..], Pushback::Wait(Duration::ZERO)),
            (b"1500", Pushback::Wait(Duration::from_millis(1_500))),
            (b"-1", Pushback::Never),
            (b"2147483648", Pushback::Never),
            (b"soon", Pushback::Never),
            (b"", Pushback::Never),
        ] {
            assert_eq!(Pushback::parse(value), expected);
        }
    }
}
