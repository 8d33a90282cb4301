//! The InfluxDB sink: one point per request, or one per series and interval, as lines over UDP or in bodies that are
//! posted.

use std::sync::Arc;

use loaddensity_metrics_core::export::posts::InstrumentPoints;
use loaddensity_metrics_core::influxdb::{
    GaugeLineEncoder, InstrumentEncoder, InstrumentRows, IntervalEncoder, IntervalRows, IntervalTimes, LineEncoder,
    MeasurementError, ObservationEncoder, Precision,
};
use loaddensity_metrics_core::{ConstantLabels, Exporter, Observation, Registry};

use crate::config::{InfluxdbConfig, Observations};
use crate::dispatcher::EventQueue;
use crate::error::StartError;
use crate::identity::Identity;
use crate::running::{LaunchContext, PrepareContext, PreparedExporter, RunningExporter};
use crate::runtime::Runtime;

mod database;
mod datagrams;
mod endpoint;
mod exchange;
mod posting;
mod secrets;

use endpoint::{Endpoint, Transport};
use exchange::Influxdb;

/// The end of the measurement of points per interval: their tags and fields are not those of points per request.
const INTERVAL_SUFFIX: &str = "_interval";
/// The end of the measurement of points with gauges.
const GAUGES_SUFFIX: &str = "_gauges";
/// The end of the measurement of points with what the engine's own instruments count in an interval.
const INSTRUMENTS_SUFFIX: &str = "_instruments";
/// The end of the measurement of points per observation.
const OBSERVATIONS_SUFFIX: &str = "_observations";

/// The warning where points of several generators may have the same series and time.
const SAME_SECOND: &str = "points per interval in whole seconds: points that another generator sends in the same second \
                           overwrite these, and nobody notices; where there are several, give each an identity (--worker \
                           3/40) or a constant tag of its own, or use precision ms";

/// Checks the settings. The backend need not be there yet, and its name need have no address.
pub(crate) async fn prepare<R: Runtime>(
    PrepareContext { registry, identity, .. }: PrepareContext<'_, R>,
    config: &InfluxdbConfig,
) -> Result<PreparedExporter<R>, StartError> {
    if config.gzip && cfg!(not(feature = "gzip")) {
        return Err(StartError::BuiltWithout { feature: "gzip" });
    }
    config.check_storage(registry)?;
    let tags = identity.tags_of_points(&config.constant_labels);
    let constant = ConstantLabels::new(&tags).map_err(|error| bad("constant_labels", "", &error.to_string()))?;
    if let Some((tag, _)) = constant.iter().find(|(tag, _)| registry.is_influxdb_field(tag)) {
        return Err(bad(
            "constant_labels",
            tag,
            "an instrument of the engine's own has a field of that name; choose another",
        ));
    }
    if !tells_generators_apart(config, identity) {
        tracing::warn!(exporter = Exporter::Influxdb.as_str(), "{SAME_SECOND}");
    }
    let prepared = match config.aggregate {
        true => per_interval(registry, config, &constant),
        false => per_request(registry, config, &constant),
    };
    Ok(prepared?.with_observations(config.observations))
}

/// What is sent besides requests, by tasks of their own.
struct FurtherLines {
    gauges: GaugeLineEncoder<'static>,
    own: OwnLines,
}

/// What the engine's own instruments count.
enum OwnLines {
    /// The storage has no room for any.
    None,
    /// Per interval.
    Instruments(Box<InstrumentEncoder<'static>>),
    /// Per event.
    Observations(Box<ObservationEncoder<'static>>),
}

impl FurtherLines {
    fn new(
        registry: Registry<'static>,
        config: &InfluxdbConfig,
        constant: &ConstantLabels,
    ) -> Result<Self, StartError> {
        let (measurement, precision) = (|suffix| format!("{}{suffix}", config.measurement), config.precision);
        let gauges = GaugeLineEncoder::new(registry, &measurement(GAUGES_SUFFIX), constant, precision)
            .map_err(|error| bad_measurement(config, error))?;
        let own = match config.observations {
            Observations::PerInterval if !registry.has_room_for_instruments() => Ok(OwnLines::None),
            Observations::PerInterval => {
                InstrumentEncoder::new(registry, &measurement(INSTRUMENTS_SUFFIX), constant, precision)
                    .map(|encoder| OwnLines::Instruments(Box::new(encoder)))
            }
            Observations::PerEvent => ObservationEncoder::new(registry, &measurement(OBSERVATIONS_SUFFIX), constant)
                .map(|encoder| OwnLines::Observations(Box::new(encoder))),
        };
        Ok(Self { gauges, own: own.map_err(|error| bad_measurement(config, error))? })
    }
}

/// What is sent of own instruments, and an account that is open.
enum PointsToSend {
    /// What they count in each interval.
    Instruments(Box<InstrumentPoints<'static, Vec<u64>>>),
    /// Each observation.
    Observations(Arc<EventQueue<Observation>>, Box<ObservationEncoder<'static>>),
}

impl PointsToSend {
    /// What is written as `lines`; `None` where the storage has no room for any.
    fn open<R: Runtime>(context: &mut LaunchContext<R>, lines: OwnLines, config: &InfluxdbConfig) -> Option<Self> {
        match lines {
            OwnLines::None => None,
            OwnLines::Instruments(encoder) => {
                let rows = InstrumentRows::on_heap(context.registry, context.observed_rows.take()?);
                let ledger = context.accounts.observations().open_after(Exporter::Influxdb, rows.before());
                let times = IntervalTimes::new(config.precision, config.instruments_interval, context.phase);
                let points = InstrumentPoints::new(context.registry, (rows, ledger), (*encoder, times));
                Some(Self::Instruments(Box::new(points)))
            }
            OwnLines::Observations(encoder) => {
                let queue = context.dispatcher.attach_observations(Exporter::Influxdb, config.buffer_events, None);
                Some(Self::Observations(queue, encoder))
            }
        }
    }
}

fn per_request<R: Runtime>(
    registry: Registry<'static>,
    config: &InfluxdbConfig,
    constant: &ConstantLabels,
) -> Result<PreparedExporter<R>, StartError> {
    let encoder = LineEncoder::new(registry, &config.measurement).map_err(|error| bad_measurement(config, error))?;
    let encoder = encoder.with_tags(constant, config.status_code);
    let (further, own) = (FurtherLines::new(registry, config, constant)?, config.clone());
    Ok(match Transport::of(config)? {
        Transport::Udp { to } => {
            PreparedExporter::new(move |context| datagrams::per_request(context, to, (encoder, further), &own))
        }
        Transport::Http { endpoint } => {
            PreparedExporter::new(move |context| posting::per_request(context, endpoint, (encoder, further), &own))
        }
    })
}

fn per_interval<R: Runtime>(
    registry: Registry<'static>,
    config: &InfluxdbConfig,
    constant: &ConstantLabels,
) -> Result<PreparedExporter<R>, StartError> {
    let taken = constant
        .iter()
        .map(|(tag, _)| tag)
        .find(|tag| IntervalEncoder::FIELDS.iter().chain(&IntervalEncoder::KIND_FIELDS).any(|field| field == tag));
    if let Some(tag) = taken {
        return Err(bad("constant_labels", tag, "points per interval have a field of that name; choose another"));
    }
    let measurement = format!("{}{INTERVAL_SUFFIX}", config.measurement);
    let encoder = IntervalEncoder::new(registry, &measurement, constant, config.precision)
        .map_err(|error| bad_measurement(config, error))?;
    let (further, own) = (FurtherLines::new(registry, config, constant)?, config.clone());
    Ok(match Transport::of(config)? {
        Transport::Udp { to } => {
            of_intervals(move |context, rows| datagrams::per_interval(context, to, (rows, encoder, further), &own))
        }
        Transport::Http { endpoint } => {
            of_intervals(move |context, rows| posting::per_interval(context, endpoint, (rows, encoder, further), &own))
        }
    })
}

fn of_intervals<R: Runtime>(
    launch: impl FnOnce(&mut LaunchContext<R>, IntervalRows<Vec<u64>>) -> RunningExporter<R> + Send + 'static,
) -> PreparedExporter<R> {
    PreparedExporter::of_intervals(|context| IntervalRows::on_heap(context.registry), IntervalRows::freeze_some, launch)
}

/// Whether points stay apart where several generators send. Each puts its times back by a part of a second, which whole
/// seconds do not show.
fn tells_generators_apart(config: &InfluxdbConfig, identity: &Identity) -> bool {
    // All workers of a run have its name in common, so that it tells none of them apart.
    let has_tag = identity.worker().is_some() || !config.constant_labels.is_empty();
    !config.aggregate || config.precision != Precision::Second || has_tag
}

fn bad_measurement(config: &InfluxdbConfig, error: MeasurementError) -> StartError {
    bad("measurement", &config.measurement, &error.to_string())
}

fn bad(field: &'static str, value: &str, expected: &str) -> StartError {
    StartError::Setting { exporter: Exporter::Influxdb, field, value: value.into(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Labels;

    #[test]
    fn whole_seconds_without_a_tag_are_warned_of() {
        let worker = Identity::default().with_worker(3, Some(40)).expect("a good number");
        let run = Identity::default().with_run("7").expect("a good name");
        let tag = Labels::from([("generator", "a")]);
        for (aggregate, precision, constant_labels, identity, tells_apart) in [
            (true, Precision::Second, Labels::new(), Identity::NOBODY, false),
            // Two workers of a run have the same name of the run.
            (true, Precision::Second, Labels::new(), run, false),
            (true, Precision::Second, Labels::new(), run.with_run_label(), false),
            (true, Precision::Second, Labels::new(), worker, true),
            (true, Precision::Second, tag, Identity::NOBODY, true),
            (true, Precision::Millisecond, Labels::new(), Identity::NOBODY, true),
            (false, Precision::Nanosecond, Labels::new(), Identity::NOBODY, true),
        ] {
            let config = InfluxdbConfig { aggregate, precision, constant_labels, ..InfluxdbConfig::default() };
            let told = tells_generators_apart(&config, &identity);
            assert_eq!(told, tells_apart, "{config:?} {identity:?}");
        }
        for part in ["--worker 3/40", "constant tag", "precision ms"] {
            assert!(SAME_SECOND.contains(part), "{part}");
        }
    }
}
