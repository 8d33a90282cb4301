#!/usr/bin/env bash
# Makes what the golden cases expect (vectors/golden/*/) with reference encoders: prometheus_client, influxdb-client,
# Datadog's client, and protobuf with OpenTelemetry's types. `cargo test` replays what is committed.
#
#   ci/golden.sh           writes the expected files anew
#   ci/golden.sh --check   compares with the committed ones; exits with 1 where they differ
#
# Not a part of .ci/run: it needs Python and a network for its packages, which go below target/. Half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."

case "$*" in
'' | --check) ;;
*)
    echo "usage: ci/golden.sh [--check]" >&2
    exit 2
    ;;
esac
venv=${CARGO_TARGET_DIR:-target}/golden-venv
if [[ ! -e $venv/complete ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        prometheus_client==0.26.0 influxdb-client==1.50.0 datadog==0.56.0 \
        opentelemetry-proto==1.45.2 protobuf==7.36.2
    touch "$venv/complete"
fi
exec "$venv/bin/python" -B ci/golden vectors/golden "$@"
