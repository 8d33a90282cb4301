#!/usr/bin/env bash
# Takes away each order that lanes rest on, one at a time, and sees a model fail. Some minutes.
#
# The orders are named in core/src/counts/orderings.rs; the models are in core/src/models/lanes.rs.
set -euo pipefail
cd "$(dirname "$0")/.."

orders=$(sed -n 's/.*\(unless_removed\|is_removed\)("\([a-z_]*\)".*/\2/p' core/src/counts/orderings.rs)
if [[ $(wc -w <<<"$orders") -lt 6 ]]; then
    echo "orderings.sh: found no six orders in core/src/counts/orderings.rs" >&2
    exit 1
fi

models() {
    RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" WITHOUT_ORDER="$1" \
        cargo test --quiet -p loaddensity-metrics-core --lib --release models::lanes
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! models none >"$log" 2>&1; then
    cat "$log" >&2
    echo "orderings.sh: the models fail with all orders in place" >&2
    exit 1
fi
echo "with all orders: the models pass"
for order in $orders; do
    if models "$order" >"$log" 2>&1; then
        echo "orderings.sh: no model notices that $order is gone" >&2
        exit 1
    fi
    # A model that does not compile proves nothing.
    if ! grep -q "panicked at core/src/models/lanes.rs" "$log"; then
        cat "$log" >&2
        echo "orderings.sh: the models did not run without $order" >&2
        exit 1
    fi
    echo "without $order: $(sed -n 's/^test models::lanes::\(.*\) \.\.\. FAILED$/\1/p; s/^    models::lanes::\(.*\)$/\1/p' "$log" | sort -u | paste -sd ' ')"
done
