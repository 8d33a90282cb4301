//! The sink's own metrics, under the names that Datadog's clients use.
//!
//! Names, meanings and tags are those of DataDog/datadog-go, statsd/telemetry.go. Counters are what came since the last
//! ones, and have no prefix. Left out is what this sink cannot have: sets, events, service checks, and a queue of
//! packets.

use super::join::join;
use super::message_format::MessageFormat;
use crate::events::batch::Written;
use crate::registry::instruments::observations::ObservationsByKind;
use crate::wire::text::item::ItemWriter;
use crate::wire::text::out::Full;

/// Who sends them.
const CLIENT: &[u8] = concat!("client:loaddensity-metrics,client_version:", env!("CARGO_PKG_VERSION")).as_bytes();

/// What a sink has done, since its start or in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Requests that were recorded, each of which is three metrics, before any are sampled away or summed up.
    pub requests: u64,
    /// Of those, the ones for which a ring or the buffer had no room.
    pub dropped_on_receive: u64,
    /// What was observed of the engine's own instruments, each one metric, before any are sampled away or summed up.
    pub observations: ObservationsByKind,
    /// Of those, the ones for which a ring or the buffer had no room.
    pub observations_dropped_on_receive: u64,
    /// Gauges that were sent.
    pub gauges: u64,
    /// Packets that were handed over, and their bytes.
    pub packets_sent: u64,
    /// Bytes of those.
    pub bytes_sent: u64,
    /// Packets that could not be handed over.
    pub packets_dropped: u64,
    /// Bytes of those.
    pub bytes_dropped: u64,
    /// Contexts that messages per interval were sent of, each for three metrics; `None` with messages per request.
    pub contexts: Option<u64>,
}

impl Telemetry {
    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            dropped_on_receive: self.dropped_on_receive.saturating_sub(earlier.dropped_on_receive),
            observations: self.observations.since(&earlier.observations),
            observations_dropped_on_receive: self
                .observations_dropped_on_receive
                .saturating_sub(earlier.observations_dropped_on_receive),
            gauges: self.gauges.saturating_sub(earlier.gauges),
            packets_sent: self.packets_sent.saturating_sub(earlier.packets_sent),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            packets_dropped: self.packets_dropped.saturating_sub(earlier.packets_dropped),
            bytes_dropped: self.bytes_dropped.saturating_sub(earlier.bytes_dropped),
            contexts: self.contexts.map(|now| now.saturating_sub(earlier.contexts.unwrap_or_default())),
        }
    }
}

/// The way to the Agent, as the tag `client_transport` names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientTransport {
    /// `udp`
    #[default]
    Udp,
    /// `uds`: a Unix datagram socket.
    Uds,
    /// `uds-stream`: a Unix stream socket.
    UdsStream,
}

impl ClientTransport {
    /// As the tag has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Uds => "uds",
            Self::UdsStream => "uds-stream",
        }
    }
}

/// Writes telemetry as messages:
/// `datadog.dogstatsd.client.metrics:30|c|#client:loaddensity-metrics,client_version:0.1.0,client_transport:udp`.
#[derive(Clone, Debug)]
pub struct TelemetryEncoder {
    format: MessageFormat,
    transport: ClientTransport,
}

/// One message.
#[derive(Clone, Copy)]
struct TelemetryMetric {
    name: &'static str,
    value: u64,
    metrics_type: Option<&'static str>,
}

impl TelemetryEncoder {
    pub(super) const fn new(format: MessageFormat, transport: ClientTransport) -> Self {
        Self { format, transport }
    }

    /// Writes the messages after the first `skip`, at most `most` of them and as many as fit, joined by newlines, to the
    /// front of `out`; says how many those are and how long they are. None are left where it says 0.
    ///
    /// # Errors
    /// [`Full`] where the first of them does not fit; `out` then holds nothing useful.
    pub fn encode(&self, news: &Telemetry, skip: usize, most: usize, out: &mut [u8]) -> Result<Written, Full> {
        let metrics = self.metrics(news).skip(skip).take(most);
        join(metrics, self.format.ends_with_newline, out, |metric, room| self.message(metric, room))
    }

    /// How many messages that makes.
    pub(crate) fn messages(&self, news: &Telemetry) -> usize {
        self.metrics(news).count()
    }

    fn message(&self, metric: TelemetryMetric, out: &mut [u8]) -> Result<usize, Full> {
        let TelemetryMetric { name, value, metrics_type } = metric;
        let room = out.len();
        let mut out = ItemWriter::new(out);
        out.put_exact(b"datadog.dogstatsd.client.")?;
        out.put_exact(name.as_bytes())?;
        out.put_exact(b":")?;
        out.put_exact(itoa::Buffer::new().format(value).as_bytes())?;
        out.put_exact(b"|c|#")?;
        out.put_exact(CLIENT)?;
        out.put_exact(b",client_transport:")?;
        out.put_exact(self.transport.as_str().as_bytes())?;
        if let Some(metrics_type) = metrics_type {
            out.put_exact(b",metrics_type:")?;
            out.put_exact(metrics_type.as_bytes())?;
        }
        out.put_exact(self.format.constant.text())?;
        self.format.put_origin(&mut out)?;
        Ok(room - out.room())
    }

    /// All of them, in the order of Datadog's client.
    fn metrics(&self, news: &Telemetry) -> impl Iterator<Item = TelemetryMetric> + use<> {
        let is_distribution = self.format.distributions;
        let all = |name, value| TelemetryMetric { name, value, metrics_type: None };
        let by_type = move |name, requests: u64, own: ObservationsByKind| {
            let ObservationsByKind { counters, timers, histograms } = own;
            let [timing, histogram] = [requests + timers, requests + histograms];
            let values = match is_distribution {
                true => [Some(("distribution", timing + histogram)), None],
                false => [Some(("timing", timing)), Some(("histogram", histogram))],
            };
            let types = [Some(("count", requests + counters))].into_iter().chain(values).flatten();
            types.map(move |(kind, value)| TelemetryMetric { name, value, metrics_type: Some(kind) })
        };
        let ObservationsByKind { counters, timers, histograms } = news.observations;
        let received = [
            all("metrics", 3 * news.requests + news.gauges + counters + timers + histograms),
            TelemetryMetric { name: "metrics_by_type", value: news.gauges, metrics_type: Some("gauge") },
        ];
        let left = [
            all("metric_dropped_on_receive", 3 * news.dropped_on_receive + news.observations_dropped_on_receive),
            all("packets_sent", news.packets_sent),
            all("packets_dropped", news.packets_dropped),
            all("packets_dropped_writer", news.packets_dropped),
            all("bytes_dropped", news.bytes_dropped),
            all("bytes_sent", news.bytes_sent),
            all("bytes_dropped_writer", news.bytes_dropped),
        ];
        let aggregated = news.contexts.into_iter().flat_map(move |contexts| {
            let contexts_by_type = by_type("aggregated_context_by_type", contexts, ObservationsByKind::default());
            [all("aggregated_context", 3 * contexts)].into_iter().chain(contexts_by_type)
        });
        let received_by_type = by_type("metrics_by_type", news.requests, news.observations);
        received.into_iter().chain(received_by_type).chain(left).chain(aggregated)
    }
}
