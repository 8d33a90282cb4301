//! What messages look like where they differ from the contract's: types, rate, tags and origin.

use core::fmt::Write as _;

use heapless::{String, Vec};

use super::origin::OriginFields;
use super::tags::ConstantTags;
use super::{OUTCOMES, PREFIX_BYTES};
use crate::atomics::stored_text::StoredText;
use crate::events::event::Event;
use crate::events::sampling::SampleRate;
use crate::labels::dogstatsd as labels;
use crate::metrics;
use crate::request::error_kind::ErrorKind;
use crate::request::label::ERROR_TYPE;
use crate::request::sample::Outcome;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::joined::{joined, joined_str};
use crate::wire::text::out::Full;

/// The messages of a request.
pub(super) const REQUESTS: u8 = 0;
pub(super) const LATENCY: u8 = 1;
pub(super) const SIZE: u8 = 2;
/// How many those are.
pub(super) const ITEMS: u8 = 3;

/// The types and fields of messages.
#[derive(Clone, Debug)]
pub(super) struct MessageFormat {
    /// The prefix with its dot.
    pub(super) prefix: Vec<u8, { PREFIX_BYTES + 1 }>,
    /// `d` instead of `ms` and `h`.
    pub(super) distributions: bool,
    /// `|@0.5`.
    pub(super) rate: String<24>,
    pub(super) constant: ConstantTags,
    /// Those of messages of which the last one stays, gauges and those that have a time, where they are others.
    pub(super) timed: Option<ConstantTags>,
    pub(super) fields: OriginFields,
    /// Whether the last message of a packet ends with a newline, as the others do.
    pub(super) ends_with_newline: bool,
}

/// What begins the tag of a kind of failure.
const ERROR_TAG: &str = joined_str!(",", ERROR_TYPE, ":");
/// Most bytes of that tag.
pub(super) const ERROR_TAG_BYTES: usize = ERROR_TAG.len() + "protocol".len();

/// The tags of a series and an outcome.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) tags: StoredText<'a>,
    pub(super) outcome: Outcome,
    /// The kind of its failures, while the label `error_type` is on. Counters alone show it.
    pub(super) kind: Option<ErrorKind>,
}

impl MessageFormat {
    /// The contract's messages, with a prefix of at most [`PREFIX_BYTES`].
    pub(super) fn new(prefix: &str) -> Self {
        let dot = if prefix.is_empty() { "" } else { "." };
        Self {
            prefix: prefix.bytes().chain(dot.bytes()).collect(),
            distributions: false,
            rate: String::new(),
            constant: ConstantTags::default(),
            timed: None,
            fields: OriginFields::default(),
            ends_with_newline: false,
        }
    }

    pub(super) fn set_rate(&mut self, rate: SampleRate) {
        self.rate.clear();
        if !rate.is_all() {
            // The shortest decimal of a number from 10^-6 to 1 has at most 24 characters.
            let fits = write!(self.rate, "|@{rate}");
            debug_assert!(fits.is_ok());
        }
    }

    /// Writes message `item` of `event`, which is of this context; returns its length in bytes.
    pub(super) fn encode(&self, event: &Event, item: u8, context: Context<'_>, out: &mut [u8]) -> Result<usize, Full> {
        let room = out.len();
        let mut out = ItemWriter::new(out);
        self.put_name(item, &mut out)?;
        match item {
            REQUESTS => out.put(b"1", 1)?,
            LATENCY => out.put_millis(event.latency_ns, b"")?,
            _ => out.put_integer(event.response_bytes, b"")?,
        }
        self.put_tail(item, context, &mut out)?;
        Ok(room - out.room())
    }

    /// Appends the prefix and the name of message `item`, with its colon.
    pub(super) fn put_name(&self, item: u8, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        out.put_exact(&self.prefix)?;
        match item {
            REQUESTS => out.put_all(joined!(metrics::REQUESTS.dogstatsd, ":")),
            LATENCY => out.put_all(joined!(metrics::LATENCY.dogstatsd, ":")),
            _ => out.put_all(joined!(metrics::SIZE.dogstatsd, ":")),
        }
    }

    /// Appends what follows the values of message `item`, which has no time: type, rate, tags and origin.
    pub(super) fn put_tail(&self, item: u8, context: Context<'_>, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        self.put_type(item, out)?;
        let kind = context.kind.filter(|_| item == REQUESTS);
        self.put_tags(Context { kind, ..context }, false, out)?;
        self.put_origin(out)
    }

    /// Appends type and rate of message `item`, and what begins its tags.
    pub(super) fn put_type(&self, item: u8, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        out.put_exact(self.metric_type(item))?;
        out.put_exact(self.rate.as_bytes())?;
        out.put(b"|#", 2)
    }

    /// The constant tags of a message of which the last one stays, since it has a time or is a gauge, or of any other.
    const fn constant(&self, last_stays: bool) -> &ConstantTags {
        match &self.timed {
            Some(timed) if last_stays => timed,
            _ => &self.constant,
        }
    }

    /// Appends the fields of a message that has no series: the constant tags and the origin.
    pub(super) fn put_own_fields(&self, last_stays: bool, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        if let Some((_, tags)) = self.constant(last_stays).text().split_first() {
            out.put_exact(b"|#")?;
            out.put_exact(tags)?;
        }
        self.put_origin(out)
    }

    /// Appends the fields of a message that has a series and no outcome: its tags, the constant ones and the origin.
    #[inline]
    pub(super) fn put_fields_of_series(
        &self,
        tags: StoredText<'_>,
        last_stays: bool,
        out: &mut ItemWriter<'_>,
    ) -> Result<(), Full> {
        if !self.constant(last_stays).text().is_empty() {
            return self.put_fields_with_constant(tags, last_stays, out);
        }
        out.put(b"|#", 2)?;
        out.put_text(tags)?;
        self.put_origin(out)
    }

    /// The same where there are constant tags, which are compared with those of the series.
    #[inline(never)]
    fn put_fields_with_constant(
        &self,
        tags: StoredText<'_>,
        last_stays: bool,
        out: &mut ItemWriter<'_>,
    ) -> Result<(), Full> {
        let mut room = [0; labels::BYTES];
        let length = tags.copy_to(&mut room).ok_or(Full)?;
        let tags = room.get(..length).ok_or(Full)?;
        out.put_exact(b"|#")?;
        out.put_exact(tags)?;
        self.put_constant_tags(tags, last_stays, out)?;
        self.put_origin(out)
    }

    /// Appends the origin to a message that has no timestamp.
    #[inline]
    pub(super) fn put_origin(&self, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        out.put_some(&self.fields.before_time)?;
        out.put_some(&self.fields.after_time)
    }

    /// Appends the origin to a message of this second, in the order of Datadog's Go client.
    pub(super) fn put_origin_and_second(&self, second: u64, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        out.put_exact(&self.fields.before_time)?;
        out.put_exact(b"|T")?;
        out.put_integer(second, b"")?;
        out.put_exact(&self.fields.after_time)
    }

    /// The type of message `item`.
    const fn metric_type(&self, item: u8) -> &'static [u8] {
        match (item, self.distributions) {
            (REQUESTS, _) => joined!("|", metrics::REQUESTS.dogstatsd_type),
            (LATENCY, false) => joined!("|", metrics::LATENCY.dogstatsd_type),
            (_, false) => joined!("|", metrics::SIZE.dogstatsd_type),
            (_, true) => b"|d",
        }
    }

    /// Appends the tags of a context, and the constant ones.
    pub(super) fn put_tags(&self, context: Context<'_>, has_time: bool, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        let mut room = [0; labels::BYTES];
        let length = context.tags.copy_to(&mut room).ok_or(Full)?;
        let tags = &room[..length];
        out.put_exact(tags)?;
        let outcome = OUTCOMES[context.outcome.index()];
        out.put(outcome, outcome.len())?;
        if let Some(kind) = context.kind {
            out.put_exact(ERROR_TAG.as_bytes())?;
            out.put_exact(kind.as_str().as_bytes())?;
        }
        self.put_constant_tags(tags, has_time, out)
    }

    /// Appends the constant tags after those of a series, but for those whose key the series has.
    fn put_constant_tags(&self, tags: &[u8], last_stays: bool, out: &mut ItemWriter<'_>) -> Result<(), Full> {
        let constant = self.constant(last_stays);
        if constant.text().is_empty() {
            return Ok(());
        }
        if !has_more_than_method_and_name(tags) {
            return out.put_exact(constant.text());
        }
        for tag in constant.iter().filter(|tag| !has_key(tags, key(tag))) {
            out.put_exact(b",")?;
            out.put_exact(tag)?;
        }
        Ok(())
    }
}

/// Whether a series has tags besides `method:…,name:…`. Values hold neither commas nor colons.
fn has_more_than_method_and_name(tags: &[u8]) -> bool {
    tags.iter().filter(|byte| **byte == b',').nth(1).is_some()
}

fn key(tag: &[u8]) -> &[u8] {
    tag.split(|byte| *byte == b':').next().unwrap_or_default()
}

fn has_key(tags: &[u8], wanted: &[u8]) -> bool {
    tags.split(|byte| *byte == b',').any(|tag| key(tag) == wanted)
}
