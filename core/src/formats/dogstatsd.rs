//! DogStatsD: three messages per request, a counter, a timing and a histogram.
//!
//! In tag values each of `|`, `,`, `:`, `#` and each control character becomes one `_`, for the protocol has no
//! escapes; every other character passes unchanged. Source of the grammar: DataDog/documentation, dogstatsd
//! datagram_shell.md, protocol 1.0.

mod aggregated_request;
mod aggregator;
mod counters;
mod dialect;
mod gauges;
mod origin;
mod own;
mod packed;
mod tags;
mod telemetry;

use core::fmt;
use core::ops::Range;

use crate::atomics::stored_text::StoredText;
use crate::events::batch::{EventEncoder, Written, encode_each};
use crate::events::event::Event;
use crate::events::sampling::SampleRate;
use crate::registry::Registry;
use crate::wire::text::head::Head;
use crate::wire::text::item::Item;
use crate::wire::text::out::Full;
use crate::wire::text::piece::{Piece, Write};
use dialect::Dialect;
use origin::Fields;

pub use aggregated_request::AggregatedRequest;
pub use aggregator::{Aggregator, Packet};
pub use counters::{Count, CounterPacket};
pub use gauges::{GaugeEncoder, METRIC_BYTES};
pub use origin::{Cardinality, ORIGIN_BYTES, Origin, OriginError};
pub use tags::{ConstantTags, TAG_BYTES, TagError};
pub use telemetry::{ClientTransport, Telemetry, TelemetryEncoder};

/// Longest prefix in bytes: Datadog takes metric names of up to 200 characters.
pub const PREFIX_BYTES: usize = 160;

/// Room for what begins a message.
const HEAD_BYTES: usize = 1 + PREFIX_BYTES + ".request.latency:".len();

/// How the first message goes on behind the prefix.
const REQUESTS: &[u8] = b"requests:1|c|#";

const OUTCOMES: [&[u8; 16]; 2] = [b",outcome:success", b",outcome:failure"];

/// Writes events as messages: `loaddensity.requests:1|c|#method:GET,name:/x,outcome:success`, then
/// `….request.latency:42|ms|#…` in milliseconds and `….response.size:1024|h|#…` in bytes.
#[derive(Clone, Debug)]
pub struct MessageEncoder<'a> {
    registry: Registry<'a>,
    /// What begins the three messages.
    heads: [Head<HEAD_BYTES>; 3],
    /// What is not as the contract has it.
    dialect: Option<Dialect>,
    /// The constant tags of gauges and of messages that have a time, where they are others.
    timed: Option<ConstantTags>,
    ends_with_newline: bool,
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
        let dot: &[u8] = if given.is_empty() { b"" } else { b"." };
        let head = |name: &[u8]| Head::new(&[given.as_bytes(), dot, name]);
        let heads = [head(REQUESTS), head(b"request.latency:"), head(b"response.size:")];
        Ok(Self { registry, heads, dialect: None, timed: None, ends_with_newline: false, fills_with_newlines: false })
    }

    /// Latency and size as distributions (`d`), of which Datadog's servers make percentiles over all hosts, instead of
    /// as a timing and a histogram of the Agent.
    #[must_use]
    pub fn with_distributions(mut self) -> Self {
        self.dialect().distributions = true;
        self
    }

    /// Every message says that it stands for `1 / rate` requests. That only so many of them reach the encoder is the
    /// task of a [`Sink::with_sampler`](crate::Sink::set_sampler).
    #[must_use]
    pub fn with_sample_rate(mut self, rate: SampleRate) -> Self {
        self.dialect().set_rate(rate);
        self
    }

    /// Every message ends with a newline, as those of Datadog's clients do, the last of a packet included: an Agent with
    /// `dogstatsd_eol_required` drops one that does not.
    #[must_use]
    pub fn with_newlines(mut self) -> Self {
        self.ends_with_newline = true;
        self
    }

    /// A datagram may be filled up with newlines: the receiver is known to read over them, as Agents from 7.18 on do.
    /// Older ones, and some others, take each for a bad message.
    #[must_use]
    pub fn with_filled_datagrams(mut self) -> Self {
        self.fills_with_newlines = true;
        self
    }

    /// Every message has these tags besides.
    #[must_use]
    pub fn with_constant_tags(mut self, tags: &ConstantTags) -> Self {
        self.dialect().constant = tags.clone();
        self
    }

    /// Gauges, and messages that have a timestamp, have these tags in place of the constant ones: of those the Agent keeps
    /// the last of each second and does not add them up, so that they need a tag that tells their senders apart.
    #[must_use]
    pub fn with_tags_of_timed(mut self, tags: &ConstantTags) -> Self {
        // The contract's messages are none of those, and stay as fast.
        if let Some(dialect) = &mut self.dialect {
            dialect.timed = Some(tags.clone());
        }
        self.timed = Some(tags.clone());
        self
    }

    /// Every message says where it comes from.
    ///
    /// # Errors
    /// What the protocol cannot carry; see [`OriginError`].
    pub fn with_origin(mut self, origin: Origin<'_>) -> Result<Self, OriginError> {
        self.dialect().fields = Fields::new(origin)?;
        Ok(self)
    }

    /// An encoder for the gauges of the registry, which have the prefix, the constant tags and the origin of these
    /// messages.
    #[must_use]
    pub fn gauges(&self) -> GaugeEncoder<'a> {
        GaugeEncoder::new(self.registry, self.own_dialect())
    }

    /// An encoder for what is said of the sink itself, which has the constant tags and the origin of these messages.
    #[must_use]
    pub fn telemetry(&self, transport: ClientTransport) -> TelemetryEncoder {
        TelemetryEncoder::new(self.own_dialect(), transport)
    }

    /// Messages per interval in place of messages per request: counters are sums, and messages hold the values of as many
    /// requests as fit (protocol 1.1). They have the prefix and everything else of these messages. The length of `slots`
    /// is the most requests at a time.
    #[must_use]
    pub fn aggregator<B: AsRef<[AggregatedRequest]> + AsMut<[AggregatedRequest]>>(
        &self,
        slots: B,
    ) -> Aggregator<'a, B> {
        Aggregator::new(self.registry, self.own_dialect(), slots)
    }

    fn dialect(&mut self) -> &mut Dialect {
        let own = self.own_dialect();
        self.dialect.get_or_insert(own)
    }

    /// What is not as the contract has it, with the prefix, even where all is.
    fn own_dialect(&self) -> Dialect {
        let prefix = self.heads[0].text().strip_suffix(REQUESTS).unwrap_or_default();
        let own = || Dialect { timed: self.timed.clone(), ..Dialect::new(prefix) };
        let dialect = self.dialect.clone().unwrap_or_else(own);
        Dialect { ends_with_newline: self.ends_with_newline, ..dialect }
    }

    /// Writes what follows a message's head, and ends it.
    #[inline(always)]
    fn end(event: &Event, tags: StoredText<'_>, message: &mut Item<'_>) -> Result<(), Full> {
        message.put_text(tags)?;
        let outcome = OUTCOMES[event.outcome.index()];
        message.put(outcome, outcome.len())
    }

    /// The three messages, one behind the other; `ended` hears how much room each leaves.
    #[inline(always)]
    fn messages(&self, event: &Event, out: &mut Item<'_>, mut ended: impl FnMut(&Item<'_>)) -> Result<(), Full> {
        let [requests, latency, size] = &self.heads;
        let tags = self.registry.shown_entry(event.series).dogstatsd();
        requests.begin(out)?;
        Self::end(event, tags, out)?;
        ended(out);
        latency.join(out)?;
        out.put_piece(&Latency(event.latency_ns))?;
        Self::end(event, tags, out)?;
        ended(out);
        size.join(out)?;
        out.put_piece(&Size(event.response_bytes))?;
        Self::end(event, tags, out)?;
        ended(out);
        Ok(())
    }
}

impl EventEncoder for MessageEncoder<'_> {
    const ITEMS: u8 = 3;

    fn ends_with_newline(&self) -> bool {
        self.ends_with_newline
    }

    fn fills_with_newlines(&self) -> bool {
        self.fills_with_newlines
    }

    #[inline]
    fn encode(&self, event: &Event, item: u8, out: &mut [u8]) -> Result<usize, Full> {
        if let Some(dialect) = &self.dialect {
            return dialect.encode(event, item, self.registry.shown_entry(event.series).dogstatsd(), out);
        }
        let room = out.len();
        let mut message = Item::new(out);
        let [requests, latency, size] = &self.heads;
        match item {
            0 => requests.begin(&mut message)?,
            1 => {
                latency.begin(&mut message)?;
                message.put_piece(&Latency(event.latency_ns))?;
            }
            _ => {
                size.begin(&mut message)?;
                message.put_piece(&Size(event.response_bytes))?;
            }
        }
        Self::end(event, self.registry.shown_entry(event.series).dogstatsd(), &mut message)?;
        Ok(room - message.room())
    }

    #[inline]
    fn encode_items(&self, event: &Event, items: Range<u8>, out: &mut [u8]) -> Written {
        if items != (0..Self::ITEMS) || self.dialect.is_some() {
            return encode_each(self, event, items, out);
        }
        let room = out.len();
        let mut written = Written::default();
        // Where one does not fit, those before it stand.
        let _ = self.messages(event, &mut Item::new(out), |left| {
            written.items += 1;
            written.bytes = room - left.room();
        });
        written
    }
}

/// The value and the type of the second message.
struct Latency(u64);

impl Write<40> for Latency {
    #[inline(always)]
    fn write(&self, piece: &mut Piece<'_, 40>) {
        piece.put_millis(self.0);
        piece.put(b"|ms|#   ", 5);
    }
}

/// The value and the type of the third message.
struct Size(u64);

impl Write<32> for Size {
    #[inline(always)]
    fn write(&self, piece: &mut Piece<'_, 32>) {
        piece.put_integer(self.0);
        piece.put(b"|h|#", 4);
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
