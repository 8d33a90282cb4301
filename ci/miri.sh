#!/usr/bin/env bash
# Core's tests of lanes under Miri, which finds undefined behaviour and races of threads, and changes threads between any
# two steps: the tables of bounds and lanes, and the race of a reader with a lane that carries. Some minutes.
#
# What each order of loads and stores is for, the models show (sim/mutations/run model-lanes). Miri's weak memory is off: the race
# compares lanes with a count that the writer tells after each request, which may be seen late there.
#
#   ci/miri.sh             checks; exits with 2 where Miri is not installed
#   ci/miri.sh --install   installs it with rustup
set -euo pipefail
cd "$(dirname "$0")/.."

case "$*" in
'') ;;
--install) exec rustup toolchain install nightly --profile minimal --component miri --component rust-src ;;
*)
    echo "usage: ci/miri.sh [--install]" >&2
    exit 2
    ;;
esac
# The name of the program is there without the component too.
if ! cargo +nightly miri --version >/dev/null 2>&1; then
    echo "miri.sh: NOT CHECKED: no Rust nightly with Miri is installed (ci/miri.sh --install)" >&2
    exit 2
fi
# The race ends by the clock. Bounds are compared with exp2 and log2, which Miri makes inexact on purpose.
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-disable-weak-memory-emulation -Zmiri-deterministic-floats"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/miri"
miri() {
    cargo +nightly miri test -p loaddensity-metrics-core --features alloc "$@"
}
# Left out are those that write or search all tables so often that Miri takes hours.
miri --lib counts:: -- --skip every_value_finds_the_lane --skip a_map_that_is_written_again --skip few_requests_are_compared
LANE_RACE_SECONDS=${LANE_RACE_SECONDS:-120} miri --test lane_race
