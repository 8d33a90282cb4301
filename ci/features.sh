#!/bin/sh
# Every combination of the exporters' features, with the Action-JSON commands and without, builds without a warning for
# both shells. About a second for each of the 32 once the dependencies are there.
set -eu
cd "$(dirname "$0")/.."

for prometheus in '' prometheus; do
for influxdb in '' influxdb; do
for statsd in '' statsd; do
for opentelemetry in '' opentelemetry; do
for actions in '' action-json; do
    chosen="$prometheus $influxdb $statsd $opentelemetry $actions"
    features=''
    for feature in $chosen; do
        features="$features loaddensity-metrics-smol/$feature loaddensity-metrics-tokio/$feature"
    done
    if ! cargo clippy --quiet -p loaddensity-metrics-smol -p loaddensity-metrics-tokio \
        --no-default-features --features "$features" -- -D warnings
    then
        echo "features do not build together:$(echo "$chosen" | tr -s ' ' | sed 's/^ */ /')" >&2
        exit 1
    fi
done
done
done
done
done
echo 'all 32 combinations of features build for both shells'
