//! DogStatsD: three messages per request, a counter, a timing and a histogram.
//!
//! In tag values each of `|`, `,`, `:`, `#` and each control character becomes one `_`, for the protocol has no
//! escapes; every other character passes unchanged. Source of the grammar: DataDog/documentation, dogstatsd
//! datagram_shell.md, protocol 1.0.

use core::fmt;

use heapless::String;

use crate::batch::EventEncoder;
use crate::event::Event;
use crate::out::{Full, Out};
use crate::registry::Registry;

/// Longest prefix in bytes: Datadog takes metric names of up to 200 characters.
pub const PREFIX_BYTES: usize = 160;

/// Writes events as messages: `loaddensity.requests:1|c|#method:GET,name:/x,outcome:success`, then
/// `….request.latency:42|ms|#…` in milliseconds and `….response.size:1024|h|#…` in bytes.
#[derive(Clone, Debug)]
pub struct MessageEncoder<'a> {
    registry: Registry<'a>,
    /// With a dot at its end, or empty.
    prefix: String<{ PREFIX_BYTES + 1 }>,
}

impl<'a> MessageEncoder<'a> {
    /// An encoder for events of `registry` whose metric names begin with `prefix` and a dot. Dots at the end of
    /// `prefix` are dropped; an empty one is left out together with its dot.
    ///
    /// # Errors
    /// A prefix that Datadog would not take as it stands; see [`PrefixError`].
    pub fn new(registry: Registry<'a>, prefix: &str) -> Result<Self, PrefixError> {
        let given = prefix.trim_end_matches('.');
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if given.starts_with(|c: char| !c.is_ascii_alphabetic()) {
            return Err(PrefixError::Start);
        }
        if !given.chars().all(allowed) {
            return Err(PrefixError::Character);
        }
        if given.len() > PREFIX_BYTES {
            return Err(PrefixError::TooLong);
        }
        let mut prefix = String::new();
        if !given.is_empty() {
            prefix.push_str(given).and_then(|()| prefix.push('.')).map_err(|_| PrefixError::TooLong)?;
        }
        Ok(Self { registry, prefix })
    }

    fn message(&self, event: &Event, item: u8, out: &mut Out<'_>) -> Result<(), Full> {
        out.put(self.prefix.as_bytes())?;
        match item {
            0 => out.put(b"requests:1|c|#")?,
            1 => {
                out.put(b"request.latency:")?;
                out.put_millis(event.latency_ns)?;
                out.put(b"|ms|#")?;
            }
            _ => {
                out.put(b"response.size:")?;
                out.put_integer(event.response_bytes)?;
                out.put(b"|h|#")?;
            }
        }
        let tags = self.registry.shown_entry(event.series).dogstatsd().copy_to(out.room());
        out.advance(tags)?;
        out.put(b",outcome:")?;
        out.put(event.outcome.as_str().as_bytes())
    }
}

impl EventEncoder for MessageEncoder<'_> {
    const ITEMS: u8 = 3;

    #[inline]
    fn encode(&self, event: &Event, item: u8, out: &mut [u8]) -> Result<usize, Full> {
        let mut out = Out::new(out);
        self.message(event, item, &mut out)?;
        Ok(out.len())
    }
}

/// Why a prefix cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// It does not begin with a letter.
    Start,
    /// It holds a character other than ASCII letters, digits, `_`, `.` and `-`.
    Character,
    /// It is longer than [`PREFIX_BYTES`].
    TooLong,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("the prefix does not begin with a letter A-Z or a-z; put one in front"),
            Self::Character => f.write_str(
                "the prefix holds a character that metric names cannot have; use letters, digits, _, . and -",
            ),
            Self::TooLong => write!(f, "the prefix is longer than {PREFIX_BYTES} bytes; shorten it"),
        }
    }
}

impl core::error::Error for PrefixError {}
