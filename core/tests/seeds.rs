//! Replays the fuzz seeds and what fuzzing has found through the same checks that the fuzz targets run.

use loaddensity_metrics_vectors::check::{self, seed::replay};

#[test]
fn prometheus() {
    replay("prometheus", check::prometheus);
}

#[test]
fn influxdb() {
    replay("influxdb", check::influxdb);
}

#[test]
fn dogstatsd() {
    replay("dogstatsd", check::dogstatsd);
}

#[test]
fn otlp() {
    replay("otlp", check::otlp);
}

#[test]
fn headers() {
    replay("headers", check::answers::headers);
}

#[test]
fn retry_after() {
    replay("retry_after", check::answers::retry_after);
}

#[test]
fn grpc() {
    replay("grpc", check::answers::grpc);
}

#[test]
fn http() {
    replay("http", check::answers::http);
}

#[test]
fn registry() {
    replay("registry", check::registry);
}
