//! The variables that are set for this exporter and that it does not follow.

use super::{
    CERTIFICATE, COMPRESSION, ENDPOINT, EXEMPLARS, EXPORT_TIMEOUT, EXPORTER, HEADERS, HISTOGRAMS, INSECURE, INTERVAL,
    KEY, PROTOCOL, ROOTS, TEMPORALITY, TIMEOUT, VariableNames,
};
use crate::environment::Environment;

/// What is followed of all that begins as the variables of metrics and of OTLP do.
const PAIRS: [VariableNames; 9] =
    [ENDPOINT, PROTOCOL, HEADERS, TIMEOUT, COMPRESSION, INSECURE, ROOTS, KEY, CERTIFICATE];
const SINGLE: [&str; 6] = [TEMPORALITY, HISTOGRAMS, INTERVAL, EXPORT_TIMEOUT, EXPORTER, EXEMPLARS];

/// How the variables of OTLP, of metrics' readers and of metrics begin.
const OURS: [&str; 3] = ["OTEL_EXPORTER_OTLP_", "OTEL_METRIC_", "OTEL_METRICS_"];
/// How those begin that are for exporters of other signals.
const OTHERS: [&str; 4] = [
    "OTEL_EXPORTER_OTLP_TRACES_",
    "OTEL_EXPORTER_OTLP_SPAN_",
    "OTEL_EXPORTER_OTLP_LOGS_",
    "OTEL_EXPORTER_OTLP_PROFILES_",
];

/// Warns of each by its name. Its value is not shown: it may be secret.
pub(super) fn warn(environment: &Environment) {
    for variable in names(environment) {
        tracing::warn!(variable, "the environment variable is not one that this exporter follows");
    }
}

fn names(environment: &Environment) -> impl Iterator<Item = &str> {
    environment.names().filter(|name| {
        let begins = |prefix: &&str| name.starts_with(prefix);
        OURS.iter().any(begins) && !OTHERS.iter().any(begins) && !is_followed(name)
    })
}

fn is_followed(name: &str) -> bool {
    SINGLE.contains(&name) || PAIRS.iter().any(|(own, all)| name == *own || name == *all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_that_is_set_and_not_followed_is_named() {
        let followed = SINGLE.into_iter().chain(PAIRS.into_iter().flat_map(|(own, all)| [own, all]));
        let others = [
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
            "OTEL_EXPORTER_PROMETHEUS_PORT",
            "OTEL_SERVICE_NAME",
            "OTEL_TRACES_SAMPLER",
            "PATH",
        ];
        let unknown = [
            "OTEL_EXPORTER_OTLP_MAX_RETRIES",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPIONT",
            "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
            "OTEL_METRIC_EXPORT_SIZE",
        ];
        let is_set = followed.chain(others).chain(unknown).map(|name| (name, "1"));
        let environment = Environment::of(is_set.chain([("OTEL_METRICS_EMPTY", "")]));
        assert_eq!(names(&environment).collect::<Vec<_>>(), unknown);
    }
}
