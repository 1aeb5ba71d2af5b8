#!/usr/bin/env bash
# Compiles the libraries, and tests the core, with the lowest version of each direct dependency that they allow.
# Works on a copy of the tracked files, so that the lock file does not change.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR
# A fixed folder: otherwise each run would add its artifacts to the target folder.
copy=$CARGO_TARGET_DIR/minimal-versions
rm -rf "$copy"
mkdir -p "$copy"
trap 'rm -rf "$copy"' EXIT
# Updates the times: otherwise Cargo would skip a file that changed before the last run.
git ls-files -z | tar -cf - --null -T - | tar -xmf - -C "$copy"
# The versions that examples and tests allow are no promise to users.
sed 's/^members = .*/members = ["crates\/*"]/' Cargo.toml >"$copy/Cargo.toml"
cd "$copy"

# Only the resolver needs a nightly feature. Cargo compiles everything as users do.
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
# One command for all: Cargo would compile the dependencies again for the features of each selection of packages.
cargo check --quiet --locked --all-features --workspace
cargo test --quiet --locked --all-features --package clerk-webhook-core
