#!/usr/bin/env bash
# What dependencies bring is what deny.toml allows: licences, banned crates, sources, known faults. Seconds.
#
#   ci/deny.sh                   all of it; fetches RustSec's database from GitHub, and asks cargo's registry for withdrawn versions
#   ci/deny.sh --no-advisories   without known faults, which depend on the day and not on the change; a step of .ci/run
#   ci/deny.sh --install         installs cargo-deny below target/; it compiles for some minutes
#
# Exits with 2 where something was not checked: without cargo-deny, or where the database cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."

case "$*" in
'' | --no-advisories) ;;
--install) exec cargo install cargo-deny --version 0.20.2 --locked --root target/tools ;;
*)
    echo "usage: ci/deny.sh [--no-advisories | --install]" >&2
    exit 2
    ;;
esac
export PATH="$PWD/target/tools/bin:$PATH"
if ! cargo deny --version >/dev/null 2>&1; then
    echo "deny.sh: NOT CHECKED: cargo-deny is not installed, nothing of deny.toml was looked at (ci/deny.sh --install)" >&2
    exit 2
fi

# Its own codes tell which check failed, with 2 among them.
deny() {
    cargo deny --locked --config deny.toml "$@" || exit 1
}

# The workspace, and the four apart from it.
for manifest in Cargo.toml examples/Cargo.toml examples/bare-metal/Cargo.toml fuzz/Cargo.toml core/no-std-proof/Cargo.toml; do
    echo "--- $manifest"
    # A smaller tree needs fewer of the licences.
    deny --manifest-path $manifest check \
        -A duplicate -A license-not-encountered -A license-exception-not-encountered bans licenses sources
done
echo "--- what a program links that uses the published packages: nothing in two versions"
deny --exclude-unpublished --exclude-dev --target x86_64-unknown-linux-gnu check bans
[[ $* != --no-advisories ]] || exit 0

echo "--- advisories"
if ! timeout 120 cargo deny fetch db; then
    echo "deny.sh: NOT CHECKED: advisories, because RustSec's database could not be fetched; the rest is right" >&2
    exit 2
fi
deny check advisories
