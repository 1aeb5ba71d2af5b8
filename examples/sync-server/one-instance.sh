#!/usr/bin/env bash
# The same as `two-instances.sh` on a file of SQLite, which is a new one: one instance, killed and started again.
#
#   examples/sync-server/one-instance.sh [--events 10000] [--kills 2] [--seed 7]
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --quiet -p sync-server -p clerk-webhook-cli --features clerk-webhook-cli/sync \
    --bin sync-server --bin clerk-webhook --example instances
target=${CARGO_TARGET_DIR:-target}/debug
exec env --unset=DATABASE_URL "$target/examples/instances" "$@" "$target/clerk-webhook" "$target/sync-server"
