//! The DogStatsD sink: three messages per request over UDP.

use loaddensity_metrics_core::dogstatsd::MessageEncoder;
use loaddensity_metrics_core::{Exporter, Registry};

use crate::config::StatsdConfig;
use crate::error::StartError;
use crate::running::Prepared;
use crate::runtime::Runtime;
use crate::udp::{self, Target};

/// Room for a message that is a datagram of its own: as much as the Agent reads at once (`dogstatsd_buffer_size`,
/// 8,192 by default). No series has labels that would not fit.
const MESSAGE_BYTES: usize = 8_192;

/// Makes the sink's socket.
pub(crate) async fn prepare<R: Runtime>(
    runtime: &R,
    registry: Registry<'static>,
    config: &StatsdConfig,
) -> Result<Prepared<R>, StartError> {
    let encoder = MessageEncoder::new(registry, &config.prefix).map_err(|error| StartError::Setting {
        exporter: Exporter::Statsd,
        key: "prefix",
        value: config.prefix.clone(),
        expected: error.to_string(),
    })?;
    let (datagram_bytes, items) = match config.datagram_bytes {
        None => (MESSAGE_BYTES, 1),
        Some(bytes) => (bytes, usize::MAX),
    };
    let target = Target {
        exporter: Exporter::Statsd,
        host: &config.host,
        port: config.port,
        datagram_bytes,
        items,
        buffer_events: config.buffer_events,
    };
    udp::prepare(runtime, target, encoder).await
}
