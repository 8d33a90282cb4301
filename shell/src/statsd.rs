//! The DogStatsD sink: three messages per request, or per series and interval, over UDP or a Unix socket, and the engine's
//! own instruments and gauges.

use std::{fmt, io};

use loaddensity_metrics_core::dogstatsd::{ClientTransport, ConstantTags, MessageEncoder, Origin, OriginError};
use loaddensity_metrics_core::{Exporter, Registry};

use crate::config::{StatsdConfig, StatsdOrigin, StatsdSocket};
use crate::drivers::{Destination, OpenSocket, connect_unix};
use crate::error::StartError;
use crate::identity::Identity;
use crate::running::{LaunchContext, PrepareContext, PreparedExporter};
use crate::runtime::Runtime;

mod datagrams;

/// As much as the Agent reads at once (`dogstatsd_buffer_size`); Datadog's clients fill packets for Unix sockets up to
/// it (datadog-go statsd/statsdex.go).
const AGENT_BYTES: usize = 8_192;
/// What a datagram carries over an Ethernet without being cut in two, with room to spare: the same clients' size for
/// UDP.
const ETHERNET_BYTES: usize = 1_432;

/// How messages become packets.
#[derive(Clone, Copy)]
struct Packets {
    /// Most bytes of one.
    bytes: usize,
    /// Most messages in one.
    items: usize,
    /// The transport that telemetry names, where telemetry is sent.
    telemetry: Option<ClientTransport>,
}

/// Checks the settings. The Agent need not be there yet, and its name need have no address.
pub(crate) async fn prepare<R: Runtime>(
    PrepareContext { runtime, registry, identity }: PrepareContext<'_, R>,
    config: &StatsdConfig,
) -> Result<PreparedExporter<R>, StartError> {
    config.check_storage(registry)?;
    let encoder = encoder((registry, identity), config)?;
    let to = Destination::of_statsd(config);
    let first = first(runtime, &to).await?;
    let (bytes, items) = match (config.datagram_bytes, config.shares_packets(), &to) {
        (Some(bytes), ..) => (bytes, usize::MAX),
        (None, true, Destination::Udp(_)) => (ETHERNET_BYTES, usize::MAX),
        (None, true, Destination::Unix(_)) => (AGENT_BYTES, usize::MAX),
        // No series has labels that would not fit.
        (None, false, _) => (AGENT_BYTES, 1),
    };
    let telemetry = config.telemetry.then(|| transport(&to));
    let (packets, config, observations) = (Packets { bytes, items, telemetry }, config.clone(), config.observations);
    let prepared = PreparedExporter::new(move |context: &mut LaunchContext<R>| {
        datagrams::start(context, &encoder, (to, first, packets), &config)
    });
    Ok(prepared.with_observations(observations))
}

/// The first socket of a Unix destination, if somebody is there: an Agent need not have made its socket yet. Refuses what the
/// runtime or the system cannot have.
async fn first<R: Runtime>(runtime: &R, to: &Destination) -> Result<Option<OpenSocket<R>>, StartError> {
    let Destination::Unix(socket) = to else { return Ok(None) };
    match connect_unix(runtime, socket).await {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Err(StartError::Setting {
            exporter: Exporter::Statsd,
            field: "socket",
            value: socket.to_string(),
            expected: format!("{error}; give host and port"),
        }),
        connected => Ok(connected.ok()),
    }
}

const fn transport(to: &Destination) -> ClientTransport {
    match to {
        Destination::Udp(_) => ClientTransport::Udp,
        Destination::Unix(StatsdSocket::Unix(_) | StatsdSocket::UnixDatagram(_)) => ClientTransport::Uds,
        Destination::Unix(StatsdSocket::UnixStream(_)) => ClientTransport::UdsStream,
    }
}

fn encoder(
    (registry, identity): (Registry<'static>, &Identity),
    config: &StatsdConfig,
) -> Result<MessageEncoder<'static>, StartError> {
    let bad = |field, value: &str, expected: &dyn fmt::Display| StartError::Setting {
        exporter: Exporter::Statsd,
        field,
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
    let constant = StatsdConfig::tags_of(&identity.labels(&config.constant_labels))?;
    if constant != ConstantTags::default() {
        encoder = encoder.with_constant_tags(&constant);
    }
    let of_timed = StatsdConfig::tags_of(&identity.tags_of_points(&config.constant_labels))?;
    if of_timed != constant {
        encoder = encoder.with_tags_of_timed(&of_timed);
    }
    let StatsdOrigin { container, external, cardinality } = &config.origin;
    let origin = Origin { container: container.as_deref(), external: external.as_deref(), cardinality: *cardinality };
    if origin == Origin::default() {
        return Ok(encoder);
    }
    encoder.with_origin(origin).map_err(|error| match error {
        OriginError::Container => bad("origin.container", container.as_deref().unwrap_or_default(), &error),
        OriginError::External => bad("origin.external", external.as_deref().unwrap_or_default(), &error),
        _ => bad("origin", "", &error),
    })
}
