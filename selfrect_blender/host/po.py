# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading translations from .po files, the part of GNU gettext's format that we use: msgid, msgstr, comments."""

from __future__ import annotations

import ast
from pathlib import Path


def read(path: Path) -> dict[str, str]:
    """{English: translated} of a .po file in UTF-8; what is not translated yet is left out. Raises ValueError at a bad line."""
    texts: dict[str, str] = {}
    entry: dict[str, str] = {}
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        word, _, rest = line.strip().partition(" ")
        if not word:
            _keep(texts, entry)
            entry = {}
        elif word in ("msgid", "msgstr"):
            current = word
            entry[current] = _quoted(rest, path, number)
        elif line.startswith('"') and entry:
            entry[current] += _quoted(line, path, number)
        elif not line.startswith("#"):
            raise ValueError(f"{path.name}, line {number}: expected msgid, msgstr or a quoted text, got {line!r}")
    return texts


def _keep(texts: dict[str, str], entry: dict[str, str]) -> None:
    if entry.get("msgid") and entry.get("msgstr"):  # the first entry, with an empty msgid, is the header
        texts[entry["msgid"]] = entry["msgstr"]


def _quoted(text: str, path: Path, number: int) -> str:
    try:
        value = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{path.name}, line {number}: {text!r} is no quoted text") from error
    return value
