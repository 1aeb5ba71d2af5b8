#!/usr/bin/env bash
# Checks that the property tests of the sync and the simulation detect broken rules.
#
# The script applies one patch at a time to a copy of the working tree. With a patch of
# crates/clerk-webhook-sync/tests/mutations/, the property tests or the tests of imports must fail. With a patch of
# tests/simulation/mutations/, the exploration of states or interleavings, or the simulation of 10,000 seeds must fail.
# Arguments select patches by name, without the extension. The default is all patches.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
sync=crates/clerk-webhook-sync/tests/mutations
simulation=tests/simulation/mutations
copy=$root/target/mutations/tree
patches=()
for name in "${@:-*}"; do
    found=$(compgen -G "$sync/$name.patch" || true; compgen -G "$simulation/$name.patch" || true)
    [ -n "$found" ] || { echo "no patch has the name $name"; exit 2; }
    mapfile -t -O "${#patches[@]}" patches <<< "$found"
done

rm -rf "$copy"
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar -c --null -T - | tar -x -C "$copy"
cd "$copy"
# Cargo cannot distinguish the copied packages from the original ones, so the copy needs another target folder.
export CARGO_TARGET_DIR=$root/target/mutations/target
# Each patch changes a few functions.
export CARGO_INCREMENTAL=1
test_sync=(cargo test --quiet --locked -p clerk-webhook-sync --all-features --lib --test sync)
filters=(properties::histories properties::import::one_quiet_comparison_ends backend_api import::sqlite)
simulate() {
    cargo test --quiet --locked -p clerk-webhook-tests-simulation --test states --test queue_states --test threads \
        --test interleavings &&
        cargo run --quiet --locked -p clerk-webhook-tests-simulation -- --seeds 10000
}

survivors=()
for patch in "${patches[@]}"; do
    name=$(basename "$patch" .patch) log=$copy/$(basename "$patch").log
    patch --quiet --strip=1 < "$patch"
    # Stops if the patched code does not compile, because then the tests would fail for another reason.
    case $patch in
        "$sync"/*)
            "${test_sync[@]}" --no-run
            run=("${test_sync[@]}" --no-fail-fast -- "${filters[@]}")
            ;;
        *)
            cargo build --quiet --locked -p clerk-webhook-tests-simulation --bins --tests
            run=(simulate)
            ;;
    esac
    if "${run[@]}" > "$log" 2>&1; then
        echo "$name: no test fails; add a test that detects this patch"
        survivors+=("$name")
    else
        grep -A 1 '^seed [0-9]* failed' "$log" | sed "s/^seed/$name: seed/" ||
            echo "$name: $(grep -o "^thread '[a-z_:]*'" "$log" | sort -u | tr '\n' ' ')"
        grep -m 1 -o '"\?SEED=[0-9]*, [0-9]* events: [a-z ]*' "$log" || true
    fi
    patch --quiet --strip=1 --reverse < "$patch"
done
[ ${#survivors[@]} -eq 0 ]
