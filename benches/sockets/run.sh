#!/usr/bin/env bash
# Measures deliveries per second over a loopback socket. `run.sh --help` shows the usage.
set -Eeuo pipefail
trap 'echo "run.sh: line $LINENO failed" >&2' ERR
cd "$(dirname "$0")"

usage() {
    cat <<'TEXT'
run.sh [seconds, 2 by default] [rounds, 5 by default]

Serves each contestant on one core, sends deliveries with wrk from another core over 32 connections, and prints
medians over the rounds. In each round the contestants take turns of the given number of seconds. The run fails if
a response has an unexpected status.

The environment variables SERVER_CORE and LOAD_CORE choose the cores, 0 and 1 by default.
The contestants in Node take part after `npm ci --prefix benches/sockets/node`.
TEXT
}

fail() {
    # A server may log the same error for every delivery.
    [[ ! -e ${scratch:-}/log ]] || head -n 10 "$scratch/log" >&2
    echo "run.sh: $*" >&2
    exit 1
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    usage
    exit
fi
seconds=${1:-2}
rounds=${2:-5}
if [[ ! $seconds =~ ^[1-9][0-9]*$ || ! $rounds =~ ^[1-9][0-9]*$ || $# -gt 2 ]]; then
    usage >&2
    exit 2
fi
server_core=${SERVER_CORE:-0}
load_core=${LOAD_CORE:-1}

require() { command -v "$1" >/dev/null || fail "$1 is missing. Install it; on Debian: apt-get install $2"; }
require wrk wrk
require taskset util-linux
require cargo cargo
[[ -r /proc/self/stat ]] || fail "/proc is missing: this benchmark needs Linux"
for core in "$server_core" "$load_core"; do
    taskset --cpu-list "$core" true || fail "core $core does not exist. Choose other cores with SERVER_CORE and LOAD_CORE."
done

# The contestants: names that `serve --list` prints, and the programs for Node.
bare='bare handler, reads Bytes'
unverified='bare + serde_json tagged enum, unverified'
svix='axum + svix + serde_json'
untouched='Tower layer, data untouched'
typed='Tower layer, typed data'
extractor='Axum extractor, typed data'
express_svix='node: express + svix'
express_clerk='node: @clerk/express'

node=("$express_svix" "$express_clerk")
if ! command -v node >/dev/null || [[ ! -d node/node_modules ]]; then
    echo "Node does not take part. Install node and run \`npm ci --prefix benches/sockets/node\`." >&2
    node=()
fi
everybody=("$bare" "$untouched" "$extractor" "$typed" "$unverified" "$svix" "${node[@]}")
refusing=("$bare" "$untouched" "$extractor" "$svix" "${node[@]}")
counting=("$bare" "$untouched" "$svix")

# The measurements of a round: delivery, contestant, expected status.
cells=()
plan() {
    local delivery=$1 verdict=$2 contestant
    shift 2
    for contestant; do
        case $contestant in
        "$bare" | "$unverified") cells+=("$delivery|$contestant|200") ;;
        *) cells+=("$delivery|$contestant|$verdict") ;;
        esac
    done
}
plan valid 200 "${everybody[@]}"
plan valid-large 200 "${everybody[@]}"
plan forged 400 "${refusing[@]}"
plan forged-unsigned 400 "${refusing[@]}"
plan forged-stale 400 "${refusing[@]}"
plan 256-signatures 200 "${counting[@]}"
plan 1000-signatures 400 "$bare" "$untouched"
# The svix crate accepts any number of signatures, and the last one matches.
plan 1000-signatures 200 "$svix"

cargo build --quiet --release --manifest-path ../Cargo.toml --bin serve --bin delivery
programs=$(cargo metadata --manifest-path ../Cargo.toml --format-version 1 --no-deps |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release

scratch=$(mktemp -d)
declare -A process url
stop() {
    kill "${process[@]}" 2>/dev/null || true
    rm -rf "$scratch"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Starts a contestant and waits until it prints its URL. Arguments: contestant, command.
start() {
    local contestant=$1 output line
    shift
    exec {output}< <(exec taskset --cpu-list "$server_core" "$@" 2>>"$scratch/log")
    process[$contestant]=$!
    read -r -t 20 line <&"$output" || fail "'$contestant' has not started"
    [[ $line == 'listening on http://'* ]] || fail "'$contestant' did not print its URL, but: $line"
    url[$contestant]=${line#listening on }
}

CLERK_WEBHOOK_SIGNING_SECRET=$("$programs/delivery" --secret)
export CLERK_WEBHOOK_SIGNING_SECRET NODE_ENV=production
unset PORT
for contestant in "${everybody[@]}"; do
    case $contestant in
    "$express_svix") start "$contestant" node node/express-svix.mjs ;;
    "$express_clerk") start "$contestant" node node/clerk-express.mjs ;;
    *) start "$contestant" "$programs/serve" "$contestant" ;;
    esac
done

# Prints the CPU time of a process, in ticks.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# Waits until a server sleeps and uses no CPU time, because wrk exits before all requests are answered.
settle() {
    local before='' now
    until now=$(awk '{ print $3, $14 + $15 }' "/proc/$1/stat"); [[ $now == S* && $now == "$before" ]]; do
        before=$now
        sleep 0.1
    done
}

# Measures once. Prints delivery, contestant, responses per second, and the share of its core that the server used.
measure() {
    local delivery=$1 contestant=$2 status=$3 duration=$4 server=${process[$2]} before used answers microseconds
    # Signs again for each measurement, because a signature expires after five minutes.
    "$programs/delivery" "$delivery" >"$scratch/delivery"
    before=$(ticks "$server")
    taskset --cpu-list "$load_core" wrk --threads 1 --connections 32 --duration "${duration}s" --timeout 30s \
        --script deliver.lua "${url[$contestant]}" -- "$scratch/delivery" "$status" >"$scratch/answers" ||
        fail "'$contestant' did not answer '$delivery' with status $status"
    used=$(($(ticks "$server") - before))
    settle "$server"
    read -r answers microseconds < <(tail -n 1 "$scratch/answers")
    awk -v OFS='\t' -v delivery="$delivery" -v contestant="$contestant" -v answers="$answers" \
        -v seconds="${microseconds}e-6" -v used="$used" -v frequency="$(getconf CLK_TCK)" \
        'BEGIN { print delivery, contestant, answers / seconds, used / frequency / seconds }'
}

for ((round = 0; round <= rounds; round++)); do
    for cell in "${cells[@]}"; do
        IFS='|' read -r delivery contestant status <<<"$cell"
        if ((round == 0)); then
            # Warm-up, which is not counted.
            measure "$delivery" "$contestant" "$status" 1 >/dev/null
        else
            measure "$delivery" "$contestant" "$status" "$seconds" >>"$scratch/results"
        fi
    done
    ((round == 0)) || echo "round $round of $rounds" >&2
done

# Prints the median of a column in the results. Arguments: column, delivery, contestant.
median() {
    awk -F '\t' -v column="$1" -v delivery="$2" -v contestant="$3" \
        '$1 == delivery && $2 == contestant { print $column }' "$scratch/results" | sort -g |
        awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}
rate() { median 3 "$@"; }
quotient() { awk -v left="$1" -v right="$2" 'BEGIN { printf "%.2f", left / right }'; }
with_commas() { printf '%.0f' "$1" | sed ':next; s/\B[0-9]\{3\}\>/,&/; t next'; }

# Prints a table. Arguments: title, the contestant to divide by, its name in the table, the name of the array of
# contestants, and <delivery>=<title of the column> for each column.
table() {
    local head="| $1 |" rule='|---|' reference=$2 divided=" ÷ $3 |" contestant column row own
    local -n contestants=$4
    shift 4
    for column; do
        head+=" ${column#*=} |$divided"
        rule+='--:|--:|'
    done
    printf '\n%s\n%s\n' "$head" "$rule"
    for contestant in "${contestants[@]}"; do
        row="| $contestant |"
        for column; do
            own=$(rate "${column%%=*}" "$contestant")
            row+=" $(with_commas "$own") | $(quotient "$own" "$(rate "${column%%=*}" "$reference")") |"
        done
        echo "$row"
    done
    echo
}

# Prints a goal and whether it is reached. Arguments: name, dividend, divisor, relation, bound.
goal() {
    awk -v what="$1" -v left="$2" -v right="$3" -v relation="$4" -v bound="$5" 'BEGIN {
        ratio = left / right
        reached = relation == ">=" ? ratio >= bound : ratio <= bound
        printf "  %s %s: %.2f, goal %s %s\n", reached ? "ok    " : "MISSED", what, ratio, relation, bound
    }'
}

# Prints a goal for the throughput of a contestant. Arguments: delivery, contestant, reference, minimum ratio.
at_least() { goal "$1: $2 ÷ $3" "$(rate "$1" "$2")" "$(rate "$1" "$3")" '>=' "$4"; }

versions=$(rustc --version | cut -d ' ' -f 1-2)${node:+, node $(node --version)}
echo "$rounds rounds of $seconds s, $(date --utc +%F), $versions"

table 'valid, deliveries per second' "$svix" 'svix path' everybody 'valid=1.9 KB' 'valid-large=256 KB'
# Prints a goal for the time per delivery: the time of the svix path divided by the time of a contestant. The time of the
# bare handler is subtracted from both, because the server takes it for every contestant. Arguments: contestant, minimum
# ratio.
beyond() { awk -v own="$(rate valid "$1")" -v bare="$(rate valid "$bare")" 'BEGIN { print 1 / own - 1 / bare }'; }
cheaper() { goal "valid, beyond the bare handler: $svix ÷ $1" "$(beyond "$svix")" "$(beyond "$1")" '>=' "$2"; }
cheaper "$untouched" 5
cheaper "$extractor" 3
cheaper "$typed" 2.5

table 'forged, 1.9 KB, deliveries per second' "$bare" 'bare handler' refusing \
    'forged=wrong signature' 'forged-unsigned=no signature headers' 'forged-stale=an hour old'
for contestant in "$untouched" "$extractor"; do
    # The verifier must hash the body, which takes an eighth of the time of such a request.
    at_least forged "$contestant" "$bare" 0.80
    at_least forged-unsigned "$contestant" "$bare" 0.95
    at_least forged-stale "$contestant" "$bare" 0.95
done

table 'signatures in the header, 1.9 KB, deliveries per second' "$bare" 'bare handler' counting \
    'valid=1' '256-signatures=256, the last matches' '1000-signatures=1,000'
for_bare=$(quotient "$(rate valid "$bare")" "$(rate 1000-signatures "$bare")")
goal "cost of 1,000 signatures ÷ cost of 1: $untouched (bare handler: $for_bare)" \
    "$(rate valid "$untouched")" "$(rate 1000-signatures "$untouched")" '<=' 2

# A server that did not use its complete core was not the bottleneck.
idle=$(for cell in "${cells[@]}"; do
    IFS='|' read -r delivery contestant _ <<<"$cell"
    printf '%.2f %s: %s\n' "$(median 4 "$delivery" "$contestant")" "$delivery" "$contestant"
done | awk '$1 < 0.9 { print "  " $0 }')
if [[ -n $idle ]]; then
    printf '\nServers that used less than 0.9 of their core. Their results are limited by wrk or by other programs:\n%s\n' "$idle"
fi
