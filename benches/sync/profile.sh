#!/bin/sh
# Counts the instructions of applying an event to SQLite in memory, and with what is called in turn: of four events of each
# user, who is created, created again, changed and deleted. The hash is the portable one, see callgrind.sh.
#
# sync/profile.sh [users, 500 unless given] [functions to show, 30 unless given]
set -eu
cd "$(dirname "$0")/.."

users=${1:-500}
functions=${2:-30}
cargo build --quiet --locked --release -p clerk-webhook-bench-sync
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/clerk-webhook-bench-sync
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

valgrind --quiet --tool=callgrind --callgrind-out-file="$profile" "$program" --profile "$users"
# Both from the list of functions and from the calls beside the source, since the list ends too early.
callgrind_annotate --inclusive=yes --threshold=100 --auto=yes "$profile" 2>/dev/null |
    sed -n 's/^ *\([0-9,]*\) ([ 0-9.]*%)  \(=> \)\{0,1\}\([^: ]*:\)\(.*\)$/\1 \4/p' |
    sed 's/ \[[^]]*\]$//; s/ ([0-9,]*x)$//' |
    awk -v events="$((4 * users))" '
        { number = $1; gsub(/,/, "", number); sub(/^[^ ]+ /, "") }
        number + 0 > most[$0] { most[$0] = number + 0 }
        END { for (name in most) printf "%9d  %s\n", most[name] / events, name }
    ' | grep -E '(clerk_webhook_(core|sync)::|sqlx_|sqlite3_)' | sort -rn | head -n "$functions" | cut -c 1-150
