#!/usr/bin/env bash
# Has strict parsers in another language read what the encoders write, with every nasty name in every place:
# line-protocol-parser 2.0.1 (PyPI) every kind of InfluxDB line, and prometheus_client's OpenMetrics parser (PyPI) pages
# with exemplars, gauges and creation times.
#
# Not a part of .ci/run: it needs Python and a network for the packages, which go below target/. Half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${CARGO_TARGET_DIR:-target}/oracles-venv
packages=(line-protocol-parser==2.0.1 prometheus-client==0.26.0)
if [[ $(cat "$venv/complete" 2>/dev/null) != "${packages[*]}" ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}"
    echo "${packages[*]}" >"$venv/complete"
fi
cargo run --quiet -p loaddensity-metrics-core --example influxdb_lines | "$venv/bin/python" -B ci/oracles.py
cargo run --quiet -p loaddensity-metrics-core --example open_metrics_pages |
    "$venv/bin/python" -B ci/oracles_openmetrics.py
