# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of packages → the files to install on this machine: which wheel, from where, with which SHA-256."""
from __future__ import annotations

import re
from pathlib import Path

import tomllib

from ..engine_source import problems
from .backends import Backend
from .control import Control
from .faults import hash_mismatch
from .fetch import File
from .places import LISTS_FOLDER
from .settings import own_sources
from .uv import Uv


def resolve(backend: Backend, python: str, uv: Uv, control: Control, source: Path | None = None) -> list[File]:
    """The wheels of engine.txt and of the backend's list for one Python. source: a folder with wheels, instead of an index.

    Each file's hashes are those of our lists. Where a list pins a version without hashes, it is the one that the index
    names, or the bundle, or for a plain folder that of the file itself. Raises Problem.
    """
    lists = [LISTS_FOLDER / "engine.txt", LISTS_FOLDER / backend.list_name]
    output = uv.places.temp / "pylock.toml"
    output.unlink(missing_ok=True)
    common = ["pip", "compile", "--quiet", "--format", "pylock.toml", "--generate-hashes", "--no-build", "--no-header", "--no-annotate",
              "--python", python,
              *lists, "--output-file", output]  # fmt: skip
    common += ["--no-deps"] if backend.locked else []  # the list is complete; else PyTorch's own pins lead to its libraries

    def ask(*more: object) -> None:
        uv(*common, *more, doing="Looking up the packages", watch=lambda: control.part(0.5))

    if source is not None:
        ask("--no-index", "--find-links", source)
    elif not backend.torch_backend:
        ask()
    elif own_sources():
        try:
            ask()  # the studio's own index may carry the variant
        except problems.Problem as problem:
            control.say(f"Not in the sources that are set up: {problem.sentence}")
            ask("--torch-backend", backend.torch_backend)
    else:
        ask("--torch-backend", backend.torch_backend)
    return [_file(package, known_hashes(lists)) for package in tomllib.loads(output.read_text("utf-8"))["packages"]]


def known_hashes(lists: list[Path]) -> dict[tuple[str, str], frozenset[str]]:
    """(package, version) → the SHA-256 values that our lists allow; nothing for those that are only pinned."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for path in lists:
        for entry in re.split(r"\n(?=[A-Za-z])", path.read_text("utf-8")):
            told = re.match(r"([A-Za-z0-9._-]+)==([^\s;\\]+)", entry)
            hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
            if told and hashes:
                key = (told[1].lower(), told[2])
                found[key] = found.get(key, frozenset()) | hashes
    return found


def requirements(files: list[File]) -> str:
    """What was resolved, as a list that pip and uv install from: exact, every file by its hash."""
    entries = [[f"{file.package}=={file.version}", *(f"--hash=sha256:{value}" for value in sorted(file.hashes))] for file in files]
    return "\n".join(" \\\n    ".join(entry) for entry in entries) + "\n"


def _file(package: dict, known: dict[tuple[str, str], frozenset[str]]) -> File:
    name, version = package["name"], package["version"]
    if not package.get("wheels"):
        raise problems.Problem(
            "install_failed",
            f"{name} {version} does not come ready made for this Python and system.",
            "Use another Python (3.10 to 3.14), or another backend.",
        )
    wheel = package["wheels"][0]
    url = wheel.get("url") or Path(wheel["path"]).resolve().as_uri()
    told = wheel.get("hashes", {}).get("sha256", "")
    hashes = known.get((name, version)) or frozenset(filter(None, [told]))
    if told and told not in hashes:
        raise hash_mismatch(f"{name} {version}", f"{url}: sha256 {told}")
    if not hashes:
        raise problems.Problem(
            "hash_mismatch",
            f"The index tells no SHA-256 for {name} {version}, so the file could not be checked.",
            "Name an index that tells it, or install from an offline bundle.",
        )
    return File(name, version, url, hashes, int(wheel.get("size", 0)))
