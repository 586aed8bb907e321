# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own engine as a wheel, made from the source that the extension carries: a zip with a list of contents.

Nothing has to be built or fetched for it: no build tool, no network. `pip install ./server` gives the same files.
"""
from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path

import tomllib

from ..engine_source import ENGINE_SOURCE, SERVER_FOLDER
from .marker import extension_version

_LEFT_OUT = {"__pycache__"}


def make_wheel(folder: Path) -> Path:
    """Write selfrect-<version>-py3-none-any.whl into a folder; its path. Raises OSError."""
    version = extension_version()
    wheel = folder / f"selfrect-{version}-py3-none-any.whl"
    unfinished = wheel.with_suffix(".part")
    info = f"selfrect-{version}.dist-info"
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
        record = [_add(archive, f"selfrect/{path.relative_to(ENGINE_SOURCE).as_posix()}", path.read_bytes()) for path in _files()]
        for name, text in _described(version).items():
            record.append(_add(archive, f"{info}/{name}", text.encode()))
        archive.writestr(_entry(f"{info}/RECORD"), "".join(record) + f"{info}/RECORD,,\n")
    unfinished.replace(wheel)
    return wheel


def _files() -> list[Path]:
    return [path for path in sorted(ENGINE_SOURCE.rglob("*")) if path.is_file() and not _LEFT_OUT & set(path.parts)]


def _described(version: str) -> dict[str, str]:
    """The files of dist-info, from the one place where the engine describes itself: server/pyproject.toml."""
    project = tomllib.loads((SERVER_FOLDER / "pyproject.toml").read_text("utf-8"))["project"]
    needs = "".join(f"Requires-Dist: {line}\n" for line in project["dependencies"])
    scripts = "".join(f"{name} = {target}\n" for name, target in project["scripts"].items())
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\nSummary: {project['description']}\n"
    return {
        "METADATA": f"{head}Requires-Python: {project['requires-python']}\nLicense: {project['license']}\n{needs}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: selfrect\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": f"[console_scripts]\n{scripts}",
    }


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> str:
    archive.writestr(_entry(name), data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
    return f"{name},sha256={digest},{len(data)}\n"


def _entry(name: str) -> zipfile.ZipInfo:
    """With a fixed date, so that the same source makes the same file."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    return entry
