//! A receiver's answer: the gRPC frame and the `ExportMetricsServiceResponse` in it.

use core::fmt;

use super::{GRPC_PREFIX, field};
use crate::protobuf::{Reader, bytes_tag, varint_tag};

/// What a receiver says about an export that it accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess<'a> {
    /// Data points that it dropped; they must not be sent again. 0 with a message is a warning.
    pub rejected_data_points: i64,
    /// Its reason; may be empty.
    pub error_message: &'a str,
}

/// A receiver's answer that is no `ExportMetricsServiceResponse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is no ExportMetricsServiceResponse; is the endpoint an OTLP receiver?")
    }
}

impl core::error::Error for Malformed {}

/// The message inside a gRPC frame; an empty body has none and counts as an empty message.
///
/// # Errors
/// [`Malformed`] for a frame that is cut off or compressed, which no request of ours asked for.
pub fn grpc_message(body: &[u8]) -> Result<&[u8], Malformed> {
    let Some((prefix, message)) = body.split_first_chunk::<GRPC_PREFIX>() else {
        return if body.is_empty() { Ok(body) } else { Err(Malformed) };
    };
    let [compressed, length @ ..] = *prefix;
    let length = u32::from_be_bytes(length) as usize;
    if compressed != 0 { Err(Malformed) } else { message.get(..length).ok_or(Malformed) }
}

/// Reads an `ExportMetricsServiceResponse`; an empty one means that all was accepted.
///
/// # Errors
/// [`Malformed`] for anything else.
pub fn partial_success(message: &[u8]) -> Result<PartialSuccess<'_>, Malformed> {
    let mut found = PartialSuccess::default();
    let mut reader = Reader::new(message);
    while !reader.is_at_end() {
        let tag = reader.varint().ok_or(Malformed)?;
        if tag == u64::from(bytes_tag(field::PARTIAL_SUCCESS)) {
            read_partial_success(reader.bytes().ok_or(Malformed)?, &mut found)?;
        } else {
            reader.skip(tag).ok_or(Malformed)?;
        }
    }
    Ok(found)
}

fn read_partial_success<'m>(message: &'m [u8], found: &mut PartialSuccess<'m>) -> Result<(), Malformed> {
    let mut reader = Reader::new(message);
    while !reader.is_at_end() {
        let tag = reader.varint().ok_or(Malformed)?;
        if tag == u64::from(varint_tag(field::REJECTED_DATA_POINTS)) {
            found.rejected_data_points = reader.varint().ok_or(Malformed)? as i64;
        } else if tag == u64::from(bytes_tag(field::ERROR_MESSAGE)) {
            let text = reader.bytes().ok_or(Malformed)?;
            found.error_message = core::str::from_utf8(text).map_err(|_| Malformed)?;
        } else {
            reader.skip(tag).ok_or(Malformed)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_means_that_all_was_accepted() {
        assert_eq!(partial_success(grpc_message(&[]).unwrap()), Ok(PartialSuccess::default()));
        assert_eq!(partial_success(grpc_message(&[0; 5]).unwrap()), Ok(PartialSuccess::default()));
    }

    #[test]
    fn rejected_points_and_their_reason_are_read_and_unknown_fields_passed_over() {
        // partial_success { rejected_data_points: 300, field 15: "x", error_message: "no" }, then field 2: 7.
        let message = [0x0a, 0x0a, 0x08, 0xac, 0x02, 0x7a, 0x01, b'x', 0x12, 0x02, b'n', b'o', 0x10, 0x07];
        let found = partial_success(&message).unwrap();
        assert_eq!(found, PartialSuccess { rejected_data_points: 300, error_message: "no" });
    }

    #[test]
    fn what_is_cut_off_compressed_or_no_message_is_malformed() {
        for body in [&[0, 0][..], &[1, 0, 0, 0, 0], &[0, 0, 0, 0, 2, 0x0a]] {
            assert_eq!(grpc_message(body), Err(Malformed), "{body:?}");
        }
        for message in [&[0x0a][..], &[0x0a, 0x05, 0x08], &[0x0a, 0x02, 0x12, 0xff], &[0x0f], &[0xff; 11], &[0, 0]] {
            assert_eq!(partial_success(message), Err(Malformed), "{message:?}");
        }
    }
}
