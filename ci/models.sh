#!/usr/bin/env bash
# The loom models of what threads share. Their own target folder: loom's atomics replace the real ones.
set -euo pipefail
cd "$(dirname "$0")/.."
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" \
    cargo test -p loaddensity-metrics-core --lib --release models
