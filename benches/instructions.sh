#!/usr/bin/env bash
# Instructions per operation of ours, counted by callgrind: the loop over the trace included, kernel excluded.
#
#   benches/instructions.sh           counts, prints the table and writes it to benches/instructions.tsv
#   benches/instructions.sh --check   counts and compares with the committed table
#
# The C library picks its memcpy by the processor, so that another machine may count some per cent more or less.
# --check fails where an operation takes more than 10 % more than the table says, which is wide enough for an update of
# the compiler, and where the table lacks an operation. Exits with 2 where it cannot compare: without valgrind, or on
# another target than the table's. A minute.
set -euo pipefail
cd "$(dirname "$0")/.."

table=benches/instructions.tsv
tolerance=10

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

cargo build --quiet --release -p loaddensity-metrics-benches --bin instructions
binary=${CARGO_TARGET_DIR:-target}/release/instructions
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Operation and instructions, separated by a tab, one a line.
count() {
    "$binary" --list | while IFS= read -r operation; do
        units=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no \
            --toggle-collect='*instructions_region*' "$binary" "$operation" 2>"$work/log" </dev/null) || {
            cat "$work/log" >&2
            echo "instructions.sh: $operation failed under valgrind" >&2
            exit 1
        }
        collected=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/log")
        if [[ -z $collected || $collected == 0 ]]; then
            echo "instructions.sh: callgrind did not find the region of $operation; is the binary stripped?" >&2
            exit 1
        fi
        awk -v name="$operation" -v all="$collected" -v units="$units" \
            'BEGIN { printf "%s\t%.1f\n", name, all / units }'
    done
}
count >"$work/counted"

if [[ ! $check ]]; then
    {
        echo "# Instructions per operation; written by benches/instructions.sh, which says how they are counted."
        echo "# compiler: $compiler"
        echo "# target: $target"
        cat "$work/counted"
    } >"$table"
    column -t -s $'\t' "$work/counted"
    echo "written to $table"
    exit
fi

awk -F '\t' -v tolerance="$tolerance" '
    /^#/ { next }
    NR == FNR { before[$1] = $2; next }
    {
        seen[$1] = 1
        if (!($1 in before)) {
            printf "%-45s %8s -> %8.1f  NOT IN THE TABLE\n", $1, "", $2
            bad = 1
            next
        }
        change = 100 * ($2 / before[$1] - 1)
        verdict = ""
        if (change > tolerance) { verdict = "  MORE THAN " tolerance " %"; bad = 1 }
        if (change < -tolerance) verdict = "  better: commit a new table, so that it stays"
        printf "%-45s %8.1f -> %8.1f  %+6.1f %%%s\n", $1, before[$1], $2, change, verdict
    }
    END {
        for (name in before) if (!(name in seen)) { printf "%-45s is in the table, but is counted no more\n", name; bad = 1 }
        exit bad
    }
' "$table" "$work/counted" || {
    echo "instructions.sh: not what $table says. If that is the price of something wanted, run benches/instructions.sh" >&2
    echo "without --check, commit the table, and say in the message what was bought." >&2
    exit 1
}
