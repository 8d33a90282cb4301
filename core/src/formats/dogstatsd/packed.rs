//! Messages of several requests, which differ in nothing but their values (protocol 1.1, value packing).
//!
//! The Agent takes several values in messages of every type but sets. A counter needs no more than their sum. Source:
//! DataDog/documentation, dogstatsd datagram_shell.md.

use heapless::Vec;

use super::OUTCOMES;
use super::aggregated_request::AggregatedRequest;
use super::message_format::{Context, ERROR_TAG_BYTES, LATENCY, MessageFormat, REQUESTS};
use super::origin::ORIGIN_BYTES;
use super::tags::TAG_BYTES;
use crate::labels::dogstatsd as labels;
use crate::metrics;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;
use crate::wire::text::short_text::ShortText;

/// Room for what is after the values: type, rate, tags and origin.
const TAIL_BYTES: usize = "|ms|@|#".len()
    + 24
    + labels::BYTES
    + OUTCOMES[0].len()
    + ERROR_TAG_BYTES
    + TAG_BYTES
    + 2 * (ORIGIN_BYTES + 3)
    + 24;
/// Longest name after the prefix, with its colon, and longest value: 2^64 ns in milliseconds.
const LONGEST: usize = metrics::LATENCY.dogstatsd.len() + ":".len() + "18446744073709.551615".len();
/// The same of a counter that says its second.
const LONGEST_COUNTER: usize =
    metrics::REQUESTS.dogstatsd.len() + ":18446744073709551615".len() + "|T18446744074".len();

/// What one message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedMessage {
    pub(super) bytes: usize,
    /// Requests that it has the value of.
    pub(super) requests: usize,
}

impl MessageFormat {
    /// Writes message `item` of `requests`, which are of one context, to the front of `out`: the counter of all of them,
    /// or the values of the first, as many as fit.
    ///
    /// # Errors
    /// [`Full`] where not a single value fits.
    pub(super) fn encode_packed(
        &self,
        requests: &[AggregatedRequest],
        item: u8,
        context: Context<'_>,
        out: &mut [u8],
    ) -> Result<PackedMessage, Full> {
        let tail = self.tail(item, context)?;
        let room = out.len();
        let mut out = ItemWriter::new(out);
        self.put_name(item, &mut out)?;
        let count = match item {
            REQUESTS => {
                out.put_exact(itoa::Buffer::new().format(requests.len()).as_bytes())?;
                requests.len()
            }
            LATENCY => {
                put_values(requests, tail.len(), &mut out, |request, piece| piece.put_millis(request.latency_ns))?
            }
            _ => {
                put_values(requests, tail.len(), &mut out, |request, piece| piece.put_integer(request.response_bytes))?
            }
        };
        out.put_exact(&tail)?;
        Ok(PackedMessage { bytes: room - out.room(), requests: count })
    }

    /// Writes the counter of so many requests of one context, which says its second.
    pub(super) fn encode_counter(
        &self,
        requests: u64,
        second: u64,
        context: Context<'_>,
        out: &mut [u8],
    ) -> Result<usize, Full> {
        let room = out.len();
        let mut out = ItemWriter::new(out);
        self.put_name(REQUESTS, &mut out)?;
        out.put_exact(itoa::Buffer::new().format(requests).as_bytes())?;
        self.put_type(REQUESTS, &mut out)?;
        self.put_tags(context, true, &mut out)?;
        self.put_origin_and_second(second, &mut out)?;
        Ok(room - out.room())
    }

    /// Bytes that hold any message of one value of this context, or its counter with a second.
    pub(super) fn longest(&self, context: Context<'_>, has_seconds: bool) -> usize {
        let tail = self.tail(LATENCY, context).map_or(TAIL_BYTES, |tail| tail.len());
        // What a counter with a second says more of who sends.
        let timed = self.timed.as_ref().map_or(0, |tags| tags.text().len());
        let longest = if has_seconds { LONGEST_COUNTER + timed } else { LONGEST };
        let error = if context.kind.is_some() { ERROR_TAG_BYTES } else { 0 };
        self.prefix.len() + longest + tail + error
    }

    /// What follows the values of message `item`.
    fn tail(&self, item: u8, context: Context<'_>) -> Result<Vec<u8, TAIL_BYTES>, Full> {
        let mut tail = Vec::new();
        tail.resize_default(TAIL_BYTES).map_err(|_| Full)?;
        let mut out = ItemWriter::new(&mut tail);
        self.put_tail(item, context, &mut out)?;
        let length = TAIL_BYTES - out.room();
        tail.truncate(length);
        Ok(tail)
    }
}

/// Writes the values of the first of `requests` with colons between them, as many as leave room for `tail` bytes;
/// returns how many those are.
fn put_values(
    requests: &[AggregatedRequest],
    tail: usize,
    out: &mut ItemWriter<'_>,
    write: impl Fn(&AggregatedRequest, &mut ShortText<'_, VALUE_BYTES>),
) -> Result<usize, Full> {
    let mut count = 0;
    for request in requests {
        let mut value = [0; VALUE_BYTES];
        let mut piece = ShortText::new(&mut value);
        piece.put(b":", usize::from(count != 0));
        write(request, &mut piece);
        let length = piece.len();
        if out.room() < length + tail {
            break;
        }
        out.put(&value, length)?;
        count += 1;
    }
    if count == 0 { Err(Full) } else { Ok(count) }
}

/// Room for a colon, a value, and what is copied after it.
const VALUE_BYTES: usize = 40;
