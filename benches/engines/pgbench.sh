#!/usr/bin/env bash
# Shows where a claim, a completion and a transaction with the mark spend their time in Postgres, without this project's
# code and without sqlx: pgbench runs the statements of the store, and variants of them, in turns.
#
#   eval "$(DURABLE=yes bash ../../.ci/servers.sh)" && ./pgbench.sh [seconds, 3 by default] [rounds, 5 by default]
#
# Prints the medians in transactions per second, and how many times longer each takes than the plain one: "insertion with
# autocommit" or "transaction with an insertion".
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-3} rounds=${2:-5}
: "${TEST_POSTGRES_URL:?is not set. Start the servers as described at the top of this script.}"
folder=$(mktemp -d)
trap 'psql --quiet "$TEST_POSTGRES_URL" --command "DROP TABLE IF EXISTS pgbench_work, pgbench_delivery, pgbench_lean" 2>/dev/null; rm -rf "$folder"' EXIT

migration=$(sed 's/clerk_webhook_delivery/pgbench_delivery/g' ../../crates/clerk-webhook-store/migrations/postgres/0001_deliveries.sql)
psql --quiet --set ON_ERROR_STOP=1 "$TEST_POSTGRES_URL" <<SQL
CREATE TABLE pgbench_work (message TEXT PRIMARY KEY, done_at BIGINT NOT NULL);
$migration
CREATE TABLE pgbench_lean (LIKE pgbench_delivery, PRIMARY KEY (scope, message_id));
SQL

id="'msg_' || lpad(to_hex(:n::bigint), 16, '0') || '00000000001'"
owner="'0123456789abcdef0123456789abcdef'::text::uuid"
columns="(scope, message_id, state, owner, attempt, lease_until, first_seen_at, updated_at)"
free="delivery.state = 2 OR (delivery.state = 0 AND delivery.lease_until <= clock_timestamp())"
patience="WITH patience AS MATERIALIZED (SELECT current_setting('lock_timeout') AS before, set_config('lock_timeout', '2s', true))"
work="INSERT INTO pgbench_work (message, done_at) VALUES ($id, 1763000000000);"

# Writes a row for a new delivery. Arguments: table, state, whether to set the lock timeout.
write() {
    local row="'clerk', $id, $2, $owner, 1, clock_timestamp() + interval '1 minute', clock_timestamp(), clock_timestamp()"
    if [ "$3" = timeout ]; then echo "$patience INSERT INTO $1 AS delivery $columns SELECT $row FROM patience"; else
        echo "INSERT INTO $1 AS delivery $columns VALUES ($row)"; fi
    echo "ON CONFLICT (scope, message_id) DO UPDATE SET state = $2, owner = excluded.owner, attempt = delivery.attempt + 1,"
    echo "lease_until = excluded.lease_until, updated_at = clock_timestamp() WHERE $free RETURNING attempt;"
}
complete() {
    echo "UPDATE $1 SET state = 1, updated_at = CASE state WHEN 1 THEN updated_at ELSE clock_timestamp() END"
    echo "WHERE scope = 'clerk' AND message_id = $id AND owner = $owner AND state IN (0, 1);"
}

# Writes a script with the standard input's statements.
script() { { printf '\\set n random(1, 9000000000000000000)\n'; cat; } >"$folder/$1.sql"; }
script '1a insertion with autocommit' <<<"$work"
script '1b two insertions with autocommit' <<<"$work ${work//:n::bigint/:n::bigint + 1}"
{ write pgbench_delivery 0 timeout; complete pgbench_delivery; } | script '1c claim, completion'
{ write pgbench_lean 0 none; complete pgbench_lean; } | script '1d claim, completion, without second index and lock_timeout'
script '2a transaction with an insertion' <<<"BEGIN; $work COMMIT;"
{ echo 'BEGIN;'; write pgbench_delivery 1 timeout; echo "$work COMMIT;"; } | script '2b transaction with mark and insertion'
{ echo 'BEGIN;'; write pgbench_lean 1 none; echo "$work COMMIT;"; } |
    script '2c transaction with mark and insertion, without second index and lock_timeout'

for clients in 1 16; do
    for ((round = 0; round < rounds; round++)); do
        for script in "$folder"/*.sql; do
            pgbench --no-vacuum --protocol prepared --client "$clients" --jobs 2 --time "$seconds" --file "$script" \
                "$TEST_POSTGRES_URL" 2>"$folder/log" | sed -n 's/^tps = \([0-9.]*\).*/\1/p' >>"$script.$clients" ||
                { cat "$folder/log" >&2; exit 1; }
        done
    done
    printf '| %s | per second | × |\n|---|--:|--:|\n' "$clients client$([ "$clients" = 1 ] || echo s)"
    for script in "$folder"/*.sql; do
        name=$(basename "$script" .sql)
        median=$(sort -g "$script.$clients" | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }')
        case $name in ?a*) first=$median ;; esac
        awk -v name="${name:3}" -v median="$median" -v first="$first" \
            'BEGIN { printf "| %s | %.0f | %.2f |\n", name, median, first / median }'
    done
    echo
done
