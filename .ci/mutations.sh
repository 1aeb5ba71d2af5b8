#!/usr/bin/env bash
# Checks that the property tests of the sync detect broken rules.
#
# The script applies one patch of crates/clerk-webhook-sync/tests/mutations/ at a time to a copy of the working tree. The
# property tests or the tests of imports must then fail. Arguments select patches by name, without the extension. The default is all patches.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
patches=$root/crates/clerk-webhook-sync/tests/mutations
copy=$root/target/mutations/tree
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$patches"/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar -c --null -T - | tar -x -C "$copy"
cd "$copy"
# Cargo cannot distinguish the copied packages from the original ones, so the copy needs another target folder.
export CARGO_TARGET_DIR=$root/target/mutations/target
test=(cargo test --quiet --locked -p clerk-webhook-sync --all-features --lib --test sync)
filters=(properties::histories properties::import::one_quiet_comparison_ends backend_api import::sqlite)

survivors=()
for name in "${names[@]}"; do
    patch --quiet --strip=1 < "$patches/$name.patch"
    # Stops if the patched code does not compile, because then the tests would fail for another reason.
    "${test[@]}" --no-run
    if "${test[@]}" --no-fail-fast -- "${filters[@]}" > "$copy/$name.log" 2>&1; then
        echo "$name: no test fails; add a test that detects this patch"
        survivors+=("$name")
    else
        echo "$name: $(grep -o "^thread '[a-z_]*::[a-z_:]*'" "$copy/$name.log" | sort -u | tr '\n' ' ')"
        grep -m 1 -o '"\?SEED=[0-9]*, [0-9]* events: [a-z ]*' "$copy/$name.log"  || true
    fi
    patch --quiet --strip=1 --reverse < "$patches/$name.patch"
done
[ ${#survivors[@]} -eq 0 ]
