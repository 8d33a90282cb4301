#!/usr/bin/env bash
# Counts what may panic in the core, file by file, and compares it with ci/panics/counts.tsv, where no number may grow:
# an index or a slice that the compiler does not check (clippy's `indexing_slicing`, `string_slice`), and calls that panic
# where an argument is wrong (`copy_from_slice`, `split_at` …: ci/panics/clippy.toml). Seconds.
#
#   ci/panics.sh           compares; fails where a file has more, says where it has fewer
#   ci/panics.sh --lower   writes the smaller numbers into the list, never a larger one
#
# It counts places in the source, whether the compiler can prove them right or not: most are constants within arrays of known
# length. Where it can, core/tests/no_panic.rs has a proof instead. Arithmetic is not counted: in a release it wraps, and
# `arithmetic_side_effects` finds 500 additions of small numbers. Neither are `unwrap`, `expect` and `panic!`, which do not
# compile (core/src/lib.rs).
set -euo pipefail
cd "$(dirname "$0")/.."

list=ci/panics/counts.tsv
case "$*" in
'' | --lower) ;;
*)
    echo "usage: ci/panics.sh [--lower]" >&2
    exit 2
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Its own target folder: other lints would have everything checked again, here and at the next clippy.
CLIPPY_CONF_DIR=ci/panics CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/panics" \
    cargo clippy --quiet --locked -p loaddensity-metrics-core --lib --all-features --message-format short -- \
    --cap-lints warn -A clippy::all \
    -W clippy::indexing_slicing -W clippy::string_slice -W clippy::disallowed_methods 2>"$work/found" || {
    cat "$work/found" >&2
    exit 1
}
sed -n 's|^\(core/src/[^:]*\):[0-9]*:[0-9]*: warning.*|\1|p' "$work/found" | LC_ALL=C sort | uniq -c |
    awk '{ printf "%d\t%s\n", $1, $2 }' >"$work/counted"
if [[ ! -s $work/counted ]]; then
    cat "$work/found" >&2
    echo "panics.sh: clippy found nothing at all, which cannot be" >&2
    exit 1
fi

compare='
    /^#/ { next }
    NR == FNR { was[$2] = $1; next }
    { is[$2] = $1; all += $1 }
    END {
        for (file in is) if (is[file] > was[file] + 0) { printf "MORE in %s: %d, not %d\n", file, is[file], was[file]; bad = 1 }
        for (file in was) if (is[file] + 0 < was[file]) { printf "fewer in %s: %d, not %d\n", file, is[file], was[file]; fewer = 1 }
        if (fewer && !lower) print "run ci/panics.sh --lower and commit the list, so that it stays so"
        printf "%d places in the core may panic\n", all
        exit bad
    }
'
if ! awk -F '\t' -v lower="${1:+1}" "$compare" "$list" "$work/counted"; then
    grep -Ff <(awk -F '\t' 'NR == FNR { was[$2] = $1; next } $1 > was[$2] + 0 { print $2 ":" }' "$list" "$work/counted") \
        "$work/found" >&2
    echo "panics.sh: a file has more places that may panic than $list says: take get, split_at_checked or an iterator. Where" >&2
    echo "that is no better, raise its number by hand and say in the commit why it cannot panic." >&2
    exit 1
fi
if [[ $* == --lower ]]; then
    { grep '^#' "$list" && cat "$work/counted"; } >"$work/list"
    cp "$work/list" "$list"
fi
