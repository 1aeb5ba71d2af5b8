#!/bin/sh
# Counts instructions per call: the difference between runs of n and of 2n calls, so that program startup is not
# counted. Valgrind does not support SHA extensions, so sha2 uses its portable code here and takes a larger share than
# on a real machine. Compare with the row for raw SHA-256.
#
# ./callgrind.sh [calls, 1000 by default]
set -eu
cd "$(dirname "$0")"

calls=${1:-1000}
cargo build --quiet --release --bin count
count=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/count

# Prints how many instructions a complete run takes.
collect() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$count" "$1" "$2" "$3" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

show() {
    once=$(collect "$1" "$2" "$calls")
    twice=$(collect "$1" "$2" $((2 * calls)))
    printf '%-36s %-42s %8d\n' "$1" "$2" $(((twice - once) / calls))
}

show 'verify 2 KB' 'raw SHA-256 (sha2)'
show 'verify 2 KB' 'clerk-webhook'
show 'verify 2 KB' 'svix 2.9'
show 'reject: stale timestamp' 'clerk-webhook'
show 'reject: stale timestamp' 'svix 2.9'
whole='whole path, user.created of 1.9 KB'
show "$whole" 'bare handler, reads Bytes'
show "$whole" 'Tower layer, data untouched'
show "$whole" 'Tower layer, typed data'
show "$whole" 'Axum extractor, typed data'
show "$whole" 'axum + svix + serde_json'
