#!/bin/sh
# Measures the sync again, and puts the tables into the README in place of those that are there.
#
# sync/run.sh [speed] [scale] [memory] [parts] [most users, or events]   all four unless some are named
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
    grep -qxF "<!-- sync $section -->" README.md || { echo "$section is not in the README" >&2; exit 2; }
    printf 'On %s, by `%s`.\n\n' "$(date -u +%F)" "$section${most:+ $most}" >"$work/tables"
    "$program" "$section" ${most:+"$most"} >>"$work/tables"
    awk -v marker="<!-- sync $section -->" -v tables="$work/tables" '
        $0 == marker { print; print ""; while ((getline line < tables) > 0) print line; is_old = 1 }
        $0 == "<!-- end -->" { is_old = 0 }
        !is_old
    ' README.md >"$work/README.md"
    cat "$work/README.md" >README.md
    cat "$work/tables"
done
