#!/usr/bin/env bash
# Each engine of examples/ is without warnings, ends by itself within a minute, and says what it must. Seconds, once their dependencies are
# compiled; those of goose take some minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
manifest=examples/Cargo.toml
cargo clippy --quiet --locked --manifest-path $manifest --all-targets -- -D warnings
cargo build --quiet --locked --manifest-path $manifest
# The suite that a runtime of one's own passes.
cargo test --quiet --locked --manifest-path $manifest -p own-runtime --test conformance

checked=()
# says NAME LINE...: each line, an extended regular expression, is a line that the example prints.
says() {
    local name=$1 output line
    shift
    if ! output=$(timeout 60 "$CARGO_TARGET_DIR/debug/$name"); then
        printf 'examples.sh: %s failed, or did not end within a minute. It printed:\n%s\n' "$name" "$output" >&2
        exit 1
    fi
    for line in "$@"; do
        if ! grep -Eqx "$line" <<<"$output"; then
            printf 'examples.sh: %s must print a line %s. It printed:\n%s\n' "$name" "$line" "$output" >&2
            exit 1
        fi
    done
    checked+=("$name")
}

says plain-threads '4000 recorded, 4000 accounted for' \
    'loaddensity\.requests:1\|c\|#method:POST,name:/orders,region:eu-west-1,scenario:checkout,outcome:(success|failure)'
says tokio-tasks 'loaddensity_requests_total\{.*scenario="browse",outcome="success"\} 29900' \
    'loaddensity_requests_total\{.*scenario="browse",outcome="failure"\} 100'
says smol-tasks '2000 recorded, 2000 accounted for' \
    'loaddensity_request,method=POST,name=/orders,outcome=success,scenario=checkout status_code=201i,response_time_ms=.*'
says hyper-through-tower 'the engine: 200 requests failed, 15000 bytes' 'the layer:  200 requests failed, 15000 bytes' \
    'statsd +2000 .*'
says axum-page 'loaddensity_requests_total\{method="GET",name="/items/\{id\}",outcome="success"\} 90' \
    'loaddensity_requests_total\{method="GET",name="/items/\{id\}",outcome="failure"\} 10' \
    'loaddensity_requests_total\{method="GET",name="no route",outcome="failure"\} 1'
says goose-attack 'GET item: goose 1000 and 0 failed, ours 1000 and 0 failed' \
    'GET nowhere: goose 0 and 1000 failed, ours 0 and 1000 failed' \
    'GET item: p50 agrees.*' 'GET item: p90 agrees.*' 'GET item: p99 agrees.*' \
    'GET nowhere: p50 agrees.*' 'GET nowhere: p90 agrees.*' 'GET nowhere: p99 agrees.*'
says rlt-bench 'rlt: 2000 and 1999000 bytes, .*"Server Error\(503\)":200.*' 'ours: 2000 and 1999000 bytes, 200 failed' \
    'p50 agrees.*' 'p90 agrees.*' 'p99 agrees.*'
says own-runtime 'statsd +1000 +1000 +0'

# An example that is forgotten here would run nowhere.
for folder in examples/*/; do
    name=$(basename "$folder")
    [[ $name == target || " ${checked[*]} " == *" $name "* ]] || { echo "examples.sh: $name is not run" >&2; exit 1; }
done
echo "${#checked[@]} examples say what they must"
