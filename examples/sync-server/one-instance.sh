#!/usr/bin/env bash
# Does the same as `two-instances.sh`, but with a single instance and a new SQLite file. Kills and restarts the
# instance.
#
#   examples/sync-server/one-instance.sh [--events 10000] [--kills 2] [--seed 7]
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --quiet -p sync-server -p clerk-webhook-cli \
    --bin sync-server --bin clerk-webhook --example instances
target=${CARGO_TARGET_DIR:-target}/debug
exec env --unset=DATABASE_URL "$target/examples/instances" "$@" "$target/clerk-webhook" "$target/sync-server"
