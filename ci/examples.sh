#!/usr/bin/env bash
# Each engine of examples/ is without warnings, ends by itself within a minute, and says what it must. Seconds, once their dependencies are
# compiled; those of goose take some minutes.
#
#   ci/examples.sh             checks
#   ci/examples.sh --install   installs what the engine on bare metal needs: its target with rustup, QEMU with apt-get
#
# Exits with 2 where all but that engine is right, and that one could not be linked or run here.
set -euo pipefail
cd "$(dirname "$0")/.."

# Without an operating system: a Cortex-M3, as which QEMU has a board.
bare_target=thumbv7m-none-eabi
board=netduino2
case "$*" in
'') ;;
--install)
    rustup target add $bare_target
    if ! command -v qemu-system-arm >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends qemu-system-arm
    fi
    exit
    ;;
*)
    echo "usage: ci/examples.sh [--install]" >&2
    exit 2
    ;;
esac

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
manifest=examples/Cargo.toml
cargo clippy --quiet --locked --manifest-path $manifest --all-targets -- -D warnings
cargo build --quiet --locked --manifest-path $manifest --workspace --exclude own-encoder-fuzz
# The suite that a runtime of one's own passes.
cargo test --quiet --locked --manifest-path $manifest -p own-runtime --test conformance
cargo test --quiet --locked --manifest-path $manifest -p own-encoder
cargo test --quiet --locked --manifest-path $manifest -p own-bench --benches --no-run

checked=()
# says NAME LINE...: each line, an extended regular expression, is a line that the example prints.
says() {
    says_by "$CARGO_TARGET_DIR/debug/$1" "$@"
}

# says_by COMMAND NAME LINE...: the same, of what the command prints.
says_by() {
    local command=$1 name=$2 output line
    shift 2
    # The command is words.
    if ! output=$(timeout 60 $command </dev/null); then
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
says own-encoder '[0-9]+ golden cases: as expected' '[0-9]+ names that break encoders: as expected' \
    'an encoder that leaves separators in values is caught by .+' 'an encoder that leaves out what is unfit is caught by .+'
# Each of its benches once, without measuring.
says_by "cargo test --quiet --locked --manifest-path $manifest -p own-bench --benches -- --test" own-bench \
    'Testing a request/alone' 'Testing a request/recorded' 'Testing record/one thread' \
    "Testing record/one thread, and a counter of one's own" 'Testing record/2 threads, each as many' \
    'all that was recorded is in the registry'

# The engine on bare metal, as far as this machine can.
not_checked=
bare=examples/bare-metal/Cargo.toml
cargo fmt --manifest-path $bare --check
if [[ ! -d $(rustc --print sysroot)/lib/rustlib/$bare_target ]]; then
    not_checked="bare-metal was not linked, for Rust has no $bare_target here"
else
    # The linker refuses what does not fit into the board's memory.
    cargo clippy --quiet --locked --manifest-path $bare --release --target $bare_target -- -D warnings
    cargo build --quiet --locked --manifest-path $bare --release --target $bare_target
    if command -v qemu-system-arm >/dev/null; then
        says_by "qemu-system-arm -machine $board -nographic -semihosting-config enable=on,target=native -kernel
            $CARGO_TARGET_DIR/$bare_target/release/bare-metal" bare-metal \
            'loaddensity_requests_total\{method="GET",name="/items",outcome="success"\} 900' \
            'loaddensity_requests_total\{method="GET",name="/orders",outcome="failure"\} 100' \
            '1000 requests, some pages while they were recorded' 'flash: [0-9]+ bytes' \
            'RAM: [0-9]+ bytes, [0-9]+ of them the storage, and [0-9]+ of stack'
    else
        not_checked='bare-metal was linked and fits, but was not run, for there is no qemu-system-arm here'
    fi
fi

# An example that is forgotten here would run nowhere.
for folder in examples/*/; do
    name=$(basename "$folder")
    [[ $name == target || $name == bare-metal && $not_checked || " ${checked[*]} " == *" $name "* ]] || { echo "examples.sh: $name is not run" >&2; exit 1; }
done
echo "${#checked[@]} examples say what they must"
if [[ $not_checked ]]; then
    echo "examples.sh: NOT CHECKED: $not_checked (ci/examples.sh --install)" >&2
    exit 2
fi
