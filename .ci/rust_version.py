"""Reads `cargo metadata` and fails if a library depends on a crate with a newer rust-version than its own."""

import json
import sys


def version(text):
    parts = [int(part) for part in (text or "0").split(".")]
    return parts + [0] * (3 - len(parts))


# These dependencies may need a newer Rust than the library. The documentation of the library must state the version.
BEYOND = {
    "actix-web": "1.89",
    "async-nats": "1.89",
    "clerk-webhook-actix": "1.89",
    "clerk-webhook-rocket": "1.89",
    "clerk-webhook-sync": "1.94",
    "sqlx": "1.94",
}

metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
failures = []
for library in metadata["workspace_members"]:
    promised = packages[library]["rust_version"]
    if packages[library]["publish"] == []:
        continue
    # A crate below a crate of BEYOND is allowed the version of that crate. If it is also reached another way, both limits
    # are checked.
    seen, todo = set(), [(library, promised)]
    while todo:
        current, allowed = todo.pop()
        name = packages[current]["name"]
        allowed = max(allowed, BEYOND.get(name, "0"), key=version)
        if (current, allowed) in seen:
            continue
        seen.add((current, allowed))
        if version(packages[current]["rust_version"]) > version(allowed):
            needed = packages[current]["rust_version"]
            failures.append(f"{packages[library]['name']} promises Rust {allowed}, but {name} needs Rust {needed}")
        todo += [
            (dependency["pkg"], allowed)
            for dependency in nodes[current]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
    seen = {package for package, _ in seen}
    print(f"{packages[library]['name']}: checked {len(seen) - 1} dependencies against rust-version {promised}")
sys.exit("\n".join(failures) or 0)
