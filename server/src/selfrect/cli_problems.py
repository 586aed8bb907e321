# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect problems`: every code, its meaning and remedy; with --markdown the page server/PROBLEMS.md."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from .problems import EXIT_CODES, EXPLANATIONS

if TYPE_CHECKING:
    from .interrupt import Interrupt

_TOP = """# When something goes wrong

Every failure has a code, says in a sentence what happened, with the numbers, and what to do about it. In Blender it stands in the
panel; commands print it on stderr, with `--json` also as data on stdout, and end with the exit code below. This page is the
output of `selfrect problems --markdown`.

| code | exit | what it means | what to do |
|---|---|---|---|
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", choices=tuple(EXIT_CODES), metavar="CODE", help="only this one")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print the page server/PROBLEMS.md")
    form.add_argument("--json", action="store_true", help="print as data")


def run(given: argparse.Namespace, interrupt: Interrupt) -> None:
    """Print them."""
    codes = [given.code] if given.code else list(EXIT_CODES)
    if given.markdown:
        return print(markdown(), end="")
    if given.json:
        names = ("meaning", "remedy")
        explained = [{"code": code, "exit": EXIT_CODES[code], **dict(zip(names, EXPLANATIONS[code], strict=True))} for code in codes]
        return print(json.dumps(explained, indent=2))
    for code in codes:
        meaning, remedy = EXPLANATIONS[code]
        print(f"{code} (exit code {EXIT_CODES[code]})\n  {meaning}\n  {remedy}")


def markdown() -> str:
    """The page."""
    return _TOP + "".join(
        f"| `{code}` | {EXIT_CODES[code]} | {meaning.replace('|', chr(92) + '|')} | {remedy.replace('|', chr(92) + '|')} |\n"
        for code, (meaning, remedy) in EXPLANATIONS.items()
    )
