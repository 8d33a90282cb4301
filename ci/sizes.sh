#!/usr/bin/env bash
# What each feature adds to a program (ci/minimal): bytes of its stripped release binary, and crates.
# ci/sizes.sh --check   looks which crates each choice of features links, in seconds; builds nothing
# ci/sizes.sh           the same, then builds everything (some minutes) and writes the table into docs/SIZES.md
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/exporters.sh

only_check=${1:-}
export CARGO_TARGET_DIR=$PWD/target/sizes CARGO_PROFILE_BENCH_STRIP=symbols
program=loaddensity-metrics-minimal
read -ra each <<<"$exporters"
rows=(
    ''
    "${each[@]}"
    'opentelemetry-http'
    'influxdb action-json'
    'influxdb gzip'
    'influxdb tls'
    'prometheus tls'
    'opentelemetry gzip tls'
    "$exporters"
    "$exporters action-json gzip tls"
)

# The crates of a choice of features, one a line, without the program itself.
crates() {
    cargo tree --locked -p $program --no-default-features --features "$1" -e normal --prefix none --no-dedupe |
        cut -d' ' -f1,2 | sort -u | grep -v "^$program "
}

# links CRATE FEATURE... : whether one of these features is chosen decides whether the crate is linked.
links() {
    local crate=$1 wanted=no linked=no feature
    shift
    for feature in "$@"; do
        [[ " $chosen " == *" $feature "* ]] && wanted=yes
    done
    grep -q "^$crate " <<<"$found" && linked=yes
    if [[ $wanted != "$linked" ]]; then
        echo "!!! features '$chosen': $crate is linked: $linked; asked for: $wanted" >&2
        exit 1
    fi
}

# The size of the program with a choice of features. The profile `bench` builds everything with full optimisation, as embedders do;
# `release` builds what this workspace's own program needs lightly.
size() {
    cargo build --quiet --locked --profile bench -p $program --no-default-features --features "$1"
    stat -c %s "$CARGO_TARGET_DIR/release/$program"
}

# added FEATURES: two cells of the table.
added() {
    found=$(crates "$1")
    printf ' %s kB | %s |' $((($(size "$1") - base + 500) / 1000)) "$(wc -l <<<"$found")"
}

for runtime in tokio smol; do
    for row in "${rows[@]}"; do
        chosen="$runtime $row"
        found=$(crates "$chosen")
        links rustls tls
        links ring tls
        links flate2 gzip
        links h2 opentelemetry
        links hyper prometheus influxdb opentelemetry-http opentelemetry
        links serde_json action-json
        links loaddensity-metrics-tokio tokio
        links loaddensity-metrics-smol smol
        # h2 has it too.
        links tokio-util tokio opentelemetry
        links async-io smol
    done
done
echo "$((2 * ${#rows[@]})) choices of features link what they ask for and nothing else"
[[ $only_check != --check ]] || exit 0

base=$(size '')
table=$(
    printf '| features | tokio | crates | smol | crates |\n|---|---:|---:|---:|---:|\n'
    core=$(added core)
    printf '| the core alone |%s%s\n' "$core" "$core"
    for row in "${rows[@]}"; do
        printf '| %s |%s%s\n' "${row:-a shell without exporters}" "$(added "tokio $row")" "$(added "smol $row")"
    done
    printf '\nThe program without any of it: %s kB. %s, %s, profile `bench` of the workspace (thin' \
        $(((base + 500) / 1000)) "$(rustc --version)" "$(rustc -vV | sed -n 's/^host: //p')"
    printf ' LTO), one codegen unit, symbols stripped.\n'
)
awk -v table="$table" '
    /^<!-- ci\/sizes.sh/ { print; print ""; print table; print ""; inside = 1 }
    /^<!-- end -->/ { inside = 0 }
    !inside { print }
' docs/SIZES.md >target/sizes/SIZES.md
mv target/sizes/SIZES.md docs/SIZES.md
echo "$table"
