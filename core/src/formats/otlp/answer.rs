//! A receiver's answer: an `ExportMetricsServiceResponse` in a gRPC frame or in the body of an HTTP answer.

use core::fmt;

use super::{GRPC_PREFIX, field};
use crate::wire::json::{self, JsonStrings};
use crate::wire::protobuf::{ProtobufReader, bytes_tag, varint_tag};

/// What a receiver says about an export that it accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess<'a> {
    /// Data points that it dropped; they must not be sent again. 0 with a message is a warning.
    pub rejected_data_points: i64,
    /// Its reason; may be empty. Of an answer in JSON, with JSON's escapes.
    pub error_message: &'a str,
}

/// The body of an answer to an export, by how it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Response<'a> {
    /// An `ExportMetricsServiceResponse`, which may be empty.
    Protobuf(&'a [u8]),
    /// The same in JSON (OTLP specification, "JSON Protobuf Encoding").
    Json(&'a [u8]),
    /// Something else, or something that was not read to its end.
    Unreadable,
}

/// A receiver's answer that is no `ExportMetricsServiceResponse`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is no ExportMetricsServiceResponse")
    }
}

impl core::error::Error for Malformed {}

impl<'a> Response<'a> {
    /// The body of an answer over HTTP with this `Content-Type`. An empty one says that all was accepted, whatever its
    /// type; one of another type than OTLP knows is not read.
    #[must_use]
    pub fn of(content_type: &[u8], body: &'a [u8]) -> Self {
        let kind = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
        if body.is_empty() || is("application/x-protobuf") || is("application/protobuf") {
            Self::Protobuf(body)
        } else if is("application/json") {
            Self::Json(body)
        } else {
            Self::Unreadable
        }
    }

    /// What it says about the export.
    ///
    /// # Errors
    /// [`Malformed`] where it is not what it should be.
    pub fn partial_success(self) -> Result<PartialSuccess<'a>, Malformed> {
        match self {
            Self::Protobuf(message) => partial_success(message),
            Self::Json(text) => partial_success_in_json(text),
            Self::Unreadable => Err(Malformed),
        }
    }
}

/// What a gRPC frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed<'a> {
    /// Whether `message` is written as the header `grpc-encoding` says.
    pub is_compressed: bool,
    /// The message.
    pub message: &'a [u8],
}

/// The message inside a gRPC frame; an empty body has none and counts as an empty message.
///
/// # Errors
/// [`Malformed`] for a frame that is cut off.
pub fn grpc_message(body: &[u8]) -> Result<Framed<'_>, Malformed> {
    let Some((prefix, message)) = body.split_first_chunk::<GRPC_PREFIX>() else {
        return if body.is_empty() { Ok(Framed { is_compressed: false, message: body }) } else { Err(Malformed) };
    };
    let [compressed, length @ ..] = *prefix;
    let message = message.get(..u32::from_be_bytes(length) as usize).ok_or(Malformed)?;
    match compressed {
        0 | 1 => Ok(Framed { is_compressed: compressed == 1, message }),
        _ => Err(Malformed),
    }
}

/// Reads an `ExportMetricsServiceResponse`; an empty one means that all was accepted.
fn partial_success(message: &[u8]) -> Result<PartialSuccess<'_>, Malformed> {
    let mut found = PartialSuccess::default();
    let mut reader = ProtobufReader::new(message);
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
    let mut reader = ProtobufReader::new(message);
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

/// The same in JSON: names in lower camel case or as the .proto file has them (protobuf, "JSON Mapping").
fn partial_success_in_json(text: &[u8]) -> Result<PartialSuccess<'_>, Malformed> {
    if !json::is_object(text) {
        return Err(Malformed);
    }
    let mut found = PartialSuccess::default();
    for key in JsonStrings::of(text) {
        // `null` is the default (protobuf, "JSON Mapping").
        match (key.raw, key.value.filter(|value| !value.starts_with(b"null"))) {
            (b"rejectedDataPoints" | b"rejected_data_points", Some(value)) => {
                found.rejected_data_points = json::integer(value).ok_or(Malformed)?;
            }
            (b"errorMessage" | b"error_message", Some(value)) => {
                let message = json::string(value).ok_or(Malformed)?;
                found.error_message = core::str::from_utf8(message).map_err(|_| Malformed)?;
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_by_their_type_and_nothing_else_is() {
        let rejected = |rejected_data_points, error_message| Ok(PartialSuccess { rejected_data_points, error_message });
        let two = &[0x0a, 6, 0x08, 2, 0x12, 2, b'n', b'o'][..];
        for (kind, body, found) in [
            ("application/x-protobuf", two, rejected(2, "no")),
            ("Application/X-Protobuf; charset=utf-8", two, rejected(2, "no")),
            ("application/protobuf", two, rejected(2, "no")),
            // Groups are passed over; one that has no end, or the end of another, is none.
            ("application/x-protobuf", &[0x7b, 0x0b, 0x08, 1, 0x0c, 0x7c, 0x0a, 2, 0x08, 2], rejected(2, "")),
            ("application/x-protobuf", &[0x7b, 0x08, 1], Err(Malformed)),
            ("application/x-protobuf", &[0x7b, 0x0c], Err(Malformed)),
            ("application/x-protobuf", &[0x7b; 101], Err(Malformed)),
            ("application/x-protobufs", two, Err(Malformed)),
            ("application/x-protobuf", b"OK", Err(Malformed)),
            ("application/json", br#"{"partialSuccess":{"rejectedDataPoints":"2"}}"#, rejected(2, "")),
            ("application/json", br#"{"partial_success":{"rejected_data_points":2}}"#, rejected(2, "")),
            (
                "application/json; charset=utf-8",
                br#" {"partialSuccess": {"errorMessage": "\"rejectedDataPoints\": 5", "rejectedDataPoints" : 1 } }"#,
                rejected(1, r#"\"rejectedDataPoints\": 5"#),
            ),
            ("application/json", b"{}", rejected(0, "")),
            ("application/json", br#"{"partialSuccess":{"rejectedDataPoints":"two"}}"#, Err(Malformed)),
            ("application/json", br#"{"partialSuccess":{"errorMessage":null}}"#, rejected(0, "")),
            ("application/json", br#"{"partialSuccess":{"errorMessage":3}}"#, Err(Malformed)),
            ("application/json", b"OK", Err(Malformed)),
            ("text/plain", b"OK", Err(Malformed)),
            ("text/html; charset=utf-8", b"<html>", Err(Malformed)),
            ("", b"OK", Err(Malformed)),
            ("text/html", b"", rejected(0, "")),
            ("", b"", rejected(0, "")),
        ] {
            assert_eq!(Response::of(kind.as_bytes(), body).partial_success(), found, "{kind} {body:?}");
        }
    }

    #[test]
    fn an_empty_answer_means_that_all_was_accepted() {
        for body in [&[][..], &[0; 5]] {
            let framed = grpc_message(body).unwrap();
            assert_eq!(framed, Framed { is_compressed: false, message: &[] });
            assert_eq!(partial_success(framed.message), Ok(PartialSuccess::default()));
        }
    }

    #[test]
    fn rejected_points_and_their_reason_are_read_and_unknown_fields_passed_over() {
        // partial_success { rejected_data_points: 300, field 15: "x", error_message: "no" }, then field 2: 7.
        let message = [0x0a, 0x0a, 0x08, 0xac, 0x02, 0x7a, 0x01, b'x', 0x12, 0x02, b'n', b'o', 0x10, 0x07];
        let found = partial_success(&message).unwrap();
        assert_eq!(found, PartialSuccess { rejected_data_points: 300, error_message: "no" });
    }

    #[test]
    fn what_is_cut_off_or_no_message_is_malformed() {
        assert_eq!(grpc_message(&[1, 0, 0, 0, 1, 7]), Ok(Framed { is_compressed: true, message: &[7] }));
        for body in [&[0, 0][..], &[1, 0, 0, 0, 1], &[2, 0, 0, 0, 0], &[0, 0, 0, 0, 2, 0x0a]] {
            assert_eq!(grpc_message(body), Err(Malformed), "{body:?}");
        }
        for message in [&[0x0a][..], &[0x0a, 0x05, 0x08], &[0x0a, 0x02, 0x12, 0xff], &[0x0f], &[0xff; 11], &[0, 0]] {
            assert_eq!(partial_success(message), Err(Malformed), "{message:?}");
        }
    }
}
