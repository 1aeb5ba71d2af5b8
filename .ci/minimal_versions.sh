#!/usr/bin/env bash
# Compiles the libraries and tests the core with the lowest version of each direct dependency that the manifests allow.
# Uses a copy of the tracked files, so that Cargo.lock does not change.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR
# A fixed folder, because with a new folder each run would add artifacts to the target folder.
copy=$CARGO_TARGET_DIR/minimal-versions
rm -rf "$copy"
mkdir -p "$copy"
trap 'rm -rf "$copy"' EXIT
# `tar -m` sets the current time. With the original times, Cargo could miss a change that is older than its last build.
git ls-files -z | tar -cf - --null -T - | tar -xmf - -C "$copy"
# Without the command, examples and tests, because only the libraries promise lowest versions.
rm -r "$copy/crates/clerk-webhook-cli"
sed 's/^members = .*/members = ["crates\/*"]/' Cargo.toml >"$copy/Cargo.toml"
cd "$copy"

# Only the resolver needs a nightly feature. The other commands run without nightly features, as for users.
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
# One command for all packages, because Cargo would compile dependencies again for each selection of packages.
cargo check --quiet --locked --all-features --workspace
cargo test --quiet --locked --all-features --package clerk-webhook-core
