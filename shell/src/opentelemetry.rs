//! The OpenTelemetry exporter. It sends cumulative totals, or what came in each interval, over OTLP by gRPC or HTTP: once per
//! interval, and a last time at the stop. Where the storage has room for instruments of the engine's own, they are sent as well,
//! in requests of their own.
//!
//! The core's machine of periodic exports decides what is sent when, and what an answer means.

use std::sync::Arc;

use loaddensity_metrics_core::export::periodic::{Cumulative, Delta, ExportLimits, ExportMachine};
use loaddensity_metrics_core::otlp::{DeltaInterval, ExportOptions, HistogramAggregation, Resource};
use loaddensity_metrics_core::{Accounts, Exporter, Registry, Timestamp};

use crate::config::OpenTelemetryConfig;
use crate::drivers::{BackendLink, ExportDriver, Lender};
use crate::error::StartError;
use crate::random;
use crate::running::{LaunchContext, PrepareContext, PreparedExporter, RunningExporter};
use crate::runtime::Runtime;
use crate::status::StatusCell;
use crate::stop::StopSignal;

mod exchange;
mod identity;
mod target;

use target::OtlpTarget;

/// Memory for a request at first. It grows, up to the largest request, when a cycle does not fit.
const FIRST_BUFFER: usize = 256 << 10;

/// Checks the settings. The receiver need not be there yet, and its name need have no address.
pub(crate) async fn prepare<R: Runtime>(
    PrepareContext { registry, identity, .. }: PrepareContext<'_, R>,
    config: &OpenTelemetryConfig,
) -> Result<PreparedExporter<R>, StartError> {
    if config.gzip && cfg!(not(feature = "gzip")) {
        return Err(StartError::BuiltWithout { feature: "gzip" });
    }
    keeps_what_is_shown(registry, config)?;
    let target = OtlpTarget::read(config)?;
    let resource = identity::resource(config, identity).map(Arc::new).map_err(|error| StartError::Setting {
        exporter: Exporter::OpenTelemetry,
        field: "resource_attributes",
        value: config.resource_attributes.len().to_string(),
        expected: error.to_string(),
    })?;
    let config = config.clone();
    if !config.temporality.is_delta() {
        return Ok(PreparedExporter::new(move |context| launch(context, (target, resource, &config), None)));
    }
    let options = config.options();
    let prepared = PreparedExporter::of_intervals(
        move |context| DeltaInterval::on_heap(context.registry, options, context.clock.now()),
        DeltaInterval::read_some,
        move |context, interval| launch(context, (target, resource, &config), Some(interval)),
    );
    Ok(prepared.with_observed_rows())
}

/// Refuses settings for which the storage keeps no numbers.
fn keeps_what_is_shown(registry: Registry<'_>, config: &OpenTelemetryConfig) -> Result<(), StartError> {
    let refuse = |field, value: &str| StartError::Setting {
        exporter: Exporter::OpenTelemetry,
        field,
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

/// Starts to export all that was counted, or what comes in each `interval`.
fn launch<R: Runtime>(
    context: &mut LaunchContext<R>,
    (target, resource, config): (OtlpTarget, Arc<Resource>, &OpenTelemetryConfig),
    interval: Option<DeltaInterval<Vec<u64>>>,
) -> RunningExporter<R> {
    let status_cell = Arc::new(StatusCell::new(Exporter::OpenTelemetry, target.public_address()));
    let stop = StopSignal::default();
    let told: (_, crate::status::HealthNote) = (status_cell.clone(), StatusCell::tell);
    let room = FIRST_BUFFER.min(config.max_request_bytes);
    let link = BackendLink::new(context, (target, config.timeout), told, stop.clone(), room);
    let is_framed = link.wants_prefix();
    let limits = ExportLimits::new(config.interval, config.timeout, config.max_request_bytes)
        .export_timeout(config.export_timeout)
        .delta(interval.is_some());
    let exports = ExportMachine::new(limits, random::number(), context.clock.read());
    let (accounts, has_instruments) = (context.accounts, context.registry.has_room_for_instruments());
    let running = if let Some(interval) = interval {
        accounts.open_after(Exporter::OpenTelemetry, interval.before());
        let interval = with_instruments(context, interval);
        let source = DeltaSource { accounts, resource, interval, is_framed };
        let work = ExportDriver::new(link, exports, source).run();
        RunningExporter::launch(&context.runtime, stop, status_cell, work)
    } else {
        accounts.open(Exporter::OpenTelemetry);
        if has_instruments {
            accounts.observations().open(Exporter::OpenTelemetry);
        }
        let (options, start_time) = (config.options(), context.clock.start_time());
        let source = CumulativeSource { accounts, resource, options, start_time, is_framed, has_instruments };
        let work = ExportDriver::new(link, exports, source).run();
        RunningExporter::launch(&context.runtime, stop, status_cell, work)
    };
    if has_instruments { running.observing() } else { running }
}

/// The interval with the rows of own instruments, whose account opens; without them where the storage has no room for any.
fn with_instruments<R: Runtime>(
    context: &mut LaunchContext<R>,
    interval: DeltaInterval<Vec<u64>>,
) -> DeltaInterval<Vec<u64>> {
    let Some(rows) = context.observed_rows.take() else { return interval };
    context.accounts.observations().open_after(Exporter::OpenTelemetry, rows.before());
    interval.with_instruments(rows)
}

/// All that was counted.
struct CumulativeSource {
    accounts: Accounts<'static>,
    resource: Arc<Resource>,
    options: ExportOptions,
    start_time: Timestamp,
    is_framed: bool,
    has_instruments: bool,
}

impl Lender for CumulativeSource {
    type Lent<'a> = Cumulative<'a>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Cumulative<'_>) -> T) -> T {
        let Self { accounts, options, start_time, is_framed, has_instruments, .. } = *self;
        let source = Cumulative::new(accounts, &self.resource, start_time).with_options(options).framed(is_framed);
        ask(&mut if has_instruments { source.with_instruments() } else { source })
    }
}

/// What came in each interval.
struct DeltaSource {
    accounts: Accounts<'static>,
    resource: Arc<Resource>,
    interval: DeltaInterval<Vec<u64>>,
    is_framed: bool,
}

impl Lender for DeltaSource {
    type Lent<'a> = Delta<'a, Vec<u64>>;

    fn lend<T>(&mut self, ask: impl FnOnce(&mut Delta<'_, Vec<u64>>) -> T) -> T {
        let Self { accounts, resource, interval, is_framed } = self;
        ask(&mut Delta::new(*accounts, resource, interval).framed(*is_framed))
    }
}
