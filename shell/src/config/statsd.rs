//! The configuration of the DogStatsD sink.

use std::time::Duration;

use loaddensity_metrics_core::dogstatsd::{Cardinality, ConstantTags};
use loaddensity_metrics_core::{Exporter, Registry, SampleRate};

use super::Configuration;
use super::check::{BUFFER_EVENTS, Check, DATAGRAM_BYTES, RESOLVE_INTERVAL, SOCKETS};
use super::labels::Labels;
use super::observations::Observations;
use super::page_address::PageAddress;
use super::setters::configuration;
use super::shown::shown_without_secrets;
use crate::error::StartError;
use crate::public_url::public_url;

mod address;
mod environment;

pub use address::StatsdSocket;
pub(super) use address::host_and_port;
#[cfg(feature = "action-json")]
pub(crate) use address::{Address, EXPECTED as EXPECTED_URL};

configuration! {
    /// Where DogStatsD messages are sent. LoadDensity: `start_statsd_sink(host="127.0.0.1", port=8125,
    /// prefix="loaddensity")`.
    #[derive(Clone, PartialEq, Eq)]
    pub struct StatsdConfig {
        /// Host name or address. Default `127.0.0.1`.
        pub host: String = "127.0.0.1".into(),
        /// UDP port. Default 8125.
        pub port: u16 = 8_125,
        /// How often a host name is resolved again (over UDP), 1 ms to 1 day; also soon after an error of the socket.
        /// The sink goes over to another address where the one in use is no longer among the answers. `None`: never.
        /// Default 30 s.
        pub resolve_interval: Option<Duration> = Some(RESOLVE_INTERVAL),
        /// The Unix socket to send to instead of `host` and `port`, which must be the default then. Default none.
        pub socket: Option<StatsdSocket> = None,
        /// How many sockets, or connections to a Unix socket, packets of requests are spread over in turns, 1 to 16.
        /// Over UDP each has a port of its own, so that a receiver of several sockets (`SO_REUSEPORT`), or a balancer
        /// in front of several, gets a part of them in each; what leaves through different sockets may arrive in
        /// another order. Default 1.
        pub sockets: usize = 1,
        /// What the metric names begin with; trailing dots are dropped. Default `loaddensity`.
        pub prefix: String = "loaddensity".into(),
        /// Whether messages share datagrams, or packets of a stream, which costs several times less on both sides.
        /// Default no (the contract): each is a datagram of its own.
        pub packed: bool = false,
        /// Largest datagram, or packet of a stream, in bytes, 1 to 65,507; messages are packed up to it. The Agent
        /// reads 8,192 bytes of each. Default (`None`), where `packed` is set: 1,432 over UDP, which suits an Ethernet,
        /// and 8,192 over a Unix socket.
        pub datagram_bytes: Option<usize> = None,
        /// Whether a message that is a datagram of its own ends with a newline, as Datadog's clients have it: an Agent
        /// with `dogstatsd_eol_required` drops one that does not. Messages that share packets always do. Default no
        /// (the contract).
        pub newline: bool = false,
        /// Whether several datagrams are handed to the kernel in one call where it can take them (Linux), which costs
        /// several times less. Messages that are datagrams of their own then leave sorted by length instead of by time.
        /// Packed datagrams leave by twos or more: while more than one waits, the others are packed to the length of
        /// the first, and one that comes out shorter ends the call; see `fill_datagrams`. Nothing to a Unix socket.
        /// Default `true`.
        pub segmentation_offload: bool = true,
        /// Whether packed datagrams, while more than one waits, are filled up to `datagram_bytes` with newlines, so
        /// that up to 64 leave in a call. Agents from 7.18 on read over newlines; older ones lose what follows two of
        /// them, or log each as a bad message, as other receivers do. Default no.
        pub fill_datagrams: bool = false,
        /// Events that wait here while the socket is full, or a Unix socket is away, 32 bytes each; later ones are
        /// dropped as `buffer_full`. As many observations wait where each is sent by itself, 24 bytes each. With segmentation
        /// offload, up to 342 that are being sent as datagrams of their own
        /// count among them. Default 65,536.
        pub buffer_events: usize = 65_536,
        /// Whether latency and size are distributions (`d`), of which Datadog's servers make percentiles over all
        /// hosts, instead of `ms` and `h`, of which each Agent makes its own. Default no (the contract).
        pub distributions: bool = false,
        /// Which part of the requests is sent, from [`SampleRate::LEAST`] to 1. Each message then says `@rate`, so that
        /// the Agent counts it for as many; the others are dropped as `sampled`. Default all.
        pub sample_rate: SampleRate = SampleRate::ALL,
        /// Tags that every message has, but for those of a series that has one of the same key, by the rules of
        /// [`ConstantTags`]; together at most 1,024 bytes. Default none.
        pub constant_labels: Labels = Labels::new(),
        /// Whether the counters of intervals say the second in which they leave (`|T`, protocol 1.3); only with
        /// `aggregate`. The Agent passes such counts on as they are, and of several that a series has in one second
        /// Datadog keeps the last. So the counters of a series leave at most once a second: an interval that ends
        /// sooner sends its values, and the counters wait, their requests `held`. Default no.
        pub timestamps_of_counts: bool = false,
        /// Whether messages stand for intervals instead of single requests, as with the extended aggregation of
        /// Datadog's clients: counters are sums, and a message holds the values of as many requests of its series and
        /// outcome as fit (protocol 1.1). Messages share datagrams of up to `datagram_bytes`, by default as with
        /// `packed`. No sample is lost by it, so that it is refused with a `sample_rate`. Default no (the contract).
        pub aggregate: bool = false,
        /// Time from one such message of a series to the next; the last one comes at the stop. An interval ends early
        /// when half of `buffer_events` wait. 1 ms to 1 day. Default 2 s, as with Datadog's clients. It is not the
        /// same as `interval`, as there: requests are sent more often than what changes slowly.
        pub aggregation_interval: Duration = Duration::from_secs(2),
        /// How what the engine's own instruments count leaves, where the storage has room for any: what came in each interval,
        /// or each observation by itself. Default: per interval.
        pub observations: Observations = Observations::PerInterval,
        /// Time from one message of an instrument of the engine's own and a series to the next, whether requests are sent
        /// one by one or per interval; the last one comes at the stop. 1 ms to 1 day. Default 10 s.
        pub instruments_interval: Duration = Duration::from_secs(10),
        /// Time from one message with a gauge of the engine, or with telemetry, to the next; the last one comes at the
        /// stop. 1 ms to 1 day. Default 10 s.
        pub interval: Duration = Duration::from_secs(10),
        /// Whether the sink tells how many metrics, packets and bytes it has sent and dropped, as Datadog's clients do,
        /// in `datadog.dogstatsd.client.…` (see [`Telemetry`](loaddensity_metrics_core::dogstatsd::Telemetry)). Default
        /// no.
        pub telemetry: bool = false,
        /// Where messages come from. Default: messages do not say it.
        pub origin: StatsdOrigin = StatsdOrigin::default(),
    }
}

configuration! {
    /// What messages say about where they come from; the Agent reads it where `dogstatsd_origin_detection_client` is
    /// on.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct StatsdOrigin {
        /// `|c:` (protocol 1.2): a container id, `ci-<id>` or `in-<inode>`, at most 256 bytes.
        pub container: Option<String> = None,
        /// `|e:` (protocol 1.5): external data, at most 256 bytes.
        pub external: Option<String> = None,
        /// `|card:` (protocol 1.6): which tags the Agent adds.
        pub cardinality: Option<Cardinality> = None,
    }
}

shown_without_secrets!(StatsdConfig {
    host;
    port, resolve_interval, socket, sockets, prefix, packed, datagram_bytes, newline, segmentation_offload, fill_datagrams, buffer_events, distributions, sample_rate, constant_labels, timestamps_of_counts, aggregate, aggregation_interval, observations, instruments_interval, interval, telemetry, origin,
});

impl Configuration for StatsdConfig {
    fn check(&self) -> Result<(), StartError> {
        let check = Check(Exporter::Statsd);
        self.check_address(check)?;
        self.datagram_bytes.map_or(Ok(()), |bytes| check.range("datagram_bytes", bytes, &DATAGRAM_BYTES))?;
        check.range("sockets", self.sockets, &SOCKETS)?;
        check.range("buffer_events", self.buffer_events, &BUFFER_EVENTS)?;
        check.wait("interval", self.interval)?;
        check.wait("aggregation_interval", self.aggregation_interval)?;
        check.wait("instruments_interval", self.instruments_interval)?;
        self.check_aggregation(check)?;
        self.tags().map(drop)
    }

    fn check_without_tcp(&self) -> Result<(), StartError> {
        Ok(())
    }

    fn page(&self) -> Option<PageAddress<'_>> {
        None
    }
}

impl StatsdConfig {
    fn check_aggregation(&self, check: Check) -> Result<(), StartError> {
        if self.aggregate && !self.sample_rate.is_all() {
            let expected = "messages per interval count every request, at the price of a few bytes each; leave out \
                            sample_rate, or aggregate";
            return Err(check.bad("sample_rate", self.sample_rate, expected));
        }
        if self.timestamps_of_counts && !self.aggregate {
            let expected = "of several counts that a series has in one second Datadog keeps the last; aggregate, so that \
                            there is one, or leave out timestamps_of_counts";
            return Err(check.bad("timestamps_of_counts", true, expected));
        }
        Ok(())
    }

    fn check_address(&self, check: Check) -> Result<(), StartError> {
        let Some(socket) = &self.socket else {
            check.host("host", &self.host)?;
            self.resolve_interval.map_or(Ok(()), |interval| check.wait("resolve_interval", interval))?;
            return check.port("port", self.port);
        };
        let (default, expected) = (Self::default(), "a Unix socket has none; leave it out, or send over UDP");
        if self.host != default.host {
            return Err(check.bad("host", public_url(&self.host), expected));
        }
        if self.port != default.port {
            return Err(check.bad("port", self.port, expected));
        }
        socket.check(check)
    }

    /// Looks for what this storage cannot give.
    pub(crate) fn check_storage(&self, registry: Registry<'_>) -> Result<(), StartError> {
        self.observations.check(Check(Exporter::Statsd), registry)
    }

    /// Whether messages share packets.
    pub(crate) const fn shares_packets(&self) -> bool {
        self.packed || self.aggregate || self.datagram_bytes.is_some()
    }

    /// The constant tags, checked.
    pub(crate) fn tags(&self) -> Result<ConstantTags, StartError> {
        Self::tags_of(&self.constant_labels)
    }

    /// These tags, the constant ones and others, checked.
    pub(crate) fn tags_of(all: &Labels) -> Result<ConstantTags, StartError> {
        ConstantTags::new(all).map_err(|error| {
            let given = all.iter().map(|(key, _)| key).collect::<Vec<_>>().join(", ");
            Check(Exporter::Statsd).bad("constant_labels", given, &error.to_string())
        })
    }
}
