#!/usr/bin/env bash
# Compares the public API of each library, with all features, with its listing in `api/`. `--update` writes the listings.
# The listings need cargo-public-api 0.52 and Rust 1.95: other versions format some lines differently.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Only rustdoc may use nightly features. If Cargo had the variable, build scripts would choose other code than for users, and
# their dependents would be compiled again here and in the next step.
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' >"$scratch/rustdoc"
chmod +x "$scratch/rustdoc"
libraries=()
for crate in crates/*; do
    # The command has no API.
    [ ! -f "$crate/src/lib.rs" ] || libraries+=("$crate")
done
RUSTDOC=$scratch/rustdoc RUSTDOCFLAGS="-Z unstable-options --output-format json" \
    cargo doc --quiet --locked --no-deps --lib --all-features "${libraries[@]/#crates\//--package=}"

# Leaves out lines that follow from others: the methods of an `impl` of a trait, the auto traits that nearly every type has (a
# lost one shows as `impl !Send`), and internals of the compiler and of macros.
without_the_obvious() {
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

mkdir "$scratch/api"
for library in "${libraries[@]#crates/}"; do
    json=${CARGO_TARGET_DIR:-target}/doc/${library//-/_}.json
    cargo public-api --rustdoc-json "$json" --omit blanket-impls | without_the_obvious >"$scratch/api/$library.txt"
done

if [ "${1-}" = --update ]; then
    rm -rf api
    cp -r "$scratch/api" api
elif ! diff --recursive --new-file --unified=0 api "$scratch/api"; then
    echo "The public API is not the one in api/. If that is meant, run .ci/public_api.sh --update;"
    echo "a line that is removed or changed, or a new \`impl !\`, is a breaking change, see CONTRIBUTING.md."
    exit 1
fi
