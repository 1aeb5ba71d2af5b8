#!/usr/bin/env bash
# Compiles each crate from its archive, as `cargo publish` would upload it: the command without features, and the libraries
# with the lowest version of each direct dependency that the manifests allow. Tests the core with these versions.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR
crates=()
for crate in crates/*; do crates+=("${crate#crates/}"); done

# A fixed folder, because with a new folder each run would add artifacts to the target folder.
copy=$CARGO_TARGET_DIR/archives
rm -rf "$copy" "$CARGO_TARGET_DIR/package"
mkdir -p "$copy"
trap 'rm -rf "$copy"' EXIT
# `cargo package` would compile each crate alone, and its dependencies again for each set of features.
cargo package --quiet --locked --allow-dirty --no-verify "${crates[@]/#/--package=}" 2>&1 |
    { grep -v -e '^warning: manifest has no documentation, homepage or repository$' -e '^  |$' -e '^  = note: see http' || true; }
{
    printf '[workspace]\nresolver = "3"\nmembers = ["*"]\n\n[patch.crates-io]\n'
    for crate in "${crates[@]}"; do printf '%s = { path = "%s" }\n' "$crate" "$crate"; done
} >"$copy/Cargo.toml"
for crate in "${crates[@]}"; do
    mkdir "$copy/$crate"
    # `tar -m` sets the current time. With the original times, Cargo could miss a change that is older than its last build.
    tar -xzmf "$CARGO_TARGET_DIR/package/$crate"-[0-9]*.crate -C "$copy/$crate" --strip-components=1
    for file in README.md LICENSE-MIT LICENSE-APACHE; do
        [ -s "$copy/$crate/$file" ] || { echo "the archive of $crate does not contain $file"; exit 1; }
    done
done
cp Cargo.lock "$copy"
cd "$copy"

# Not `--locked`, because the lock file also contains the examples and tests. The versions stay the same.
# The step "clippy and tests" uses the same wrapper.
CLIPPY_ARGS=-Dwarnings cargo build --quiet --config "build.rustc-workspace-wrapper='clippy-driver'" \
    -p clerk-webhook-cli --no-default-features
# Without a feature, the command says how to add it.
says() {
    local hint=$1
    shift
    ("$CARGO_TARGET_DIR/debug/clerk-webhook" "$@" 2>&1 || true) | grep -e "$hint"
}
says '--features queue' queue list
says 'without the sync feature' backfill
says '--features serve' serve

# Without the command, because only the libraries promise lowest versions.
rm -r clerk-webhook-cli
sed -i '/^clerk-webhook-cli = /d' Cargo.toml
# Only the resolver needs a nightly feature. The other commands run without nightly features, as for users.
RUSTC_BOOTSTRAP=1 cargo update --quiet -Z direct-minimal-versions
# One command for all packages, because Cargo would compile dependencies again for each selection of packages.
cargo check --quiet --locked --all-features --workspace
cargo test --quiet --locked --all-features --package clerk-webhook-core
