#!/usr/bin/env bash
# The choices of features that decide what is compiled build without a warning for the shells with TCP: every combination of the
# exporters bare and with all add-ons, each add-on alone, and the core's. About a second for each once the
# dependencies are there. Then those of the shell on threads, what each choice links, and what a build says of a feature that it lacks.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/exporters.sh

count=0
# Lints both shells with these features.
lint() {
    local features='' feature
    for feature in $1; do
        features="$features loaddensity-metrics-smol/$feature loaddensity-metrics-tokio/$feature"
    done
    count=$((count + 1))
    if ! cargo clippy --quiet -p loaddensity-metrics-smol -p loaddensity-metrics-tokio \
        --no-default-features --features "$features" -- -D warnings; then
        echo "features do not build together: '$1'" >&2
        exit 1
    fi
}

# Every combination of the exporters: those whose bit is set.
read -ra each <<<"$exporters"
for ((bits = 0; bits < 1 << ${#each[@]}; bits++)); do
    chosen=''
    for bit in "${!each[@]}"; do
        ((bits >> bit & 1)) && chosen+="${each[bit]} "
    done
    lint "$chosen"
    lint "${chosen}action-json gzip tls"
done
# OTLP over HTTP alone, and each add-on alone, without an exporter and with each that it matters to.
for chosen in opentelemetry-http 'opentelemetry-http action-json gzip tls' action-json coarse-clock gzip tls \
    'prometheus gzip' 'prometheus tls' 'influxdb gzip' 'influxdb tls' 'opentelemetry gzip'; do
    lint "$chosen"
done
# With every exporter, nothing that they share may be unused; the shells above do not say that they have all.
cargo clippy --quiet -p loaddensity-metrics-shell -- -D warnings
for feature in '' alloc; do
    cargo clippy --quiet -p loaddensity-metrics-core --no-default-features --features "$feature" -- -D warnings
done
# Alone, with a shell that has no exporter.
cargo clippy --quiet -p loaddensity-metrics-tower -- -D warnings
cargo clippy --quiet -p loaddensity-metrics-facade -- -D warnings
cargo clippy --quiet -p loaddensity-metrics-minimal -- -D warnings
cargo clippy --quiet -p loaddensity-metrics-minimal --features core -- -D warnings
echo "$count combinations of features build for both shells"
for features in '' statsd influxdb action-json 'statsd influxdb action-json'; do
    if ! cargo clippy --quiet -p loaddensity-metrics-std --no-default-features --features "$features" -- -D warnings; then
        echo "features do not build together for the shell on threads: '$features'" >&2
        exit 1
    fi
done

ci/sizes.sh --check
# `cargo test` has all features on, so these say nothing there.
cargo test --quiet -p loaddensity-metrics-shell --lib --no-default-features \
    --features action-json,influxdb,opentelemetry-http,prometheus without
