# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Python the environment is made with: 3.12 managed by uv, else one that is already here. Never changed by us.

Blender's own Python counts as one that is here: an environment made with it adds nothing to Blender, but has to be
repaired when that Blender is deleted.
"""
from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ..engine_source import problems
from .control import Control
from .run import run
from .settings import clean_environment
from .uv import Uv, own_python

MANAGED = "3.12"
#: Newest first would be wrong: packages come for these in this order of certainty.
ORDER = ("3.12", "3.13", "3.11", "3.14", "3.10")


def candidates(uv: Uv, control: Control, wanted: tuple[str, ...] = ORDER, archive: Path | None = None) -> Iterator[str]:
    """Pythons to try, best first, each fetched or looked for when its turn comes.

    wanted: the versions that would do. archive: a managed Python that an offline bundle carries.
    """
    if archive is not None:
        yield str(_unpacked(uv, archive))
    elif MANAGED in wanted and (uv.online or _managed(uv)):
        try:
            uv("python", "install", MANAGED, "--no-bin", doing="Fetching Python", watch=lambda: control.part(0.5))
            yield from _managed(uv)
        except problems.Problem as problem:
            control.say(f"No managed Python: {problem.sentence}")
    yield from existing_pythons(uv, wanted)


def existing_pythons(uv: Uv, wanted: tuple[str, ...] = ORDER) -> list[str]:
    """Those of this machine that would do, in the order of preference; Blender's own among its equals first."""
    found = {own_python(): _version_of(uv, own_python())}
    told = uv("python", "list", "--only-installed", "--output-format", "json", doing="Looking for Python", online=False)
    for entry in json.loads(told or "[]"):
        usable = entry.get("implementation") == "cpython" and entry.get("variant", "default") == "default"
        if usable and entry.get("path"):
            found.setdefault(entry["path"], ".".join(entry["version"].split(".")[:2]))
    return sorted((path for path, version in found.items() if version in wanted), key=lambda path: wanted.index(found[path]))


def none_fits(wanted: tuple[str, ...]) -> problems.Problem:
    return problems.Problem(
        "install_failed",
        f"No Python {' or '.join(sorted(wanted))} was found, and none could be fetched.",
        "Allow online access, install such a Python, or use an offline bundle that carries one.",
    )


def _managed(uv: Uv) -> list[str]:
    """The interpreters that uv keeps for us."""
    patterns = (f"cpython-{MANAGED}*/bin/python{MANAGED}", f"cpython-{MANAGED}*/python.exe")
    return [str(path) for pattern in patterns for path in sorted(uv.places.pythons.glob(pattern), reverse=True)][:1]


def _version_of(uv: Uv, python: str) -> str:
    told = re.search(r"python(\d\.\d+)", Path(python).name)
    if told:
        return told[1]
    try:
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        return run([python, "-I", "-c", code], clean_environment(), uv.control, limit=30)[1].strip()
    except problems.Problem:
        return ""


def _unpacked(uv: Uv, archive: Path) -> Path:
    """A Python of an offline bundle: the archive of python-build-standalone, unpacked into our folder."""
    target = uv.places.pythons / archive.name.partition(".tar")[0].replace("+", "-")
    names = ("python/bin/python3", "python/python.exe")
    if not any((target / name).exists() for name in names):
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
    return next(target / name for name in names if (target / name).exists())
