#!/usr/bin/env python3
"""Finds cyclic dependencies between the files of a crate, and exits with 1 if any exist.

    python3 .ci/circles.py [FOLDER…]        The default folders are crates and benches.

A file depends on another file if one of its paths (`use crate::a::B`, `super::c`, `crate::a::B::new()`) names an item that
the other file defines. The script follows re-exports to the file that defines the item, so a `mod.rs` that only declares
and re-exports its children is in no cycle. It ignores comments, strings and `#[cfg(test)]` modules.
"""

import re
import sys
from pathlib import Path

TOKEN = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*)
  | (?P<comment>/\*)
  | (?P<raw>(?:b|c)?r(?P<hashes>\#*)")
  | (?P<string>(?:b|c)?"(?:[^"\\]|\\.)*")
  | (?P<char>b?'(?:[^'\\\n]|\\[^\n][^'\n]*)')
  | (?P<lifetime>'\w+)
  | (?P<name>(?:r\#)?[A-Za-z_]\w*)
  | (?P<number>\d[\w.]*)
  | (?P<symbol>::|=>|.)
    """,
    re.VERBOSE | re.DOTALL,
)
DEFINES = {"struct", "enum", "union", "trait", "fn", "type", "const", "static"}
OPEN, CLOSE = set("([{"), set(")]}")


def tokens_of(text):
    """Returns the names and symbols of a file, without comments and literals."""
    tokens, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        at = match.end()
        if match["comment"]:
            depth = 1
            while depth and at < len(text):
                step = re.compile(r"/\*|\*/").search(text, at)
                if not step:
                    return tokens
                depth += 1 if step[0] == "/*" else -1
                at = step.end()
        elif match["raw"]:
            at = text.index('"' + match["hashes"], at) + 1 + len(match["hashes"])
        elif match["name"] or match["symbol"]:
            tokens.append(match[0].removeprefix("r#"))
        elif match["string"] or match["number"] or match["char"]:
            tokens.append("0")
    return tokens


def end_of_group(tokens, at):
    """Returns the index after the group that begins at `at`."""
    depth = 0
    for place in range(at, len(tokens)):
        depth += (tokens[place] in OPEN) - (tokens[place] in CLOSE)
        if depth == 0:
            return place + 1
    return len(tokens)


def end_of_item(tokens, at):
    """Returns the index after the item that begins at `at`: after its semicolon or its braces."""
    while at < len(tokens) and tokens[at] not in (";", "{"):
        at = end_of_group(tokens, at) if tokens[at] in OPEN else at + 1
    return end_of_group(tokens, at) if at < len(tokens) and tokens[at] == "{" else at + 1


class Module:
    """A module: a file, or a `mod name { … }` inside a file."""

    def __init__(self, file, parent):
        self.file, self.parent = file, parent
        self.children, self.defined, self.uses, self.paths, self.names = {}, set(), [], [], set()


class Use:
    """A name that a `use` imports into a module. For a glob import, `alias` is `*`."""

    def __init__(self, path, alias, public):
        self.path, self.alias, self.public = path, alias, public


class Crate:
    def __init__(self, root):
        self.files, self.words = [], {}
        self.root = self.load(root, None, root.parent)

    def load(self, file, parent, folder):
        """Reads a file and the modules that it declares. `folder` contains the files of these modules."""
        module = Module(file, parent)
        self.files.append(file)
        tokens = tokens_of(file.read_text())
        self.words[file] = set(tokens)
        self.read(module, tokens, folder)
        return module

    def read(self, module, tokens, folder):
        """Reads the items and paths of a module. Ignores items inside functions and impls, because no path names them."""
        at, depth, public, macro_end = 0, 0, False, 0
        while at < len(tokens):
            token, was_public, public = tokens[at], public, False
            if token == "#" and tokens[at + 1] in ("[", "!"):
                start = at + 1 + (tokens[at + 1] == "!")
                at = end_of_group(tokens, start)
                if tokens[start + 1 : at - 1] == ["cfg", "(", "test", ")"]:
                    at = end_of_item(tokens, at)
            elif token == "pub":
                public = True
                at = end_of_group(tokens, at + 1) if tokens[at + 1] == "(" else at + 1
            elif token == "mod" and tokens[at + 2] == ";":
                self.declare(module, tokens[at + 1], folder)
                at += 3
            elif token == "mod" and tokens[at + 2] == "{":
                name, end = tokens[at + 1], end_of_group(tokens, at + 2)
                module.children[name] = Module(module.file, module)
                self.read(module.children[name], tokens[at + 3 : end - 1], folder / name)
                at = end
            elif token == "use" and tokens[at + 1] != "<":
                end = tokens.index(";", at)
                self.read_use(module, tokens[at + 1 : end], was_public)
                at = end + 1
            else:
                depth += (token in OPEN) - (token in CLOSE)
                if token == "macro_rules":
                    module.defined.add(tokens[at + 2])
                    macro_end = end_of_group(tokens, at + 3)
                elif token in DEFINES and (depth == 0 or at < macro_end):
                    module.defined.add(tokens[at + 1])
                at = self.read_path(module, tokens, at)

    def declare(self, module, name, folder):
        for file, children in ((folder / f"{name}.rs", folder / name), (folder / name / "mod.rs", folder / name)):
            if file.exists():
                module.children[name] = self.load(file, module, children)

    def read_use(self, module, tokens, public):
        def tree(at, prefix):
            path = list(prefix)
            while at < len(tokens):
                token = tokens[at]
                if token == "{":
                    at += 1
                    while tokens[at] != "}":
                        at = tree(at, path)
                        at += tokens[at] == ","
                    return at + 1
                if token == "as":
                    module.uses.append(Use(path, tokens[at + 1], public))
                    return at + 2
                if token in (",", "}"):
                    break
                if token != "::":
                    path.append(token)
                at += 1
            if path and path[-1] == "*":
                module.uses.append(Use(path[:-1], "*", public))
            elif path and path[-1] == "self":
                module.uses.append(Use(path[:-1], path[-2], public))
            elif path:
                module.uses.append(Use(path, path[-1], public))
            return at

        tree(0, [])

    def read_path(self, module, tokens, at):
        """Records a path such as `crate::a::b` or a single name, and returns the index after it."""
        if not (tokens[at][0].isalpha() or tokens[at][0] == "_"):
            return at + 1
        path, end = [tokens[at]], at + 1
        while end + 1 < len(tokens) and tokens[end] == "::" and re.match(r"[A-Za-z_]", tokens[end + 1]):
            path.append(tokens[end + 1])
            end += 2
        after_dot = at > 0 and tokens[at - 1] in (".", "::")
        if len(path) > 1 and not after_dot:
            module.paths.append(path)
        if not after_dot:
            module.names.add(path[0])
        return end

    def resolve(self, module, path, is_inside=False, seen=frozenset()):
        """Returns the module that a path names, or the file that defines the item, or None for another crate.

        If `is_inside` is true, the path has already entered `module`. A name that is not found there is attributed to the
        module's file, because a macro may define it.
        """
        if not path:
            return module
        key = (id(module), tuple(path))
        if module is None or key in seen:
            return None
        seen |= {key}
        first, rest = path[0], path[1:]
        if first in ("crate", "self", "super"):
            start = {"crate": self.root, "self": module, "super": module.parent}[first]
            return self.resolve(start, rest, True, seen)
        if first in module.children:
            return self.resolve(module.children[first], rest, True, seen)
        if first in module.defined:
            return module.file
        for use in module.uses:
            if use.alias == first:
                found = self.resolve(module, use.path, False, seen)
                return self.resolve(found, rest, True, seen) if isinstance(found, Module) else found
        for use in module.uses:
            found = self.resolve(module, use.path, False, seen) if use.alias == "*" else None
            if isinstance(found, Module):
                is_known = first in self.words[found.file]
                found = self.resolve(found, path, is_known, seen)
                if found:
                    return found
        return module.file if is_inside else None

    def modules(self, module=None):
        module = module or self.root
        yield module
        for child in module.children.values():
            yield from self.modules(child)

    def edges(self):
        """Returns for each file the files that it depends on, with the names."""
        edges = {file: {} for file in self.files}

        def add(module, path, name):
            found = self.resolve(module, path)
            # A path that only names a module is not a dependency on its file. A path to an item in the module is.
            if isinstance(found, Path) and found != module.file:
                edges[module.file].setdefault(found, set()).add(name)

        for module in self.modules():
            for use in module.uses:
                used = use.alias in module.names or use.alias == "_"
                if use.alias != "*" and (used or not use.public):
                    add(module, use.path, use.path[-1])
                elif use.alias == "*":
                    found = self.resolve(module, use.path)
                    if isinstance(found, Module):
                        for name in module.names - module.defined:
                            add(module, [*use.path, name], name)
            for path in module.paths:
                add(module, path, path[-1])
        return edges


def circles(edges):
    """Returns the strongly connected components that have more than one file (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(file):
        index[file] = low[file] = len(index)
        stack.append(file)
        for other in edges[file]:
            if other not in index:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], index[other])
        if low[file] == index[file]:
            component = []
            while not component or component[-1] != file:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    for file in edges:
        if file not in index:
            visit(file)
    return sorted(found)


def roots(folder):
    for manifest in sorted(folder.rglob("Cargo.toml")):
        source = manifest.parent / "src"
        if "target" not in manifest.parts and "node_modules" not in manifest.parts:
            yield from (root for root in (source / "lib.rs", source / "main.rs") if root.exists())
            yield from sorted(source.glob("bin/*.rs"))


def main():
    sys.setrecursionlimit(10_000)
    base = Path(__file__).resolve().parent.parent
    found = False
    for folder in [Path(name) for name in sys.argv[1:]] or [base / "crates", base / "benches"]:
        for root in roots(folder):
            edges, source = Crate(root).edges(), root.parent
            for circle in circles(edges):
                found = True
                print(f"{source}: {len(circle)} files depend on each other")
                for file in circle:
                    for other in sorted(set(edges[file]) & set(circle)):
                        names = ", ".join(sorted(edges[file][other]))
                        print(f"    {file.relative_to(source)} -> {other.relative_to(source)}: {names}")
    sys.exit(found)


main()
