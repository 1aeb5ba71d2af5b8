#!/usr/bin/env bash
# Runs two instances of this example on one Postgres, kills one or the other while they are sent every event several
# times, and counts: every event has exactly one effect, or what is wrong, and an exit code that says so.
#
#   DATABASE_URL=postgres://user@host/database examples/postgres-once/two-instances.sh [--events 500] [--kills 4]
#
# Without DATABASE_URL it starts the Postgres of compose.yaml. The rows of a run stay in the table welcome_mails.
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

cargo build --quiet -p example-postgres-once -p clerk-webhook-tests-once --bin example-postgres-once --bin two-instances
target=${CARGO_TARGET_DIR:-target}/debug
exec "$target/two-instances" "$@" "$target/example-postgres-once"
