#!/bin/sh
# Shows the instructions per call of one contestant by function, including called functions. sha2 uses its portable code
# here; see callgrind.sh.
#
# ./profile.sh '<group>' '<contestant>' [number of functions, 30 by default]
set -eu
cd "$(dirname "$0")"

group=$1
contestant=$2
functions=${3:-30}
calls=2000
cargo build --quiet --release --bin count
count=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/count
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT

valgrind --quiet --tool=callgrind --callgrind-out-file="$profile" "$count" "$group" "$contestant" "$calls"
# Combines the list of functions with the calls in the annotated source, because the list is incomplete.
callgrind_annotate --inclusive=yes --threshold=100 --auto=yes "$profile" 2>/dev/null |
    sed -n 's/^ *\([0-9,]*\) ([ 0-9.]*%)  \(=> \)\{0,1\}\([^: ]*:\)\(.*\)$/\1 \4/p' |
    sed 's/ \[[^]]*\]$//; s/ ([0-9,]*x)$//' |
    awk -v calls="$calls" '
        { number = $1; gsub(/,/, "", number); sub(/^[^ ]+ /, "") }
        number + 0 > most[$0] { most[$0] = number + 0 }
        END { for (name in most) printf "%9d  %s\n", most[name] / calls, name }
    ' | sort -rn | head -n "$functions" | cut -c 1-150
