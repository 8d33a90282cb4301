#!/usr/bin/env bash
# What would be published is whole. Packs every package that is not `publish = false`, in the order of their dependencies; shows
# what each weighs; looks whether the README and both licences are in; and checks that the packages compile on their own:
# with all features, and their tests with the default ones. A minute. Publishes nothing, and asks no registry for our packages.
#
# `cargo package` could build them itself, but takes a sister's package of an earlier run for the one that it has just made, where
# both have one version.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")
packed=$CARGO_TARGET_DIR/package
alone=$packed/alone
names=() folders=()
for manifest in $(grep -L '^publish = false' ./*/Cargo.toml); do
    folders+=("${manifest%/Cargo.toml}")
    names+=("$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)")
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

cargo fetch --quiet --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
cargo package --locked --offline --allow-dirty --no-verify "${names[@]/#/-p}" \
    2> >(grep -v 'is not included in the published package' >&2)

# The packages, unpacked, in a workspace in which they find each other.
rm -rf "$alone"
mkdir "$alone"
cp Cargo.lock "$alone"
printf '[workspace]\nresolver = "3"\nmembers = ["*"]\n[profile.dev]\ndebug = "line-tables-only"\n[patch.crates-io]\n' >"$alone/Cargo.toml"
printf '\n%-42s %6s %10s\n' package files bytes
for at in "${!names[@]}"; do
    package=${names[at]}-$version
    # With the time of now: a package has none, and cargo would take what it checked before.
    tar -xzmf "$packed/$package.crate" -C "$alone"
    printf '%s = { path = "%s" }\n' "${names[at]}" "$package" >>"$alone/Cargo.toml"
    for text in LICENSE-APACHE LICENSE-MIT "${folders[at]}/README.md"; do
        if ! cmp --quiet "$text" "$alone/$package/${text##*/}"; then
            echo "package.sh: $package has not the text of $text" >&2
            exit 1
        fi
    done
    printf '%-42s %6d %10d\n' "$package" "$(find "$alone/$package" -type f | wc -l)" "$(stat -c %s "$packed/$package.crate")"
done

cd "$alone"
cargo check --quiet --offline --all-features
cargo check --quiet --offline --all-targets
printf '\nthe packages compile, and so do their tests\n'
