#!/usr/bin/env bash
# The published packages compile, with all features, with the oldest version of Rust that they promise: `rust-version` in
# Cargo.toml, which vectors/tests/packages.rs compares with the other places that state it. Half a minute.
#
#   ci/msrv.sh             checks; exits with 2 where that version is not installed
#   ci/msrv.sh --install   installs it with rustup
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
case "$*" in
'') ;;
--install) exec rustup toolchain install "$version" --profile minimal ;;
*)
    echo "usage: ci/msrv.sh [--install]" >&2
    exit 2
    ;;
esac
if [[ $(rustc --version) != "rustc $version."* ]]; then
    RUSTUP_TOOLCHAIN=$(rustup toolchain list 2>/dev/null | grep -om1 "^$version[.-][^ ]*") || {
        echo "msrv.sh: NOT CHECKED: Rust $version is not installed, nothing was compiled with it (ci/msrv.sh --install)" >&2
        exit 2
    }
    # Its lints are not those that the code is held to.
    export RUSTUP_TOOLCHAIN RUSTFLAGS='--cap-lints allow'
fi
packages=$(grep -L '^publish = false' ./*/Cargo.toml | xargs sed -n 's/^name = "\(loaddensity-.*\)"/-p \1/p')
cargo check --quiet --locked --all-features $packages
echo "$(rustc --version) compiles" $(sed 's/-p loaddensity-metrics-//' <<<"$packages")
