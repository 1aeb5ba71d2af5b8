#!/usr/bin/env bash
# Runs two instances of this example with one Postgres server and sends them a history, out of order and each event
# twice. Kills and restarts instances while it sends. Then compares the tables with the objects at the end of the history,
# prints the differences, and exits with 0 if there are none.
#
#   DATABASE_URL=postgres://user@host/database \
#       examples/sync-server/two-instances.sh [--events 10000] [--kills 2] [--seed 7]
#
# Creates a new database on that server, and removes it if the tables are correct. Without DATABASE_URL,
# starts the Postgres server from compose.yaml.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${DATABASE_URL:-}" ]; then
    if ! docker compose version >/dev/null 2>&1; then
        echo "DATABASE_URL is not set. Set it to postgres://…, or install Docker to start the Postgres server from compose.yaml." >&2
        exit 2
    fi
    docker compose up --detach postgres
    # The check uses TCP: while Postgres creates its first database, it listens only on a Unix socket.
    until docker compose exec -T postgres pg_isready --quiet --host 127.0.0.1; do sleep 0.5; done
    DATABASE_URL=postgres://postgres@127.0.0.1:54320/postgres
fi
export DATABASE_URL

cargo build --quiet -p sync-server -p clerk-webhook-cli \
    --bin sync-server --bin clerk-webhook --example instances
target=${CARGO_TARGET_DIR:-target}/debug
exec "$target/examples/instances" "$@" "$target/clerk-webhook" "$target/sync-server"
