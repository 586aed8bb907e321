# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of packages → the files to install on this machine: which wheel, from where, with which SHA-256."""
from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import tomllib

from ..engine_source import problems
from .backends import Backend
from .bundle import DESCRIPTION
from .control import Control
from .faults import hash_mismatch
from .fetch import File
from .marker import read_json
from .places import LISTS_FOLDER
from .settings import own_sources
from .uv import Uv


def resolve(
    backend: Backend, python: str, uv: Uv, control: Control, source: Path | None = None, more: Sequence[object] = ()
) -> list[File]:
    """The wheels of engine.txt and of the backend's list for one Python. source: a folder with wheels, instead of an index.

    more: options for uv, where it is not for this machine.

    Each file's hashes are those of our lists. Where a list pins a version without hashes, it is the one that the index
    names, or the bundle, or for a plain folder that of the file itself. Raises Problem.
    """
    lists = [LISTS_FOLDER / "engine.txt", LISTS_FOLDER / backend.list_name]
    output = uv.places.temp / "pylock.toml"
    output.unlink(missing_ok=True)
    common = ["pip", "compile", "--quiet", "--format", "pylock.toml", "--generate-hashes", "--no-build", "--no-header", "--no-annotate",
              "--python", python, *more, *_exact(lists, uv.places.temp), "--output-file", output]  # fmt: skip
    common += ["--no-deps"] if backend.locked else []  # the list is complete; else PyTorch's own pins lead to its libraries

    def ask(*where: object) -> None:
        uv(*common, *where, doing="Looking up the packages", watch=lambda: control.part(0.5))

    if source is not None:
        ask("--no-index", "--find-links", source.as_uri().replace(",", "%2C"))  # uv takes several, with commas between
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
    known = known_hashes(lists)
    described = read_json(source / DESCRIPTION).get("files", {}) if source is not None else {}
    files = [_file(package, known, backend.locked) for package in tomllib.loads(output.read_text("utf-8"))["packages"]]
    for file in files:
        if file.name in described and not file.hashes & set(described[file.name]):
            raise hash_mismatch(file.name, "it is not the file that the bundle was made of")
    return files


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


def requirements(files: list[File], paths: dict[str, Path]) -> str:
    """What was resolved and fetched, as a list to install from: each file by its place on this disk and its hash."""
    lines = []
    for file in files:
        path = paths[file.name]
        # uv wants the one hash of a file that is named by its place; an index may have left open which of the list's it is
        digest = next(iter(file.hashes)) if len(file.hashes) == 1 else hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{file.package} @ {path.as_uri()} --hash=sha256:{digest}\n")
    return "".join(lines)


def _exact(lists: list[Path], folder: Path) -> list[Path]:
    """The lists with === for ==, for which a studio's own build 2.13.0+cpu counts as 2.13.0 and is preferred to the one that is locked."""
    copies = []
    for path in lists:
        copies.append(folder / path.name)
        copies[-1].write_text(re.sub(r"^([A-Za-z0-9._-]+)==(?!=)", r"\1===", path.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    return copies


def _file(package: dict, known: dict[tuple[str, str], frozenset[str]], locked: bool) -> File:
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
    listed = (name, version) in known
    hashes = known[name, version] if listed else frozenset(filter(None, [told]))
    strange = not listed and (locked or any(name == other for other, _ in known))
    if strange or (told and told not in hashes):
        raise hash_mismatch(f"{name} {version}", f"{url}: sha256 {told}")
    if not hashes:
        raise problems.Problem(
            "hash_mismatch",
            f"The index tells no SHA-256 for {name} {version}, so the file could not be checked.",
            "Name an index that tells it, or install from an offline bundle.",
        )
    return File(name, version, url, frozenset([told]) if told else hashes, int(wheel.get("size", 0)))
