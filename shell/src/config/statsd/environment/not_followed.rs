//! The variables that other clients of Datadog read for DogStatsD, and that this exporter does not follow.

use crate::environment::Environment;

/// Those of datadogpy (datadog/dogstatsd/base.py, datadog/__init__.py), of Datadog's tracers (`DD_DOGSTATSD_HOST`, `…_HOSTNAME`,
/// `…_PIPE_NAME`), and the Agent's own socket, which is often set for a client.
const OTHERS: [&str; 8] = [
    "DATADOG_TAGS",
    "DD_DOGSTATSD_DISABLE",
    "DD_DOGSTATSD_HOST",
    "DD_DOGSTATSD_HOSTNAME",
    "DD_DOGSTATSD_PIPE_NAME",
    "DD_DOGSTATSD_SOCKET",
    "DD_TELEMETRY_HOST",
    "DD_TELEMETRY_PORT",
];
/// How variables begin that are often set, though nothing reads them.
const MISTAKEN: &str = "DD_STATSD_";

/// Warns of each by its name.
pub(super) fn warn(environment: &Environment) {
    for variable in names(environment) {
        tracing::warn!(
            variable,
            "the environment variable is not one that this exporter follows; DD_DOGSTATSD_URL, DD_AGENT_HOST, \
             DD_DOGSTATSD_PORT and DD_TAGS are"
        );
    }
}

fn names(environment: &Environment) -> impl Iterator<Item = &str> {
    environment.names().filter(|name| OTHERS.contains(name) || name.starts_with(MISTAKEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_variable_that_is_set_and_not_followed_is_named() {
        let followed = ["DD_AGENT_HOST", "DD_DOGSTATSD_PORT", "DD_DOGSTATSD_URL", "DD_ENV", "DD_TAGS"];
        // Variables of the Agent, of tracers, and of other programs.
        let silent = ["DD_API_KEY", "DD_DOGSTATSD_NON_LOCAL_TRAFFIC", "DD_TRACE_AGENT_URL", "PATH"];
        let is_set = followed.into_iter().chain(silent).chain(OTHERS).chain(["DD_STATSD_PORT"]).map(|name| (name, "1"));
        let environment = Environment::of(is_set);
        assert!(names(&environment).filter(|name| *name != "DD_STATSD_PORT").eq(OTHERS));
        assert!(names(&environment).any(|name| name == "DD_STATSD_PORT"));
        assert_eq!(names(&Environment::of([("DD_DOGSTATSD_DISABLE", "")])).count(), 0);
    }
}
