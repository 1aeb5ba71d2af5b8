#!/usr/bin/env bash
# Runs two instances of this example on one Postgres, sends them a history in which everything comes twice and out of order,
# kills one or the other meanwhile, and compares the tables with what is true in the end: they are the same, or what is
# wrong, and an exit code that says so.
#
#   DATABASE_URL=postgres://user@host/database examples/sync-server/two-instances.sh [--events 10000] [--kills 2] [--seed 7]
#
# It creates a database of its own there, and removes it unless something is wrong. Without DATABASE_URL it starts the
# Postgres of compose.yaml.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ -z "${DATABASE_URL:-}" ]; then
    if ! docker compose version >/dev/null 2>&1; then
        echo "set DATABASE_URL=postgres://… to a Postgres of yours, or install Docker for that of compose.yaml" >&2
        exit 2
    fi
    docker compose up --detach postgres
    # It is up only when it listens to others, not yet when it makes its first database.
    until docker compose exec -T postgres pg_isready --quiet --host 127.0.0.1; do sleep 0.5; done
    DATABASE_URL=postgres://postgres@127.0.0.1:54320/postgres
fi
export DATABASE_URL

cargo build --quiet -p sync-server -p clerk-webhook-cli --features clerk-webhook-cli/sync \
    --bin sync-server --bin clerk-webhook --example instances
target=${CARGO_TARGET_DIR:-target}/debug
exec "$target/examples/instances" "$@" "$target/clerk-webhook" "$target/sync-server"
