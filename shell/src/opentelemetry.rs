//! The OpenTelemetry exporter: cumulative totals, or what came in each interval, over OTLP, by gRPC or HTTP, one cycle per
//! interval and a last one at the stop.
//!
//! What is sent when, and what an answer means, is decided by the core's machine of periodic exports.

use std::sync::Arc;

use loaddensity_metrics_core::export::periodic::{Cumulative, Delta, ExportLimits, Exports};
use loaddensity_metrics_core::otlp::{DeltaInterval, ExportOptions, HistogramAggregation, Resource};
use loaddensity_metrics_core::{Exporter, Registry, Timestamp};

use crate::condition::Condition;
use crate::config::OpenTelemetryConfig;
use crate::drivers::{ExportDriver, PointSource, Wire};
use crate::error::StartError;
use crate::identity::Identity;
use crate::random;
use crate::running::{Place, Prepared, Running};
use crate::runtime::Runtime;
use crate::stop::StopSignal;

mod exchange;
mod identity;
mod target;

use target::Target;

/// Memory for a request at first. It grows, up to the largest request, when a cycle does not fit.
const FIRST_BUFFER: usize = 256 << 10;

/// Judges the settings. The receiver need not be there, nor its name.
pub(crate) fn prepare<R: Runtime>(
    (registry, identity): (Registry<'static>, &Identity),
    config: &OpenTelemetryConfig,
) -> Result<Prepared<R>, StartError> {
    if config.gzip && cfg!(not(feature = "gzip")) {
        return Err(StartError::BuiltWithout { feature: "gzip" });
    }
    keeps_what_is_shown(registry, config)?;
    let target = Target::read(config)?;
    let resource = identity::resource(config, identity).map(Arc::new).map_err(|error| StartError::Setting {
        exporter: Exporter::OpenTelemetry,
        key: "resource_attributes",
        value: config.resource_attributes.len().to_string(),
        expected: error.to_string(),
    })?;
    let config = config.clone();
    Ok(Prepared::new(move |place| launch(place, target, resource, &config)))
}

/// Refuses what the storage has no numbers for.
fn keeps_what_is_shown(registry: Registry<'_>, config: &OpenTelemetryConfig) -> Result<(), StartError> {
    let refuse = |key, value: &str| StartError::Setting {
        exporter: Exporter::OpenTelemetry,
        key,
        value: value.into(),
        expected:
            "the storage keeps no exponential histograms; leave it out, or use a storage of Exponential histograms"
                .into(),
    };
    match (registry.has_exponentials(), config.histograms) {
        (true, _) => Ok(()),
        (false, HistogramAggregation::Exponential) => Err(refuse("histograms", "exponential")),
        (false, _) if config.min_max => Err(refuse("min_max", "true")),
        (false, _) => Ok(()),
    }
}

fn launch<R: Runtime>(
    place: &mut Place<R>,
    target: Target,
    resource: Arc<Resource>,
    config: &OpenTelemetryConfig,
) -> Running<R> {
    let condition = Arc::new(Condition::new(Exporter::OpenTelemetry, target.public_address()));
    let stop = StopSignal::default();
    let (registry, options) = (place.registry, config.options());
    let told: (_, crate::condition::Voice) = (condition.clone(), Condition::tell);
    let room = FIRST_BUFFER.min(config.max_request_bytes);
    let wire = Wire::new(place, (target, config.timeout), told, stop.clone(), room);
    let is_framed = wire.wants_prefix();
    let limits = ExportLimits {
        interval: config.export_interval,
        timeout: config.timeout,
        export_timeout: config.export_timeout,
        max_request_bytes: config.max_request_bytes,
        is_delta: config.temporality.is_delta(),
    };
    let exports = Exports::new(limits, random::number(), place.clock.read());
    if limits.is_delta {
        let (interval, before) = DeltaInterval::on_heap(registry, options, place.clock.now());
        registry.open_account_after(Exporter::OpenTelemetry, before);
        let source = Deltas { registry, resource, interval, is_framed };
        return Running::launch(&place.runtime, stop, condition, ExportDriver::new(wire, exports, source).run());
    }
    registry.open_account(Exporter::OpenTelemetry);
    let source = Totals { registry, resource, options, birth: place.clock.birth(), is_framed };
    Running::launch(&place.runtime, stop, condition, ExportDriver::new(wire, exports, source).run())
}

/// All that was counted.
struct Totals {
    registry: Registry<'static>,
    resource: Arc<Resource>,
    options: ExportOptions,
    birth: Timestamp,
    is_framed: bool,
}

impl PointSource for Totals {
    type Points<'a> = Cumulative<'a>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Cumulative<'_>) -> T) -> T {
        let Self { registry, options, birth, is_framed, .. } = *self;
        ask(&mut Cumulative { registry, resource: &self.resource, options, birth, is_framed })
    }
}

/// What came in each interval.
struct Deltas {
    registry: Registry<'static>,
    resource: Arc<Resource>,
    interval: DeltaInterval<Vec<u64>>,
    is_framed: bool,
}

impl PointSource for Deltas {
    type Points<'a> = Delta<'a, Vec<u64>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Delta<'_, Vec<u64>>) -> T) -> T {
        let Self { registry, resource, interval, is_framed } = self;
        ask(&mut Delta { registry: *registry, resource, interval, is_framed: *is_framed })
    }
}
