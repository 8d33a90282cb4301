#!/usr/bin/env bash
# Instructions and cache misses per operation of ours, counted by callgrind: the loop over the trace included, kernel
# excluded.
#
#   benches/instructions.sh           counts, prints the table and writes it to benches/instructions.tsv
#   benches/instructions.sh --check   counts and compares with the committed table
#
# The caches are callgrind's model of two levels, of the sizes below whatever the machine has. It knows no prefetching,
# and the traces of requests, which are read once, miss in it too: about half a line a request.
#
# The C library picks its memcpy by the processor, so that another machine may count some per cent more or less.
# --check fails where an operation takes more than the tolerances below over what the table says, and where the table
# lacks an operation. Exits with 2 where it cannot compare: without valgrind, or on another target than the table's.
# Two minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

table=benches/instructions.tsv
# In per cent. Of instructions it is wide enough for an update of the compiler.
tolerance=10
# Misses are few, and some fall on another set where memory lies elsewhere: so much more in per cent, and at least so many.
miss_tolerance=20
least_misses=0.1
# First and second level: bytes, ways, bytes of a line.
first_level=32768,8,64
second_level=1048576,16,64

check=
case "$*" in
'') ;;
--check) check=1 ;;
*)
    echo "usage: benches/instructions.sh [--check]" >&2
    exit 2
    ;;
esac
if ! command -v valgrind >/dev/null; then
    echo "instructions.sh: valgrind is not installed, nothing was counted (Debian, Ubuntu: apt-get install valgrind)" >&2
    exit 2
fi
compiler=$(rustc --version)
target=$(rustc -vV | sed -n 's/^host: //p')
if [[ $check ]]; then
    if [[ ! -f $table ]]; then
        echo "instructions.sh: there is no $table to compare with; run benches/instructions.sh without --check" >&2
        exit 1
    fi
    made_with=$(sed -n 's/^# compiler: //p' "$table")
    made_on=$(sed -n 's/^# target: //p' "$table")
    if [[ $made_on != "$target" ]]; then
        echo "instructions.sh: $table is for $made_on, this is $target: the numbers cannot be compared" >&2
        exit 2
    fi
    if [[ $made_with != "$compiler" ]]; then
        echo "note: $table was made with $made_with, this is $compiler"
    fi
fi

cargo build --quiet --profile bench -p loaddensity-metrics-benches --bin instructions
binary=${CARGO_TARGET_DIR:-target}/release/instructions
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Operation, instructions, misses of the first level and of the second, separated by tabs, an operation a line.
count() {
    "$binary" --list | while IFS= read -r operation; do
        units=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
            --toggle-collect='*instructions_region*' --cache-sim=yes --I1=$first_level --D1=$first_level \
            --LL=$second_level "$binary" "$operation" 2>"$work/log" </dev/null) || {
            cat "$work/log" >&2
            echo "instructions.sh: $operation failed under valgrind" >&2
            exit 1
        }
        # The names of what was counted, and the numbers; zeros at the end are left out.
        if ! awk -v name="$operation" -v units="$units" '
            / Events *: / { for (i = 4; i <= NF; i++) at[$i] = i }
            / Collected : / {
                split($0, count)
                if (at["Ir"] && count[at["Ir"]] > 0) {
                    first = count[at["D1mr"]] + count[at["D1mw"]]
                    second = count[at["DLmr"]] + count[at["DLmw"]]
                    printf "%s\t%.1f\t%.2f\t%.2f\n", name, count[at["Ir"]] / units, first / units, second / units
                    counted = 1
                }
            }
            END { exit !counted }
        ' "$work/log"; then
            echo "instructions.sh: callgrind did not find the region of $operation; is the binary stripped?" >&2
            exit 1
        fi
    done
}
count >"$work/counted"

if [[ ! $check ]]; then
    {
        echo "# Operation, instructions, misses of data in the first and in the second level of caches; written by"
        echo "# benches/instructions.sh, which says how they are counted."
        echo "# compiler: $compiler"
        echo "# target: $target"
        cat "$work/counted"
    } >"$table"
    { printf 'operation\tinstructions\tfirst\tsecond\n' && cat "$work/counted"; } | column -t -s $'\t'
    echo "written to $table"
    exit
fi

awk -F '\t' -v tolerance="$tolerance" -v miss_tolerance="$miss_tolerance" -v least_misses="$least_misses" '
    function compared(what, is, was, percent, least) {
        if (is > was * (1 + percent / 100) && is - was >= least) { bad = 1; return "  MORE " what }
        if (is < was * (1 - percent / 100) && was - is >= least) return "  fewer " what ": commit a new table, so that it stays"
        return ""
    }
    BEGIN { printf "%-58s %21s  %13s  %13s\n", "", "instructions", "first level", "second level" }
    /^#/ { next }
    NR == FNR { before[$1] = 1; for (i = 2; i <= 4; i++) was[$1, i] = $i; next }
    {
        seen[$1] = 1
        if (!($1 in before)) { printf "%-58s NOT IN THE TABLE\n", $1; bad = 1; next }
        verdict = compared("instructions", $2, was[$1, 2], tolerance, 0)
        verdict = verdict compared("misses of the first level", $3, was[$1, 3], miss_tolerance, least_misses)
        verdict = verdict compared("misses of the second level", $4, was[$1, 4], miss_tolerance, least_misses)
        printf "%-58s %8.1f -> %8.1f  %5.2f -> %5.2f  %5.2f -> %5.2f%s\n", \
            $1, was[$1, 2], $2, was[$1, 3], $3, was[$1, 4], $4, verdict
    }
    END {
        for (name in before) if (!(name in seen)) { printf "%-58s is in the table, but is counted no more\n", name; bad = 1 }
        exit bad
    }
' "$table" "$work/counted" || {
    echo "instructions.sh: not what $table says. If that is the price of something wanted, run benches/instructions.sh" >&2
    echo "without --check, commit the table, and say in the message what was bought." >&2
    exit 1
}
