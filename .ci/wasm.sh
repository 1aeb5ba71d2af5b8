#!/usr/bin/env bash
# Runs the core in Node.js on wasm32-unknown-unknown, where every call of a clock of the standard library panics.
set -euo pipefail
cd "$(dirname "$0")/.."

target=wasm32-unknown-unknown
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    if [ -z "${CI-}" ]; then
        echo "skipped: the standard library for $target is missing. Install it with: rustup target add $target"
        exit
    fi
    rustup target add $target
fi
cargo build --quiet --locked --target $target -p clerk-webhook-core --features metrics --example without_clock
node --eval '
    const module = new WebAssembly.Module(require("fs").readFileSync(process.argv[1]));
    const imports = WebAssembly.Module.imports(module);
    if (imports.length) throw Error(`needs functions of the host: ${JSON.stringify(imports)}`);
    process.exitCode = new WebAssembly.Instance(module, {}).exports.main(0, 0);
' "${CARGO_TARGET_DIR:-target}/$target/debug/examples/without_clock.wasm"
