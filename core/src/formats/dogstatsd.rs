//! DogStatsD: three messages per request, a counter, a timing and a histogram.
//!
//! In tag values each of `|`, `,`, `:`, `#` and each control character becomes one `_`, for the protocol has no
//! escapes; every other character passes unchanged. Source of the grammar: DataDog/documentation, dogstatsd
//! datagram_shell.md, protocol 1.0.

mod aggregated_request;
mod aggregator;
mod counters;
mod gauges;
mod instruments;
mod join;
mod message_format;
mod observations;
mod origin;
mod packed;
mod tags;
mod telemetry;

use core::fmt;
use core::ops::Range;

use crate::atomics::stored_text::StoredText;
use crate::events::batch::{EventEncoder, Written, encode_each};
use crate::events::event::Event;
use crate::events::sampling::SampleRate;
use crate::labels::dogstatsd::DogstatsdTags;
use crate::metrics;
use crate::registry::Registry;
use crate::request::sample::Outcome;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::item_start::ItemStart;
use crate::wire::text::joined::joined;
use crate::wire::text::out::Full;
use message_format::{Context, ITEMS, LATENCY, MessageFormat, REQUESTS, SIZE};
use origin::OriginFields;

pub use aggregated_request::AggregatedRequest;
pub use aggregator::{Aggregator, Packet};
pub use counters::{ContextCount, CounterPacket};
pub use gauges::{GaugeMessageEncoder, METRIC_BYTES};
pub use instruments::{InstrumentMessageEncoder, RowMessages};
pub use observations::ObservationMessageEncoder;
pub use origin::{Cardinality, ORIGIN_BYTES, Origin, OriginError};
pub use tags::{ConstantTags, TAG_BYTES, TagError};
pub use telemetry::{ClientTransport, Telemetry, TelemetryEncoder};

/// Longest prefix in bytes: Datadog takes metric names of up to 200 characters.
pub const PREFIX_BYTES: usize = 160;

/// Room for what begins a message.
const START_BYTES: usize = 1 + PREFIX_BYTES + ".:".len() + metrics::LATENCY.dogstatsd.len();

/// The flag of a failure, as events have it.
const FAILURE: u32 = Outcome::Failure as u32;
/// A flag that no event has: that of each request.
const EACH: u32 = 1 << u16::BITS;

const OUTCOMES: [&[u8; 16]; 2] = [b",outcome:success", b",outcome:failure"];

/// Writes events as messages: `loaddensity.requests:1|c|#method:GET,name:/x,outcome:success`, then
/// `….request.latency:42|ms|#…` in milliseconds and `….response.size:1024|h|#…` in bytes.
#[derive(Clone, Debug)]
pub struct MessageEncoder<'a> {
    registry: Registry<'a>,
    format: MessageFormat,
    /// What begins the three messages as long as they are the contract's, which take an eighth of the
    /// instructions then.
    contract: [ItemStart<START_BYTES>; ITEMS as usize],
    /// Requests with one of these flags have messages that are not the contract's. One word for all that says so, for
    /// each request asks.
    differing: u32,
    fills_with_newlines: bool,
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
        let format = MessageFormat::new(given);
        let requests = joined!(metrics::REQUESTS.dogstatsd, ":1|", metrics::REQUESTS.dogstatsd_type, "|#").as_slice();
        let starts = [requests, joined!(metrics::LATENCY.dogstatsd, ":"), joined!(metrics::SIZE.dogstatsd, ":")];
        let contract = starts.map(|name| ItemStart::new(&[&format.prefix, name]));
        // Counters of failures say their kind.
        let differing = if registry.has_error_label() { FAILURE } else { 0 };
        Ok(Self { registry, format, contract, differing, fills_with_newlines: false })
    }

    /// Latency and size as distributions (`d`), of which Datadog's servers make percentiles over all hosts, instead of
    /// as a timing and a histogram of the Agent.
    #[must_use]
    pub fn with_distributions(self) -> Self {
        self.with(|format| format.distributions = true)
    }

    /// Every message says that it stands for `1 / rate` requests. That only so many of them reach the encoder is the
    /// task of a [`Sink::with_sampler`](crate::Sink::set_sampler).
    #[must_use]
    pub fn with_sample_rate(self, rate: SampleRate) -> Self {
        self.with(|format| format.set_rate(rate))
    }

    /// Every message ends with a newline, as those of Datadog's clients do, the last of a packet included: an Agent with
    /// `dogstatsd_eol_required` drops one that does not.
    #[must_use]
    pub const fn with_newlines(mut self) -> Self {
        self.format.ends_with_newline = true;
        self
    }

    /// A datagram may be filled up with newlines: the receiver is known to read over them, as Agents from 7.18 on do.
    /// Older ones, and some others, take each for a bad message.
    #[must_use]
    pub const fn with_filled_datagrams(mut self) -> Self {
        self.fills_with_newlines = true;
        self
    }

    /// Every message has these tags besides.
    #[must_use]
    pub fn with_constant_tags(self, tags: &ConstantTags) -> Self {
        self.with(|format| format.constant = tags.clone())
    }

    /// Gauges, and messages that have a timestamp, have these tags in place of the constant ones: of those the Agent keeps
    /// the last of each second and does not add them up, so that they need a tag that tells their senders apart.
    #[must_use]
    pub fn with_tags_of_timed(mut self, tags: &ConstantTags) -> Self {
        // Messages of single requests are none of those, and stay as fast.
        self.format.timed = Some(tags.clone());
        self
    }

    /// Every message says where it comes from.
    ///
    /// # Errors
    /// What the protocol cannot carry; see [`OriginError`].
    pub fn with_origin(self, origin: Origin<'_>) -> Result<Self, OriginError> {
        let fields = OriginFields::new(origin)?;
        Ok(self.with(|format| format.fields = fields))
    }

    /// An encoder for the gauges of the registry, which have the prefix, the constant tags and the origin of these
    /// messages.
    #[must_use]
    pub fn gauges(&self) -> GaugeMessageEncoder<'a> {
        GaugeMessageEncoder::new(self.registry, self.format.clone())
    }

    /// An encoder for what the engine's own instruments count per interval, which has the prefix, the constant tags and the
    /// origin of these messages.
    #[must_use]
    pub fn instruments(&self) -> InstrumentMessageEncoder<'a> {
        InstrumentMessageEncoder::new(self.registry, self.format.clone())
    }

    /// An encoder for observations of the engine's own instruments, which has the prefix, the rate, the constant tags and the
    /// origin of these messages.
    #[must_use]
    pub fn observations(&self) -> ObservationMessageEncoder<'a> {
        ObservationMessageEncoder::new(self.registry, self.format.clone(), self.fills_with_newlines)
    }

    /// An encoder for the sink's own metrics, which has the constant tags and the origin of these messages.
    #[must_use]
    pub fn telemetry(&self, transport: ClientTransport) -> TelemetryEncoder {
        TelemetryEncoder::new(self.format.clone(), transport)
    }

    /// Messages per interval in place of messages per request: counters are sums, and messages hold the values of as many
    /// requests as fit (protocol 1.1). They have the prefix and everything else of these messages. The length of `slots`
    /// is the most requests at a time.
    #[must_use]
    pub fn aggregator<B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>>(
        &self,
        slots: B,
    ) -> Aggregator<'a, B> {
        Aggregator::new(self.registry, self.format.clone(), slots)
    }

    /// The same with messages that are not the contract's.
    fn with(mut self, change: impl FnOnce(&mut MessageFormat)) -> Self {
        change(&mut self.format);
        self.differing |= EACH;
        self
    }

    fn context(&self, event: &Event) -> Context<'a> {
        let kind = event.error_kind().filter(|_| self.differing & FAILURE != 0);
        Context { tags: self.tags(event), outcome: event.outcome(), kind }
    }

    /// What begins the contract's messages, where those of `event` are the contract's.
    #[inline(always)]
    fn contract_of(&self, event: &Event) -> Option<&[ItemStart<START_BYTES>; ITEMS as usize]> {
        ((u32::from(event.flags) | EACH) & self.differing == 0).then_some(&self.contract)
    }

    #[inline(always)]
    fn tags(&self, event: &Event) -> StoredText<'a> {
        self.registry.shown_entry(event.series).labels::<DogstatsdTags>()
    }
}

impl EventEncoder for MessageEncoder<'_> {
    const ITEMS: u8 = ITEMS;

    fn ends_with_newline(&self) -> bool {
        self.format.ends_with_newline
    }

    fn fills_with_newlines(&self) -> bool {
        self.fills_with_newlines
    }

    #[inline]
    fn encode(&self, event: &Event, item: u8, out: &mut [u8]) -> Result<usize, Full> {
        let Some(starts) = self.contract_of(event) else {
            return self.format.encode(event, item, self.context(event), out);
        };
        let room = out.len();
        let mut message = ItemWriter::new(out);
        let start = starts.get(usize::from(item)).ok_or(Full)?;
        start.begin(&mut message)?;
        put_rest(item, event, self.tags(event), &mut message)?;
        Ok(room - message.room())
    }

    #[inline]
    fn encode_items(&self, event: &Event, items: Range<u8>, out: &mut [u8]) -> Written {
        let Some(starts) = self.contract_of(event) else { return encode_each(self, event, items, out) };
        if items != (0..ITEMS) {
            return encode_each(self, event, items, out);
        }
        let room = out.len();
        let mut written = Written::default();
        // Where one does not fit, those before it stand.
        let _ = put_all(starts, event, self.tags(event), &mut ItemWriter::new(out), |left| {
            written.items += 1;
            written.bytes = room - left.room();
        });
        written
    }
}

/// The contract's three messages, joined by newlines; `ended` is called after each. Spelled out: as a loop
/// they take a third more instructions.
#[inline(always)]
fn put_all(
    [requests, latency, size]: &[ItemStart<START_BYTES>; ITEMS as usize],
    event: &Event,
    tags: StoredText<'_>,
    out: &mut ItemWriter<'_>,
    mut ended: impl FnMut(&ItemWriter<'_>),
) -> Result<(), Full> {
    requests.begin(out)?;
    put_rest(REQUESTS, event, tags, out)?;
    ended(out);
    latency.join(out)?;
    put_rest(LATENCY, event, tags, out)?;
    ended(out);
    size.join(out)?;
    put_rest(SIZE, event, tags, out)?;
    ended(out);
    Ok(())
}

/// Ends the contract's message `item` after its name. Numbers are inlined in any case: called, they cost the messages a
/// fifth of their instructions.
#[inline(always)]
fn put_rest(item: u8, event: &Event, tags: StoredText<'_>, out: &mut ItemWriter<'_>) -> Result<(), Full> {
    // As long as a word, so that it is one store.
    const MILLIS: &[u8; 8] = joined!("|", metrics::LATENCY.dogstatsd_type, "|#   ");
    match item {
        REQUESTS => {}
        LATENCY => out.put_piece::<40>(
            #[inline(always)]
            |piece| {
                piece.put_millis(event.latency_ns);
                piece.put(MILLIS, MILLIS.len() - 3);
            },
        )?,
        _ => out.put_piece::<32>(
            #[inline(always)]
            |piece| {
                piece.put_integer(event.response_bytes);
                piece.put_all(joined!("|", metrics::SIZE.dogstatsd_type, "|#"));
            },
        )?,
    }
    out.put_text(tags)?;
    let outcome = OUTCOMES[event.outcome().index()];
    out.put(outcome, outcome.len())
}

/// Why a prefix cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
