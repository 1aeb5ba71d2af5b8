#!/usr/bin/env bash
# Compares the public API of each library, with all features, with its listing in `api/`. `--update` writes the listings.
# Fails if the documentation of a library or the command has a warning, such as a broken link.
# Requires Rust 1.95, because other versions format some lines differently.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Sets RUSTC_BOOTSTRAP only for rustdoc. In Cargo's environment it would change the results of build scripts, and Cargo
# would compile their dependents again here and in the next step.
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' >"$scratch/rustdoc"
chmod +x "$scratch/rustdoc"
libraries=()
for crate in crates/*; do
    [ ! -f "$crate/src/lib.rs" ] || libraries+=("$crate")
done
# Both commands select the same packages, so that Cargo checks their dependencies once. Without JSON for the command,
# because its program has the same name as the facade.
packages=("${libraries[@]/#crates\//--package=}" --package=clerk-webhook-cli)
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --all-features "${packages[@]}" --bins
RUSTDOC=$scratch/rustdoc RUSTDOCFLAGS="-D warnings -Z unstable-options --output-format json" \
    cargo doc --quiet --locked --no-deps --all-features "${packages[@]}" --lib

# Removes redundant lines: the methods of trait implementations, the auto traits that nearly every type has (a lost one
# is listed as `impl !Send`), and internals of the compiler and of macros.
without_redundant_lines() {
    awk '
        /^impl.* for / {
            in_trait = 1
            if (/^impl core::(marker::(Send|Sync|Unpin)|panic::unwind_safe::(RefUnwindSafe|UnwindSafe)) for /) next
            if (/core::marker::(Freeze|StructuralPartialEq|UnsafeUnpin) for |::__private::/) next
            print
            next
        }
        in_trait && /^pub (async |const )*fn [^(]*::[A-Z][^(]*::[a-z_]+[(<]/ { next }
        { in_trait = in_trait && /^pub (const|type) /; print }
    '
}

# Built once, because each `cargo run` would check its dependencies again.
cargo build --quiet --locked --manifest-path .ci/public-api/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/public-api"
list=${CARGO_TARGET_DIR:-target}/public-api/debug/public-api-of

mkdir "$scratch/api"
for library in "${libraries[@]#crates/}"; do
    json=${CARGO_TARGET_DIR:-target}/doc/${library//-/_}.json
    "$list" "$json" | without_redundant_lines >"$scratch/api/$library.txt"
done

if [ "${1-}" = --update ]; then
    rm -rf api
    cp -r "$scratch/api" api
elif ! diff --recursive --new-file --unified=0 api "$scratch/api"; then
    echo "The public API differs from the listings in api/. If you intended the change, run .ci/public_api.sh --update."
    echo "A removed or changed line, or a new \`impl !\`, is a breaking change. See CONTRIBUTING.md."
    exit 1
fi
