#!/usr/bin/env python3
"""Compares the verdicts of other libraries about the test vectors with the tables in the documentation.

Fails if

- vectors/vectors.json is out of date, or does not match vectors/schema.json, or
- a table in vectors/CONFORMANCE.md or in the guide is out of date.

`--update` writes the tables. Needs the libraries in tests/clients, and Cargo.
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parent.parent
VECTORS = ROOT / "vectors"
CLIENTS = ROOT / "tests/clients"
CONFORMANCE = VECTORS / "CONFORMANCE.md"
GUIDE = ROOT / "crates/clerk-webhook/src/guide/security.md"
MARKERS = ("<!-- conformance -->\n", "<!-- /conformance -->\n")
# The libraries have a fixed tolerance.
TOLERANCE = 300
# The scripts rename the headers for libraries that read one kind of names.
BOTH_NAMES = "svix-names"
READ_BOTH_NAMES = {("Node", "svix"), ("Python", "svix"), ("Rust", "svix")}
# How servers join the values of a repeated header. The crates read the first value.
JOINERS = {"Node": ", ", "Python": ","}

Library = tuple[str, str]


def versions() -> dict[Library, str]:
    """Returns the columns of the tables."""
    node = json.loads((CLIENTS / "package.json").read_text())["dependencies"]
    python = dict(re.findall(r"^(\S+)==(\S+)$", (CLIENTS / "requirements.txt").read_text(), re.MULTILINE))
    rust = dict(re.findall(r'name = "(\S+)"\nversion = "(\S+)"', (ROOT / "benches/Cargo.lock").read_text()))
    # Cargo.lock sorts the versions of a crate, and the vulnerable one is first.
    columns = {("Node", name): node[name] for name in ["svix", "standardwebhooks", "@clerk/backend"]}
    columns |= {("Python", name): python[name] for name in ["svix", "standardwebhooks"]}
    return columns | {("Rust", name): rust[name] for name in ["svix", "standardwebhooks"]}


def target() -> pathlib.Path:
    """Returns Cargo's target folder."""
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def run(command: list[str], *, folder: pathlib.Path = ROOT, lines: str = "") -> str:
    """Returns the output of a program."""
    environment = os.environ | {"CARGO_TARGET_DIR": str(target())}
    done = subprocess.run(command, cwd=folder, input=lines, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:3])} failed: {done.stdout}")
    return done.stdout


def lines(cases: list[dict], joiner: str) -> str:
    """Returns the deliveries for a script in tests/clients: one for each secret."""
    deliveries = []
    for case in cases:
        headers: dict[str, str] = {}
        for name, value in case["headers"]:
            # Servers ignore the case of names, and remove white space around values.
            name, value = name.lower(), value.strip(" \t")
            headers[name] = headers[name] + joiner + value if name in headers else value
        now = case["now"] * 1000 + case.get("now_milliseconds", 0)
        for secret in case["secrets"]:
            delivery = {"name": case["name"], "secret": secret, "now": now, "headers": headers}
            deliveries.append(json.dumps(delivery | {"body": case["body_base64"]}))
    return "\n".join(deliveries)


def accepted(cases: list[dict]) -> dict[Library, set[str]]:
    """Returns the names of the cases that each library accepts with one of the secrets."""
    verify = {"Node": ["node", "verify.mjs"], "Python": [str(CLIENTS / ".venv/bin/python"), "verify.py"]}
    outputs = {
        language: run([*command, "--verdicts"], folder=CLIENTS, lines=lines(cases, JOINERS[language]))
        for language, command in verify.items()
    }
    # The packages and the test of a step in .ci/run, so that the dependencies have the same features.
    packages = ["-p", "clerk-webhook-benches", "-p", "clerk-webhook-differential", "--test", "vectors"]
    run(["cargo", "build", "--quiet", "--locked", *packages, "--bin", "vectors"], folder=ROOT / "benches")
    outputs["Rust"] = run([str(target() / "debug/vectors")])
    return {
        (language, library): set(names)
        for language, output in outputs.items()
        for library, names in json.loads(output).items()
    }


def judges(library: Library, case: dict) -> bool:
    """Returns whether a library can judge a case."""
    is_of_names = case["rule"] == BOTH_NAMES
    return case["tolerance"] == TOLERANCE and (not is_of_names or library in READ_BOTH_NAMES)


def table(head: list[str], rows: list[list[str]], texts: int = 1) -> str:
    """Returns a table, whose first columns are texts."""
    alignments = ["---" if index < texts else ":-:" for index in range(len(head))]
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, alignments, *rows])


def conformance(file: dict, columns: dict[Library, str], verdicts: dict[Library, set[str]]) -> str:
    """Returns the file with every case that a library judges differently."""
    head = [f"{name} {version} ({language})" for (language, name), version in columns.items()]

    def rows(verdict: str) -> list[list[str]]:
        found = []
        for case in file["cases"]:
            if case["verdict"] != verdict:
                continue
            is_wrong = [
                judges(library, case) and (case["name"] in verdicts[library]) != (verdict == "accept")
                for library in columns
            ]
            if any(is_wrong):
                word = "rejects" if verdict == "accept" else "accepts"
                found.append([f"`{case['name']}`", f"`{case['rule']}`", *(word if wrong else "" for wrong in is_wrong)])
        return found

    rules = [
        [f"`{name}`", rule["basis"], str(sum(case["rule"] == name for case in file["cases"])), rule["text"]]
        for name, rule in file["rules"].items()
    ]
    paragraphs = [
        f"`python3 .ci/conformance.py --update` writes this file. It asks each library with the {len(file['cases'])} cases "
        f"of version {file['version']}. `clerk-webhook` gives the expected verdict for each case.",
        "An empty cell means the expected verdict, or that the library cannot judge the case: the libraries have a fixed "
        "tolerance, and only `svix` reads both kinds of header names. Repeated headers are joined as servers do it: with "
        "`, ` for Node, and with `,` for Python. The crates read the first value. A panic counts as a rejection.",
        "The basis of a rule is Standard Webhooks 1.0.0 (`specification`), RFC 9110 (`http`), or a choice that the "
        "specification leaves open (`recommended`).",
    ]
    origin, cells, bases = (textwrap.fill(paragraph, 120) + "\n\n" for paragraph in paragraphs)
    return (
        "# Verdicts of other libraries\n\n"
        + origin
        + cells
        + "## Accepted, but must be rejected\n\n"
        + table(["case", "rule", *head], rows("reject"), texts=2)
        + "\n## Rejected, but must be accepted\n\n"
        + table(["case", "rule", *head], rows("accept"), texts=2)
        + "\n## Rules\n\n"
        + bases
        + table(["rule", "basis", "cases", "text"], rules, texts=4)
    )


def summary(file: dict, columns: dict[Library, str], verdicts: dict[Library, set[str]]) -> str:
    """Returns the table of the guide: for each rule, the number of the cases that a library judges differently."""
    rows = []
    for rule, description in file["rules"].items():
        cells = []
        for library in columns:
            cases = [case for case in file["cases"] if case["rule"] == rule and judges(library, case)]
            accepts = [case for case in cases if case["verdict"] == "reject" and case["name"] in verdicts[library]]
            rejects = [case for case in cases if case["verdict"] == "accept" and case["name"] not in verdicts[library]]
            cell = [f"accepts {len(accepts)}"] * bool(accepts) + [f"rejects {len(rejects)}"] * bool(rejects)
            cells.append(", ".join(cell) if cases else "–")
        if any(cell not in {"", "–"} for cell in cells):
            count = sum(case["rule"] == rule for case in file["cases"])
            rows.append([f"`{rule}`, {count} cases", description["basis"], *cells])
    head = [f"{name} {version} ({language})" for (language, name), version in columns.items()]
    return "\n" + table(["rule", "basis", *head], rows, texts=2) + "\n"


def check_schema(file: dict) -> None:
    validate = """
        import Ajv from "ajv/dist/2020.js";
        import { readFileSync } from "node:fs";
        const read = (name) => JSON.parse(readFileSync(`../../vectors/${name}`, "utf8"));
        const ajv = new Ajv();
        if (!ajv.validate(read("schema.json"), read("vectors.json"))) throw new Error(ajv.errorsText());
    """
    run(["node", "--input-type=module", "--eval", validate], folder=CLIENTS)
    for case in file["cases"]:
        assert case["rule"] in file["rules"], case["name"]
        text = case.get("body_text")
        assert text is None or text.encode() == base64.b64decode(case["body_base64"]), case["name"]


def main() -> int:
    for installed in [CLIENTS / "node_modules", CLIENTS / ".venv"]:
        if not installed.exists():
            sys.exit(f"{installed.relative_to(ROOT)} is missing: install the libraries as CONTRIBUTING.md describes")
    is_update = "--update" in sys.argv
    print(run([sys.executable, str(VECTORS / "generate.py"), *([] if is_update else ["--check"])]).strip())
    file = json.loads((VECTORS / "vectors.json").read_text())
    check_schema(file)
    columns = versions()
    verdicts = accepted([case for case in file["cases"] if case["tolerance"] == TOLERANCE])
    guide = GUIDE.read_text()
    before, rest = guide.split(MARKERS[0])
    _, after = rest.split(MARKERS[1])
    expected = {
        CONFORMANCE: conformance(file, columns, verdicts),
        GUIDE: before + MARKERS[0] + summary(file, columns, verdicts) + MARKERS[1] + after,
    }
    stale = [path for path, text in expected.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if is_update:
            path.write_text(expected[path])
        else:
            print(f"{path.relative_to(ROOT)} is out of date: run python3 .ci/conformance.py --update")
    for library, version in columns.items():
        judged = [case for case in file["cases"] if judges(library, case)]
        wrong = sum((case["verdict"] == "accept") != (case["name"] in verdicts[library]) for case in judged)
        print(f"{library[1]} {version} ({library[0]}): {len(judged)} cases, {wrong} other verdicts")
    return 1 if stale and not is_update else 0


if __name__ == "__main__":
    sys.exit(main())
