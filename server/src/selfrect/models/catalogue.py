# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue as data: each named model, its licence, and exactly which files it is made of. No PyTorch."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..problems import Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
FILE = HERE / "catalogue.toml"
EMBEDDED = {"mini": HERE / "mini"}
PRECISIONS = ("float32", "float16")


@dataclass(frozen=True)
class File:
    """One file of a model. path: with slashes, below the model's folder. size: bytes. precision: "" where there is one only."""

    path: str
    size: int
    sha256: str
    precision: str = ""


@dataclass(frozen=True)
class Entry:
    """One named model; what the fields mean is said in catalogue.toml."""

    name: str
    title: str
    repository: str
    licence: str
    licence_url: str
    licence_summary: str = ""
    revision: str = "main"
    mirrors: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    checkpoints: tuple[File, ...] = ()

    def needed(self, precision: str) -> tuple[File, ...]:
        """The files of a diffusers folder in this precision, in the order of the catalogue."""
        return tuple(file for file in self.files if file.precision in ("", precision))


def catalogue() -> dict[str, Entry]:
    """The known models by name, the embedded one first; SELFRECT_CATALOGUE may name a file that adds to them.

    Raises Problem bad_input where that file is no catalogue.
    """
    more = os.environ.get("SELFRECT_CATALOGUE")
    return _read(FILE) | (_read(Path(more)) if more else {})


def entry(name: str) -> Entry:
    """The entry of a model that can be downloaded. Raises Problem bad_input for every other name."""
    known = {name: entry for name, entry in catalogue().items() if entry.files}
    if name not in known:
        what = "is part of the engine" if name in EMBEDDED else "is not in the catalogue"
        raise Problem("bad_input", f"The model “{name}” {what}.", f"These can be downloaded: {', '.join(known)}.")
    return known[name]


@functools.cache
def _read(file: Path) -> dict[str, Entry]:
    try:
        return {name: _entry(name, table) for name, table in tomllib.loads(file.read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        sentence = f"{file} is not a catalogue of models: {error}."
        raise Problem("bad_input", sentence, f"Write it as {FILE}, or unset SELFRECT_CATALOGUE.") from error


def _entry(name: str, table: dict) -> Entry:
    lists = {key: tuple(File(**file) for file in table.pop(key, ())) for key in ("files", "checkpoints")}
    return Entry(name=name, mirrors=tuple(table.pop("mirrors", ())), **lists, **table)
