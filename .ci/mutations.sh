#!/usr/bin/env bash
# Breaks one rule of the sync at a time and checks that the properties notice.
#
# Each patch in crates/clerk-webhook-sync/tests/mutations/ is applied to a copy of the working tree, in which the properties
# have to fail. Arguments select patches by their names without the extension; without arguments all of them are tried.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
patches=$root/crates/clerk-webhook-sync/tests/mutations
copy=$root/target/mutations
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$patches"/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

rm -rf "$copy/tree"
mkdir -p "$copy/tree"
git ls-files -z --cached --others --exclude-standard | xargs -0 sh -c 'ls -d "$@" 2>/dev/null' sh | tar -c -T - | tar -x -C "$copy/tree"
cd "$copy/tree"
export CARGO_TARGET_DIR=$copy/target

# Prints what `cargo test` does, without running the tests.
build() {
    cargo test --quiet --locked -p clerk-webhook-sync --lib --no-run
}

survivors=()
for name in "${names[@]}"; do
    patch --quiet --strip=1 < "$patches/$name.patch"
    # A patch that does not compile proves nothing.
    build
    if cargo test --quiet --locked -p clerk-webhook-sync --lib -- properties:: > "$copy/$name.log" 2>&1; then
        echo "$name: no property fails" >&2
        survivors+=("$name")
    else
        echo "$name: $(grep -c ' FAILED$\|^test .* \.\.\. FAILED' "$copy/$name.log" || true) properties fail, such as:" \
            "$(grep -m 1 -o "thread 'properties::[a-z_0-9:]*'" "$copy/$name.log" || echo "see $copy/$name.log")"
    fi
    patch --quiet --strip=1 --reverse < "$patches/$name.patch"
done
[ ${#survivors[@]} -eq 0 ]
