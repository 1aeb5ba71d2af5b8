#!/usr/bin/env bash
# Builds all targets, writes the seeds, and runs the targets: fuzz/run.sh [seconds per target, 20 by default] [target…]
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-20}
shift $(($# > 0))
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(secret headers frames event layer)
logs=artifacts/logs
mkdir -p "$logs"

# The sanitizer and coverage counters are unstable features, which this variable enables in the stable compiler.
export RUSTC_BOOTSTRAP=1
cargo fetch --quiet --locked
cargo fuzz build --codegen-units 16
built=$(cargo metadata --format-version 1 --no-deps --offline | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
built=$built/$(rustc -vV | sed -n 's/^host: //p')/release
"$built/seeds"

# AddressSanitizer keeps freed memory to detect later use. The default of 256 MB would dominate a target's memory.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=16}
fuzz() {
    local dictionary=()
    [ ! -f "corpus/$1.dict" ] || dictionary=("-dict=corpus/$1.dict")
    exec "$built/$1" "corpus/$1" "${dictionary[@]}" "-artifact_prefix=artifacts/$1-" "-max_total_time=$seconds" \
        -max_len=8192 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 >"$logs/$1.log" 2>&1
}

# Runs as many targets at a time as there are processors.
trap 'kill $(jobs -pr) 2>/dev/null || true' EXIT
declare -A found_by=()
running=()
wait_for_first() {
    wait "${running[0]%:*}" || found_by[${running[0]#*:}]=1
    running=("${running[@]:1}")
}
for target in "${targets[@]}"; do
    [ ${#running[@]} -lt "$(nproc)" ] || wait_for_first
    fuzz "$target" &
    running+=("$!:$target")
done
while [ ${#running[@]} -gt 0 ]; do wait_for_first; done

# Example of a line of libFuzzer: #25 INITED cov: 982 ft: 2696 corp: 24/2170b …
printf '%-8s %10s  %14s  %14s  %6s  %6s\n' target executions 'cov, ft: first' 'last' corpus 'MB rss'
for target in "${targets[@]}"; do
    LC_ALL=C awk -v target="$target" '
        $3 == "cov:" && $2 == "INITED" { first = $4 ", " $6 }
        $3 == "cov:" { last = $4 ", " $6; split($8, corpus, "/") }
        $1 == "stat::number_of_executed_units:" { executions = $2 }
        $1 == "stat::peak_rss_mb:" { memory = $2 }
        END { printf "%-8s %10s  %14s  %14s  %6s  %6s\n", target, executions, first, last, corpus[1], memory }
    ' "$logs/$target.log"
done

for target in "${!found_by[@]}"; do
    printf '\n%s failed; see fuzz/%s/%s.log\n' "$target" "$logs" "$target"
    grep -a -A 3 'panicked at\|ERROR: \|Test unit written' "$logs/$target.log" | cut -c 1-2000
done
[ ${#found_by[@]} -eq 0 ]
