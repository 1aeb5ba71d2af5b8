#!/usr/bin/env bash
# The libraries compile, and the core passes its tests, with the lowest version that they allow of each direct dependency.
# It works on a copy of the tracked files, so that the lock file stays as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR
# Always the same place, or the target folder would get artifacts of its own for each run.
copy=$CARGO_TARGET_DIR/minimal-versions
rm -rf "$copy"
mkdir -p "$copy"
trap 'rm -rf "$copy"' EXIT
# Touched, or Cargo would take a file that changed before the last run for one that it has compiled.
git ls-files -z | tar -cf - --null -T - | tar -xmf - -C "$copy"
# What examples and tests allow is no promise to anybody.
sed 's/^members = .*/members = ["crates\/*"]/' Cargo.toml >"$copy/Cargo.toml"
cd "$copy"

# Only the resolver needs what nightly has; everything is compiled as users do.
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
# One command for all: Cargo would compile the dependencies again for the features of each selection of packages.
cargo check --quiet --locked --all-features --workspace
cargo test --quiet --locked --all-features --package clerk-webhook-core
