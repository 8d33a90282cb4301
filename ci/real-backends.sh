#!/usr/bin/env bash
# Runs our binary against real backends and compares what they hold with what was recorded: Prometheus, promtool,
# Pushgateway, InfluxDB 1 (UDP, and HTTP with a user), Rotel, Google's gRPC, and Datadog's serverless agent.
#
# Not a part of .ci/run: it installs Debian and Python packages, so it needs root and a network. It takes three minutes.
# LOADDENSITY_METRICS names the binary to run; without it, a release build is made.
# Exits with 1 where a backend refused something, or does not hold exactly what was recorded.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
work=$target/real-backends
venv=$work/venv

# By command: what is there already, from wherever, is not installed again.
packages=()
for pair in prometheus:prometheus promtool:prometheus prometheus-pushgateway:prometheus-pushgateway influxd:influxdb; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
if ((${#packages[@]})); then
    apt-get update -qq
    # Where Debian starts them as services, on their usual ports, that is no matter: the test starts its own.
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${packages[@]}"
fi

mkdir -p "$work"
if [[ ! -e $venv/complete ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    pip=("$venv/bin/pip" install --quiet --disable-pip-version-check)
    # Rotel has only pre-releases; nothing else shall be one.
    "${pip[@]}" --pre rotel
    "${pip[@]}" grpcio opentelemetry-proto datadog-serverless-compat
    touch "$venv/complete"
fi

binary=${LOADDENSITY_METRICS:-}
if [[ -z $binary ]]; then
    cargo build --release -p loaddensity-metrics-cli
    binary=$target/release/loaddensity-metrics
fi

# -B: no compiled files in the sources.
PYTHONPATH=ci exec "$venv/bin/python" -B -m real_backends "$binary" "$work"
