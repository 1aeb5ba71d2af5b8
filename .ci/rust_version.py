"""Reads `cargo metadata` and fails where a library depends on a crate with a newer rust-version than its own."""

import json
import sys


def version(text):
    parts = [int(part) for part in (text or "0").split(".")]
    return parts + [0] * (3 - len(parts))


metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
failures = []
for library in metadata["workspace_members"]:
    promised = packages[library]["rust_version"]
    if packages[library]["publish"] == []:
        continue
    seen, todo = set(), [library]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        if version(packages[current]["rust_version"]) > version(promised):
            name = packages[current]["name"]
            failures.append(f"{packages[library]['name']} promises {promised}, {name} needs {packages[current]['rust_version']}")
        todo += [
            dependency["pkg"]
            for dependency in nodes[current]["deps"]
            if any(kind["kind"] is None for kind in dependency["dep_kinds"])
        ]
    print(f"{packages[library]['name']}: {len(seen) - 1} dependencies, none above rust-version {promised}")
sys.exit("\n".join(failures) or 0)
