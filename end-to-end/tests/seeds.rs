//! Replays the fuzz seeds of what users say, and what fuzzing has found, through the same checks that the fuzz targets run.

use loaddensity_metrics_vectors::check::{seed::replay, settings};

#[test]
fn actions() {
    replay("actions", settings::actions);
}

#[test]
fn environment() {
    replay("environment", settings::environment);
}
