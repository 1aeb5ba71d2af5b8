#!/usr/bin/env python3
"""Finds words that make a sentence hard to read, and commit subjects that are too long.

CONTRIBUTING.md says what to write instead. With paths as arguments, only these are searched.
"""

import re
import subprocess
import sys

BANNED = [
    "all else",
    "anew",
    "be told of",
    "by itself",
    "for ever",
    "is told of",
    "lately",
    "lies",
    "meanwhile",
    "of its own",
    "of late",
    "of their own",
    "put off",
    "so long",
    "stands",
    "such a one",
    "taken for",
    "that of",
    "there is none",
    "those of",
    "to be told of",
    "whoever",
    "withal",
]
# External data, generated files, and the list above.
SKIPPED = re.compile(
    r"\.(json|png|svg|lock|stderr|http|har|pem|bin)$|^(Cargo\.lock|LICENSE-.*|\.ci/prose\.py)$"
    r"|/fixtures/events/|/package-lock|^api/|^fuzz/corpus"
)
LONGEST_SUBJECT = 72


def git(*arguments: str) -> list[str]:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.splitlines()


def banned_words(paths: list[str]) -> list[str]:
    banned = re.compile(r"\b(" + "|".join(word.replace(" ", r"[\s/!]+") for word in BANNED) + r")\b", re.IGNORECASE)
    found = []
    for path in git("ls-files", "--", *paths):
        if SKIPPED.search(path):
            continue
        with open(path, encoding="utf-8", errors="ignore") as file:
            text = file.read()
        for match in banned.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path}:{line}: {' '.join(match.group().split())}")
    return found


def long_subjects() -> list[str]:
    """Checks the commits since this file was added: older subjects cannot be changed."""
    added = git("log", "--diff-filter=A", "--format=%H", "--", ".ci/prose.py")
    commits = git("log", "--no-merges", "--format=%h %s", f"{added[-1]}~..HEAD") if added else []
    return [commit for commit in commits if len(commit.split(" ", 1)[1]) > LONGEST_SUBJECT]


def main() -> int:
    failures = banned_words(sys.argv[1:])
    failures += [f"a commit subject is longer than {LONGEST_SUBJECT} characters: {commit}" for commit in long_subjects()]
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
