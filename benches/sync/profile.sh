#!/bin/sh
# Counts the instructions per event of applying events to SQLite in memory, by function and including called functions.
# Applies four events per user: created, created again, updated and deleted. sha2 uses its portable code here; see
# callgrind.sh.
#
# sync/profile.sh [users, 500 by default] [number of functions, 30 by default]
set -eu
cd "$(dirname "$0")/.."

users=${1:-500}
functions=${2:-30}
cargo build --quiet --locked --release -p clerk-webhook-bench-sync
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/clerk-webhook-bench-sync
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

valgrind --quiet --tool=callgrind --callgrind-out-file="$profile" "$program" --profile "$users"
# Combines the list of functions with the calls in the annotated source, because the list is incomplete.
callgrind_annotate --inclusive=yes --threshold=100 --auto=yes "$profile" 2>/dev/null |
    sed -n 's/^ *\([0-9,]*\) ([ 0-9.]*%)  \(=> \)\{0,1\}\([^: ]*:\)\(.*\)$/\1 \4/p' |
    sed 's/ \[[^]]*\]$//; s/ ([0-9,]*x)$//' |
    awk -v events="$((4 * users))" '
        { number = $1; gsub(/,/, "", number); sub(/^[^ ]+ /, "") }
        number + 0 > most[$0] { most[$0] = number + 0 }
        END { for (name in most) printf "%9d  %s\n", most[name] / events, name }
    ' | grep -E '(clerk_webhook_(core|sync)::|sqlx_|sqlite3_)' | sort -rn | head -n "$functions" | cut -c 1-150
