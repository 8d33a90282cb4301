#!/usr/bin/env bash
# Runs our binary against real backends and compares what they hold with what was recorded: Prometheus, promtool,
# Pushgateway, InfluxDB 1 (UDP, and HTTP with a user), Rotel, Google's gRPC, and Datadog's serverless agent. OTLP goes over
# gRPC and HTTP, plain and in gzip, cumulative and as deltas, with explicit and with exponential histograms.
#
# It installs Debian and Python packages, so it needs root and a network. It takes three minutes.
# --quick: one short run that asks what is installed, and names what is not. It installs nothing and needs no root;
# .ci/run uses it. Exits with 2 where there is nothing to ask.
# LOADDENSITY_METRICS names the binary to run; without it, a release build is made.
# Exits with 1 where a backend refused something, or does not hold exactly what was recorded.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
work=$target/real-backends
venv=$work/venv
quick=${1:-}
[[ -z $quick || $quick == --quick ]] || { echo "usage: ci/real-backends.sh [--quick]" >&2; exit 1; }

install_backends() {
    # By command: what is there already, from wherever, is not installed again.
    local packages=() pair
    for pair in prometheus:prometheus promtool:prometheus prometheus-pushgateway:prometheus-pushgateway influxd:influxdb; do
        command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
    done
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
    if ((${#packages[@]})); then
        apt-get update -qq
        # Where Debian starts them as services, on their usual ports, that is no matter: the test starts its own.
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${packages[@]}"
    fi
    if [[ ! -e $venv/complete ]]; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        local pip=("$venv/bin/pip" install --quiet --disable-pip-version-check)
        # Rotel has only pre-releases; nothing else shall be one.
        "${pip[@]}" --pre rotel
        "${pip[@]}" grpcio opentelemetry-proto datadog-serverless-compat
        touch "$venv/complete"
    fi
}

mkdir -p "$work"
if [[ -z $quick ]]; then
    install_backends
elif ! command -v python3 >/dev/null; then
    echo "no python3 here, which asks the backends" >&2
    exit 2
fi
python=$venv/bin/python
[[ -e $venv/complete ]] || python=python3

binary=${LOADDENSITY_METRICS:-}
if [[ -z $binary ]]; then
    cargo build --release -p loaddensity-metrics-cli --features smol
    binary=$target/release/loaddensity-metrics
fi

# -B: no compiled files in the sources.
PYTHONPATH=ci exec "$python" -B -m real_backends "$binary" "$work" ${quick:+"$quick"}
