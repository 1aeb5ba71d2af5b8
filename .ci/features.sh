#!/usr/bin/env bash
# Checks each feature of a library alone, and none. The step `clippy` of `.ci/run` enables all features together.
set -euo pipefail
cd "$(dirname "$0")/.."

check() { cargo clippy --quiet --locked --no-default-features "$@" -- -D warnings; }

# Usage: each_feature <package> [excluded feature…]
each_feature() {
    local feature features
    features=$(cargo metadata --locked --format-version 1 --no-deps | python3 -c '
import json, sys
package, *excluded = sys.argv[1:]
features = next(p["features"] for p in json.load(sys.stdin)["packages"] if p["name"] == package)
unknown = set(excluded) - set(features)
if unknown:
    sys.exit(f"{package} has no feature {unknown}")
print(*sorted(set(features) - set(excluded)))' "$@" default)
    check --package "$1"
    for feature in $features; do
        check --package "$1" --features "$feature"
    done
}

each_feature clerk-webhook-core
# The features of the facade enable each engine alone. Its other features only enable features of the core. The projects of
# `tests/tests/blank_projects.rs` compile each framework alone.
# `sync` and the features that need it do not compile without an engine.
each_feature clerk-webhook actix axum poem rocket warp sync backend-api backend-api-client chrono jiff time metrics tracing
each_feature clerk-webhook-queue metrics tracing conformance
each_feature clerk-webhook-test actix warp
# One engine without the other, and the server without TLS. `.ci/packages.sh` builds the command without features.
check --package clerk-webhook-sync --features postgres
check --package clerk-webhook-sync --features postgres,backend-api
check --package clerk-webhook-cli --features serve
