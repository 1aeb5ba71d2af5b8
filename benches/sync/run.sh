#!/bin/sh
# Runs the sync benchmarks and replaces their tables in the README.
#
# sync/run.sh [speed] [scale] [memory] [parts] [maximum of users or events]   all four sections by default
set -eu
cd "$(dirname "$0")/.."

cargo build --quiet --locked --release -p clerk-webhook-bench-sync
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/clerk-webhook-bench-sync
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sections=
most=
for argument in "$@"; do
    case $argument in
        [0-9]*) most=$argument ;;
        *) sections="$sections $argument" ;;
    esac
done
for section in ${sections:-speed scale memory parts}; do
    grep -qxF "<!-- sync $section -->" README.md || { echo "unknown section $section: README.md has no mark for it" >&2; exit 2; }
    printf '%s, `%s`.\n\n' "$(date -u +%F)" "$section${most:+ $most}" >"$work/tables"
    "$program" "$section" ${most:+"$most"} >>"$work/tables"
    awk -v marker="<!-- sync $section -->" -v tables="$work/tables" '
        $0 == marker { print; print ""; while ((getline line < tables) > 0) print line; is_old = 1 }
        $0 == "<!-- end -->" { is_old = 0 }
        !is_old
    ' README.md >"$work/README.md"
    cat "$work/README.md" >README.md
    cat "$work/tables"
done
