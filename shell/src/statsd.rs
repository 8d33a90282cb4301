//! The DogStatsD sink: three messages per request, or per series and interval, over UDP or a Unix socket, and the engine's
//! gauges.

use std::fmt;

use loaddensity_metrics_core::dogstatsd::{ClientTransport, ConstantTags, MessageEncoder, Origin, OriginError};
use loaddensity_metrics_core::{Exporter, Registry};

use crate::config::{StatsdConfig, StatsdOrigin, StatsdSocket};
use crate::error::StartError;
use crate::identity::Identity;
use crate::running::{Place, Prepared};
use crate::runtime::Runtime;
use crate::udp::{self, Destination, Host, Outlet, Target};

mod aggregate;
mod beside;

use beside::Beside;

/// As much as the Agent reads at once (`dogstatsd_buffer_size`); Datadog's clients fill packets for Unix sockets up to
/// it (datadog-go statsd/statsdex.go).
const AGENT_BYTES: usize = 8_192;
/// What a datagram carries over an Ethernet without being cut in two, with room to spare: the same clients' size for
/// UDP.
const ETHERNET_BYTES: usize = 1_432;

/// Makes the sink's socket.
pub(crate) async fn prepare<R: Runtime>(
    runtime: &R,
    (registry, identity): (Registry<'static>, &Identity),
    config: &StatsdConfig,
) -> Result<Prepared<R>, StartError> {
    let encoder = encoder((registry, identity), config)?;
    let (gauges, interval, aggregate) = (encoder.gauges(), config.interval, config.aggregate);
    let StatsdConfig { host, port, resolve_interval, sockets, .. } = config;
    let (exporter, resolve_interval) = (Exporter::Statsd, *resolve_interval);
    let host = Host { exporter, host: host.clone(), port: *port, resolve_interval, sockets: *sockets };
    let to = match &config.socket {
        None => Destination::Udp(&host),
        Some(socket) => Destination::Unix { socket, connections: *sockets },
    };
    let telemetry = config.telemetry.then(|| encoder.telemetry(transport(config.socket.as_ref())));
    let (datagram_bytes, items) = match (config.datagram_bytes, config.shares_packets(), to) {
        (Some(bytes), ..) => (bytes, usize::MAX),
        (None, true, Destination::Udp(_)) => (ETHERNET_BYTES, usize::MAX),
        (None, true, Destination::Unix { .. }) => (AGENT_BYTES, usize::MAX),
        // No series has labels that would not fit.
        (None, false, _) => (AGENT_BYTES, 1),
    };
    let target = Target {
        exporter: Exporter::Statsd,
        to,
        datagram_bytes,
        items,
        segmentation_offload: config.segmentation_offload,
        buffer_events: config.buffer_events,
        sample_rate: config.sample_rate,
    };
    let prepared = match config.aggregate {
        true => aggregate::prepare(runtime, config, to, encoder, datagram_bytes).await?,
        false => udp::prepare(runtime, target, encoder).await?,
    };
    let link = udp::link_beside(runtime, to).await?;
    Ok(Prepared::new(move |place: &mut Place<R>| {
        let runtime = place.runtime.clone();
        let running = prepared.launch(place);
        let over = running.over();
        running.beside(&place.runtime, |stop, condition| {
            let outlet = Outlet::new(runtime, link, datagram_bytes, condition.clone(), stop);
            Beside { gauges, telemetry, outlet, items, interval, condition, registry, aggregate }.run(over)
        })
    }))
}

const fn transport(socket: Option<&StatsdSocket>) -> ClientTransport {
    match socket {
        None => ClientTransport::Udp,
        Some(StatsdSocket::Unix(_) | StatsdSocket::UnixDatagram(_)) => ClientTransport::Uds,
        Some(StatsdSocket::UnixStream(_)) => ClientTransport::UdsStream,
    }
}

fn encoder(
    (registry, identity): (Registry<'static>, &Identity),
    config: &StatsdConfig,
) -> Result<MessageEncoder<'static>, StartError> {
    let bad = |key, value: &str, expected: &dyn fmt::Display| StartError::Setting {
        exporter: Exporter::Statsd,
        key,
        value: value.into(),
        expected: expected.to_string(),
    };
    let mut encoder =
        MessageEncoder::new(registry, &config.prefix).map_err(|error| bad("prefix", &config.prefix, &error))?;
    if config.newline || config.shares_packets() {
        encoder = encoder.with_newlines();
    }
    if config.fill_datagrams {
        encoder = encoder.with_filled_datagrams();
    }
    if config.distributions {
        encoder = encoder.with_distributions();
    }
    if !config.sample_rate.is_all() {
        encoder = encoder.with_sample_rate(config.sample_rate);
    }
    let constant = StatsdConfig::tags_of(&identity.labels(&config.constant_tags))?;
    if constant != ConstantTags::default() {
        encoder = encoder.with_constant_tags(&constant);
    }
    let of_timed = StatsdConfig::tags_of(&identity.tags_of_points(&config.constant_tags))?;
    if of_timed != constant {
        encoder = encoder.with_tags_of_timed(&of_timed);
    }
    let StatsdOrigin { container, external, cardinality } = &config.origin;
    let origin = Origin { container: container.as_deref(), external: external.as_deref(), cardinality: *cardinality };
    if origin == Origin::default() {
        return Ok(encoder);
    }
    encoder.with_origin(origin).map_err(|error| match error {
        OriginError::Container => bad("container", container.as_deref().unwrap_or_default(), &error),
        OriginError::External => bad("external", external.as_deref().unwrap_or_default(), &error),
    })
}
