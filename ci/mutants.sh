#!/usr/bin/env bash
# Changes the machines and the accounts of the core on purpose, an operator or a function at a time (cargo-mutants), and
# says which changes no test of the core notices. Of those the simulation may notice some more.
#
#   ci/mutants.sh --install     installs cargo-mutants
#   ci/mutants.sh               all 1,700 of them: some hours
#   ci/mutants.sh 'core/src/export/posts/**' core/src/registry/ledger.rs    those of these files
#   ci/mutants.sh --shard 0/8   an eighth of them
#
# .cargo/mutants.toml says what is left out for which reason. Exits with 2 where cargo-mutants is not installed, with another
# number than 0 where a change survives. What survived stands in target/mutants/mutants.out/missed.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $* == --install ]]; then
    exec cargo install cargo-mutants --locked --version 27.1.0
fi
if ! cargo mutants --version >/dev/null 2>&1; then
    echo "mutants.sh: NOT CHECKED: cargo-mutants is not installed (ci/mutants.sh --install)" >&2
    exit 2
fi
files=() options=()
for argument in "$@"; do
    if [[ $argument == core/* ]]; then files+=("$argument"); else options+=("$argument"); fi
done
if ((${#files[@]} == 0)); then
    files=(
        'core/src/export/**' 'core/src/events/*.rs'
        'core/src/registry/account*.rs' core/src/registry/{drop_reason,ledger,linger}.rs
    )
fi
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/mutants"
mkdir -p "$CARGO_TARGET_DIR"
# The tests run once without a change: where they fail, each change would count as noticed, and where their time is not known,
# a survivor would count as an endless loop.
exec cargo mutants --package loaddensity-metrics-core --timeout-multiplier 2 --output "$CARGO_TARGET_DIR" \
    "${files[@]/#/--file=}" "${options[@]}"
