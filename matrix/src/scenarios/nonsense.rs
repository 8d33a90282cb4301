//! Servers that say something else than they should, or too much.

use std::time::Duration;

use loaddensity_metrics_shell::DropReason;
use loaddensity_metrics_shell::runtime::Runtime;

use crate::backends::SHORT_PATIENCE;
use crate::course::{Course, Trouble};
use crate::relay::{Manner, Speech};
use crate::scenarios::illness::{Illness, fall_ill};

/// What is no HTTP/1.1, or HTTP/1.1 that breaks its rules (RFC 9112, sections 4, 5, 6.3 and 7.1).
const HTTP1_GARBAGE: &[&[u8]] = &[
    b"\0\xff\x16\x03 220 mail.example ESMTP\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/9.9 204 No Content\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\na\0b: c\r\n\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\ncontent-length: 5\r\n\r\nabcde",
    b"HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n",
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: -1\r\n\r\n",
];

/// The same of HTTP/2 (RFC 9113, sections 3.4, 4.2, 4.3, 5.1.1, 6.1 and 6.5): most begin with SETTINGS.
const HTTP2_GARBAGE: &[&[u8]] = &[
    b"\0\xff\x16\x03 220 mail.example ESMTP\r\n\r\n",
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
    // A frame of 16 MiB.
    b"\0\0\0\x04\0\0\0\0\0\xff\xff\xff\0\0\0\0\0\x01",
    // A head that HPACK cannot read.
    b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x01\x05\0\0\0\x01\xff\xff\xff\xff",
    // The answer to a request that nobody sent.
    b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x05\0\0\0\x09\x88",
    // Data of no stream.
    b"\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0\0\0x",
    // SETTINGS of five bytes.
    b"\0\0\x05\x04\0\0\0\0\0abcde",
];

/// Answers over HTTP/1.1 that never end: interim responses (RFC 9110, 15.2), a body, a head.
const HTTP1_ENDLESS: &[Speech] = &[
    Speech { first: b"", endless: b"HTTP/1.1 100 Continue\r\n\r\n", stores: false },
    Speech { first: b"", endless: b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", stores: true },
    Speech {
        first: b"HTTP/1.1 503 Service Unavailable\r\ntransfer-encoding: chunked\r\n\r\n",
        endless: b"4\r\nabcd\r\n",
        stores: false,
    },
    Speech { first: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", endless: b"1\r\nx\r\n", stores: true },
    Speech { first: b"HTTP/1.1 200 OK\r\n\r\n", endless: b"<html>", stores: true },
    Speech { first: b"HTTP/1.1 204 No Content\r\n", endless: b"a: b\r\n", stores: false },
];

/// The same over HTTP/2: interim heads (RFC 9113, 8.1), data, a head that goes on (6.10).
const HTTP2_ENDLESS: &[Speech] = &[
    Speech { first: b"\0\0\0\x04\0\0\0\0\0", endless: b"\0\0\x05\x01\x04\0\0\0\x01\x08\x03103", stores: true },
    Speech {
        first: b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88",
        endless: b"\0\0\x01\0\0\0\0\0\x01x",
        stores: true,
    },
    Speech {
        first: b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x88",
        endless: b"\0\0\x05\x09\0\0\0\0\x01\0\x01a\x01b",
        stores: false,
    },
];

/// Servers whose answers are no HTTP, or HTTP that breaks its rules. Whether they have stored what they got is left to chance.
pub(crate) fn garbage<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let rounds = [(); 3].map(|()| {
        [HTTP1_GARBAGE, HTTP2_GARBAGE, HTTP1_GARBAGE].map(|all| {
            let first = all[course.random.below(all.len())];
            let stores = !is_503(first) && course.random.below(2) == 0;
            let speech = Manner::Says(Speech { first, endless: &[], stores });
            Illness::without_an_answer(speech, &["invalid", "answered 503", "http2 error"])
        })
    });
    fall_ill::<R>(course, SHORT_PATIENCE, &rounds)
}

/// In which every exporter has read more than it takes of an answer, on a busy machine too.
const LONG_PATIENCE: Duration = Duration::from_secs(5);

/// Servers whose answers never end. Exporters cut them off because of what they say, and not because time is over.
pub(crate) fn endless_answers<R: Runtime>(course: &mut Course) -> Result<(), Trouble> {
    let rounds = [(); 3].map(|()| {
        [HTTP1_ENDLESS, HTTP2_ENDLESS, HTTP1_ENDLESS].map(|all| endless(all[course.random.below(all.len())]))
    });
    fall_ill::<R>(course, LONG_PATIENCE, &rounds)
}

/// Where an answer begins well and breaks off, its status may count: then it must be true.
fn is_503(speech: &[u8]) -> bool {
    speech.starts_with(b"HTTP/1.1 503")
}

/// What a status says counts where it comes before what has no end: 200 over OTLP, and over InfluxDB nobody knows.
const fn endless(speech: Speech) -> Illness {
    let says = &["more than 1 MiB", "too large", "answered", "excessive load", "length limit"];
    let drops = &[DropReason::Unconfirmed];
    Illness { manner: Manner::Says(speech), says, drops, at_stop: &[DropReason::Unreachable, DropReason::Deadline] }
}
