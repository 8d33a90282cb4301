//! Replays the fuzz seeds and what fuzzing has found through the same checks that the fuzz targets run.

use loaddensity_metrics_vectors::check;
use std::fs;
use std::path::Path;

/// Runs every seed of one target. If one fails, the output names it.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{} seeds in {}", files.len(), folder.display());
    for file in files {
        let seed = fs::read(&file).expect("a readable seed");
        // The harness shows this only if the check panics.
        println!("{}", file.display());
        check(&seed);
    }
}

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
