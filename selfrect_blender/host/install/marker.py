# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies on disk tells the state: a marker inside the environment, "incomplete" until its test has passed.

The marker travels with its environment when that is moved aside or put in place, so no moment exists at which the two
can disagree.
"""
from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..engine_source import ENGINE_SOURCE
from .places import LISTS_FOLDER, Places, python_of, site_packages

NAME = "selfrect-engine.json"


@dataclass(frozen=True)
class Installed:
    """An environment as its marker describes it. complete: its test has passed. seconds: one call of `mini` in that test.

    version: of the engine; source, lists: digests of the engine's code and of the lists it was installed from.
    locked: every file was checked against a hash of our lists. The device's fields are empty until the test.
    """

    version: str
    source: str
    lists: str
    backend: str
    python: str
    torch: str
    locked: bool
    complete: bool = False
    device: str = ""
    device_title: str = ""
    seconds: float = 0.0


def read(environment: Path) -> Installed | None:
    """None where there is no environment of ours, or its marker cannot be read."""
    data = read_json(environment / NAME)
    try:
        return Installed(**{field.name: data[field.name] for field in fields(Installed)}) if data else None
    except (KeyError, TypeError):
        return None


def write(environment: Path, installed: Installed) -> None:
    write_json(environment / NAME, asdict(installed))


def read_json(path: Path) -> dict[str, Any]:
    """{} where there is nothing to be read."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    unfinished.write_text(json.dumps(data, indent=1), "utf-8")
    unfinished.replace(path)


def damage(environment: Path) -> str:
    """What is missing of a complete environment, as a clause; "" where nothing is. A few looks at the disk, no start."""
    home = _base_python(environment)
    if home is not None and not home.is_dir():
        return f"the Python that it was made with is gone ({home})"
    if not python_of(environment).exists():
        return f"{python_of(environment)} is missing"
    packages = site_packages(environment)
    for name in ("selfrect", "torch", "diffusers"):
        if packages is None or not (packages / name / "__init__.py").is_file():
            return f"the package {name} is missing"
    return ""


def leftovers(places: Places) -> bool:
    """Whether an installation was begun here and not brought to its end."""
    return places.new.exists() or places.old.exists() or places.downloads.exists() or places.order.exists()


@cache
def extension_version() -> str:
    """The version of the engine that this extension carries, read without importing it."""
    for line in (ENGINE_SOURCE / "__init__.py").read_text("utf-8").splitlines():
        if line.startswith("__version__"):
            return line.partition("=")[2].strip().strip("\"'")
    return "0"


@cache
def source_digest() -> str:
    """Of the engine's code, without the weights of the embedded model (their folder's config stands for them)."""
    kinds = {".py", ".toml", ".json"}
    return _digest(sorted(path for path in ENGINE_SOURCE.rglob("*") if path.suffix in kinds and path.is_file()))


@cache
def lists_digest(list_name: str) -> str:
    return _digest([LISTS_FOLDER / "engine.txt", LISTS_FOLDER / list_name])


def _digest(paths: list[Path]) -> str:
    digest = sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]


def _base_python(environment: Path) -> Path | None:
    try:
        lines = (environment / "pyvenv.cfg").read_text("utf-8").splitlines()
    except OSError:
        return None
    home = [line.partition("=")[2].strip() for line in lines if line.partition("=")[0].strip() == "home"]
    return Path(home[0]) if home else None
