"""Compares the tables of DEPENDENCIES.md and the comparison in README.md with the dependencies that Cargo resolves.

Fails if

- a direct dependency of a library has no row,
- a row or a figure is out of date,
- a crate of the workspace has a build script or is a procedural macro, or
- a dependency of a library compiles C code, except for the features that DEPENDENCIES.md names.

`--update` writes the rows and figures. It does not change the reasons, which are written by hand.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A fixed platform, so that the figures do not depend on the machine.
PLATFORM = "x86_64-unknown-linux-gnu"
PREFIX = "clerk-webhook-"
# The crate that users add. FEATURES contains the rows of its table: a set of features, and the crates of the framework.
FACADE = "clerk-webhook"
TOWER = ["tower-layer", "tower-service", "http", "http-body"]
FEATURES = {
    "": [],
    "axum": ["axum-core", *TOWER],
    "actix": ["actix-web"],
    "poem": ["poem"],
    "rocket": ["rocket"],
    "warp": ["warp"],
    "tower": TOWER,
    "memory": [],
    "sqlite": [],
    "postgres": [],
    "redis": [],
    "sqlite,queue": [],
    "postgres,queue": [],
    "nats": [],
    "sqlite,sync": [],
    "postgres,sync": [],
    "postgres,backend-api": [],
    "postgres,backend-api-client": [],
    "test": [],
}
# The engines of the store. The feature of an engine adds the client crate of that engine, and of no other engine.
STORE = "clerk-webhook-store"
ENGINES = {"memory": None, "sqlite": "sqlx-sqlite", "postgres": "sqlx-postgres", "redis": "redis"}
SYNC = "clerk-webhook-sync"
QUEUE = "clerk-webhook-queue"
# SQLite is written in C.
WITH_C = {"sqlite"}
# The command is not a library, so no code depends on it. Its TLS feature compiles C code.
COMMAND = "clerk-webhook-cli"
PEERS = ["svix", "standardwebhooks"]
C_COMPILERS = {"cc", "cmake"}


def cargo(*arguments, folder=ROOT):
    command = ["cargo", "--quiet", *arguments]
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


def metadata(*arguments, folder=ROOT):
    return json.loads(cargo("metadata", "--format-version=1", "--filter-platform", PLATFORM, *arguments, folder=folder))


def key(package):
    return package["name"], package["version"]


def tree(package, *arguments, edges="normal", folder=ROOT):
    """Returns the dependencies of a package: for each direct dependency, the set of this crate and all crates below it."""
    lines = cargo(
        "tree", "--package", package, "--edges", edges, "--target", PLATFORM, "--prefix=depth", "--no-dedupe",
        "--format= {p}", *arguments, folder=folder,
    )  # fmt: skip
    branches, direct = {}, None
    for depth, name, version in re.findall(r"^(\d+) (\S+) v(\S+)", lines, re.MULTILINE):
        if depth == "1":
            direct = (name, version)
        if direct:
            branches.setdefault(direct, set()).add((name, version))
    return branches


def enabled_features(package):
    """Returns the features of each crate below a package. Examples and tests can enable further features in the workspace."""
    lines = cargo(
        "tree", "--package", package, "--all-features", "--edges", "normal", "--target", PLATFORM, "--prefix=none",
        "--locked", "--format={p} [{f}]",
    )  # fmt: skip
    found = re.findall(r"^(\S+) v(\S+).* \[([^\]]*)\]", lines, re.MULTILINE)
    return {(name, version): features.split(",") for name, version, features in found}


def others(branches):
    return {crate for crate in set().union(*branches.values()) if not crate[0].startswith(FACADE)}


def c_compilers(package, *arguments, folder=ROOT):
    """Returns the crates that run a C compiler, among all crates that are compiled for a package."""
    to_build = others(tree(package, *arguments, edges="normal,build", folder=folder))
    return sorted(C_COMPILERS & {name for name, _ in to_build})


def only(feature):
    return "--locked", "--no-default-features", "--features", feature


def has_target(package, kind):
    return any(kind in target["kind"] for target in package["targets"])


def runs_at_build(package):
    return has_target(package, "custom-build") or has_target(package, "proc-macro")


def unsafe_code(package, features):
    """Returns `forbidden` if the root of a crate forbids `unsafe`, `yes` if its source contains `unsafe`, or `none`."""
    library = next(t for t in package["targets"] if {"lib", "proc-macro"} & set(t["kind"]))
    source = pathlib.Path(library["src_path"])
    root = source.read_text(encoding="utf-8")
    forbidden = re.search(r"^#!\[forbid\([^)]*\bunsafe_code\b", root, re.MULTILINE)
    without = re.findall(r'^#!\[cfg_attr\(not\(feature = "([^"]+)"\), forbid\(unsafe_code\)', root, re.MULTILINE)
    if forbidden or any(feature not in features for feature in without):
        return "forbidden"
    for file in source.parent.rglob("*.rs"):
        code = re.sub(r"//.*", "", file.read_text(encoding="utf-8"))
        if re.search(r"\bunsafe\s*(\{|\(|fn\b|impl\b|trait\b|extern\b)", code):
            return "yes"
    return "none"


def short(library):
    return library.removeprefix(PREFIX)


class Workspace:
    def __init__(self):
        resolved = metadata("--locked", "--all-features")
        members = set(resolved["workspace_members"])
        self.members = [package for package in resolved["packages"] if package["id"] in members]
        self.packages = {key(package): package for package in resolved["packages"]}
        # The core first, then the other libraries by name.
        libraries = [package for package in self.members if package["publish"] != []]
        self.libraries = sorted(libraries, key=lambda library: (short(library["name"]) != "core", library["name"]))
        self.features = {}
        for library in self.libraries:
            for crate, enabled in enabled_features(library["name"]).items():
                self.features.setdefault(crate, set()).update(enabled)

    def build_failures(self):
        for package in self.members:
            if runs_at_build(package):
                yield f"{package['name']} has a build script or is a procedural macro"
        for library in self.libraries:
            # The facade depends only on the other libraries.
            if library["name"] == FACADE:
                continue
            # The engines of the store are checked one by one below.
            features = ["--all-features"] if library["name"] != STORE else []
            if library["name"] == COMMAND:
                features = ["--no-default-features"]
            if library["name"] == QUEUE:
                features = ["--no-default-features"]
            if library["name"] == SYNC:
                features = ["--no-default-features", "--features", "postgres,backend-api"]
            if compilers := c_compilers(library["name"], "--locked", *features):
                yield f"{library['name']} compiles C code with {', '.join(compilers)}"
        for engine in ENGINES:
            brought = {name for name, _ in others(tree(STORE, *only(engine)))}
            for other in (set(ENGINES.values()) - {None, ENGINES[engine]}) & brought:
                yield f"{STORE} with the feature {engine} depends on {other}, the client of another engine"
            if engine not in WITH_C and (compilers := c_compilers(STORE, *only(engine))):
                yield f"{STORE} with the feature {engine} compiles C code with {', '.join(compilers)}"

    def rows(self):
        """Returns the cells for each direct dependency. The reason is `None`, because it is written by hand."""
        users = {}
        for library in self.libraries:
            branches = tree(library["name"], "--locked", "--all-features")
            features = library["features"].items()
            for dependency in library["dependencies"]:
                name = dependency["name"]
                if dependency["kind"] is not None or name.startswith(PREFIX):
                    continue
                crate = next(crate for crate in branches if crate[0] == name)
                rest = [below for direct, below in branches.items() if direct != crate]
                turned_on = [f"`{feature}`" for feature, on in features if f"dep:{name}" in on]
                users.setdefault(name, []).append({
                    "of": short(library["name"]) + (f" ({', '.join(turned_on)})" if turned_on else ""),
                    "requirement": dependency["req"].removeprefix("^"),
                    "crate": crate,
                    "brings": branches[crate] - {crate},
                    "adds": branches[crate].difference(*rest),
                })
        return {name: self.cells(name, uses) for name, uses in users.items()}

    def cells(self, name, uses):
        package = self.packages[uses[0]["crate"]]
        brings = max((use["brings"] for use in uses), key=len)
        requirements = sorted({use["requirement"] for use in uses})
        repository = package["repository"] or package["homepage"]
        owner = repository.removeprefix("https://github.com/").split("/")[0]
        itself = [word for kind, word in (("custom-build", "build script"), ("proc-macro", "macro"))
                  if has_target(package, kind)]  # fmt: skip
        below = sum(runs_at_build(self.packages[crate]) for crate in brings)
        return {
            "dependency": f"`{name}` {', '.join(requirements)}",
            "used by": ", ".join(use["of"] for use in uses),
            "reason": None,
            "maintained by": f"[{owner}]({repository})",
            "license": package["license"],
            "brings": str(len(brings)),
            "adds": str(max(len(use["adds"]) for use in uses)),
            "unsafe": unsafe_code(package, self.features[key(package)]),
            "at build": " + ".join([*itself, *([str(below)] if below else [])]) or "no",
        }

    def branches(self, features):
        """Returns the dependencies of the facade, by direct dependency of the libraries that it re-exports."""
        branches = {}
        for library in self.libraries:
            name = library["name"]
            if short(name) in features.split(",") or name == f"{PREFIX}core" or (features == "axum" and short(name) == "tower"):
                branches |= tree(name, "--locked")
        return branches

    def figures(self):
        """Returns the rows of the table by feature, and then the rows of the peers that the benchmarks measure."""
        for features, of_framework in FEATURES.items():
            arguments = "--locked", "--features", features
            title = ", ".join(f"`{feature}`" for feature in features.split(",")) if features else "none"
            without_framework = ""
            if of_framework:
                branches = self.branches(features)
                framework = set().union(*(below for direct, below in branches.items() if direct[0] in of_framework))
                without_framework = str(len(others(branches) - framework))
            yield figure_row(title, FACADE, self.packages, without_framework, *arguments)
        lock = tomllib.loads((ROOT / "benches/Cargo.lock").read_text(encoding="utf-8"))
        for name in PEERS:
            # The newest version. The differential tests also use an old version.
            versions = [package["version"] for package in lock["package"] if package["name"] == name]
            version = max(versions, key=lambda version: [int(part) for part in version.split(".")])
            # A new project with default features and the versions of the benchmarks. In the workspace of the benchmarks,
            # other packages would enable further features.
            with tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                (folder / "src").mkdir()
                (folder / "src/lib.rs").touch()
                manifest = f'[package]\nname = "peer"\nedition = "2024"\n[dependencies]\n{name} = "={version}"\n'
                (folder / "Cargo.toml").write_text(manifest, encoding="utf-8")
                shutil.copy(ROOT / "benches/Cargo.lock", folder)
                packages = {key(package): package for package in metadata(folder=folder)["packages"]}
                yield figure_row(f"{name} {version}", name, packages, "", folder=folder)


def figure_row(title, package, packages, without_framework, *arguments, folder=ROOT):
    every = others(tree(package, *arguments, folder=folder))
    in_program = others(tree(package, *arguments, edges="normal,no-proc-macro", folder=folder))
    scripts = sum(has_target(packages[crate], "custom-build") for crate in every)
    compiler = "yes" if c_compilers(package, *arguments, folder=folder) else "no"
    return f"| {title} | {len(every)} | {without_framework} | {len(in_program)} | {scripts} | {compiler} |"


def split_row(line):
    return [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def join_row(cells):
    return f"| {' | '.join(cells)} |"


def check_table(text, rows):
    """Returns the text with corrected rows, and the differences."""
    failures, lines, found = [], [], set()
    for line in text.splitlines():
        # The rows of the other tables have no version after the name.
        name = re.match(r"\| `([^`]+)` \d", line)
        if not name:
            lines.append(line)
            continue
        name = name[1]
        if name not in rows:
            failures.append(f"DEPENDENCIES.md: {name} is not a direct dependency of a library; remove its row")
            continue
        found.add(name)
        written = split_row(line)
        reason = written[2] if len(written) > 2 else ""
        expected = join_row(reason if cell is None else cell for cell in rows[name].values())
        if reason in ("", "…"):
            failures.append(f"DEPENDENCIES.md: the row of {name} has no reason; write it")
        if line != expected:
            failures.append(f"DEPENDENCIES.md: the row of {name} must be:\n{expected}")
        lines.append(expected)
    for name in sorted(rows.keys() - found):
        row = join_row("…" if cell is None else cell for cell in rows[name].values())
        failures.append(f"DEPENDENCIES.md: {name} has no row; add this row with the reason instead of `…`:\n{row}")
    return "\n".join(lines) + "\n", failures


def check_figures(text, rows):
    table = "".join(f"{row}\n" for row in rows)
    pattern = re.compile(r"(<!-- features -->\n\n\|.*\n\|[-:|]+\n)((?:\|.*\n)*)(\n<!-- /features -->)")
    found = pattern.search(text)
    if not found:
        return text, ["DEPENDENCIES.md has no table between `<!-- features -->` and `<!-- /features -->`"]
    failures = [] if found[2] == table else [f"DEPENDENCIES.md: the table by feature must be:\n{table}"]
    return pattern.sub(lambda match: match[1] + table + match[3], text), failures


def check_comparison(text, rows):
    """Compares two rows of the comparison in the README with the figures of svix and of the feature `axum`."""
    cells = {row[0].strip("`"): row for row in map(split_row, rows)}
    svix = next(row for title, row in cells.items() if title.startswith("svix "))
    ours, failures = cells["axum"], []
    expected = {
        "third-party crates": (svix[1], ours[1]),
        "compiles C code": (svix[5], ours[5]),
    }
    if f"| | {svix[0]} and your code |" not in text:
        failures.append(f"README.md: the comparison must be with {svix[0]}")
    for title, values in expected.items():
        row = join_row([title, *values])
        if f"{row}\n" not in text:
            failures.append(f"README.md: the comparison must have the row:\n{row}")
        text = re.sub(rf"^\| {title} \|.*$", row, text, flags=re.MULTILINE)
    return text, failures


def main():
    workspace = Workspace()
    rows = workspace.rows()
    failures = list(workspace.build_failures())
    figures = list(workspace.figures())
    checks = [
        ("DEPENDENCIES.md", check_table, rows),
        ("DEPENDENCIES.md", check_figures, figures),
        ("README.md", check_comparison, figures),
    ]
    for document, check, expected in checks:
        path = ROOT / document
        text = path.read_text(encoding="utf-8")
        updated, differences = check(text, expected)
        if "--update" in sys.argv[1:] and updated != text:
            path.write_text(updated, encoding="utf-8")
            updated, differences = check(updated, expected)
        failures += differences
    print(*figures, f"{len(rows)} direct dependencies", sep="\n")
    sys.exit("\n".join(failures) or 0)


if __name__ == "__main__":
    main()
