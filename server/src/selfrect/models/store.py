# SPDX-License-Identifier: GPL-3.0-or-later
"""Where models are: the embedded one, those in the models folder, and any path. No PyTorch."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..problems import Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
EMBEDDED = {"mini": HERE / "mini"}
PICKLES = (".ckpt", ".bin", ".pt", ".pth", ".pkl")


def catalogue() -> dict[str, dict[str, Any]]:
    """The known models by name: title, repository, licence."""
    return tomllib.loads((HERE / "catalogue.toml").read_text("utf-8"))


def models() -> list[dict[str, Any]]:
    """Every model that can be asked for by name: {name, title, licence, installed, path}."""
    return [
        {"name": name, "title": entry["title"], "licence": entry["licence"], "installed": place.exists(), "path": str(place)}
        for name, entry in catalogue().items()
        for place in [EMBEDDED.get(name, models_folder() / name)]
    ]


def find(name_or_path: str) -> Path:
    """The folder or .safetensors file of a model. Raises Problem: model_missing, pickle_refused."""
    if name_or_path in EMBEDDED:
        return EMBEDDED[name_or_path]
    known = catalogue()
    place = models_folder() / name_or_path if name_or_path in known else Path(name_or_path).expanduser()
    refuse_pickle(place)
    if not place.exists():
        what = f"The model “{name_or_path}”" if name_or_path in known else f"“{name_or_path}”, neither a model's name nor a path,"
        where = f"put its diffusers folder at {place}" if name_or_path in known else f"use one of these names: {', '.join(known)}"
        raise Problem(
            "model_missing",
            f"{what} is not on this machine.",
            f"Give the path of a diffusers folder or a .safetensors file, or {where}; “mini” is always there.",
        )
    return place


def refuse_pickle(path: Path) -> None:
    """A pickle can run any program when it is opened, so none ever is. Raises Problem pickle_refused."""
    if path.suffix.lower() in PICKLES:
        raise Problem(
            "pickle_refused",
            f"{path.name} is a pickled checkpoint ({path.suffix}), which can run programs when opened; it was not opened.",
            "Use the model's .safetensors file, or convert it to safetensors where it came from.",
        )


def models_folder() -> Path:
    """SELFRECT_MODELS, or `models` in the user's data folder."""
    chosen = os.environ.get("SELFRECT_MODELS")
    return Path(chosen).expanduser() if chosen else _user_folder("XDG_DATA_HOME", ".local/share") / "models"


def cache_folder() -> Path:
    """SELFRECT_CACHE, or the user's cache folder: what is in it can be deleted at any time."""
    chosen = os.environ.get("SELFRECT_CACHE")
    return Path(chosen).expanduser() if chosen else _user_folder("XDG_CACHE_HOME", ".cache") / "cache"


def identity(path: Path) -> str:
    """Which file this is, cheaply: place, size and time of change. For cache keys, not for trust."""
    status = path.stat()
    return f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}"


def file_hash(path: Path) -> str:
    """SHA-256 of a file, kept in the cache by its identity: a network of 3 GB is read once for it."""
    kept = cache_folder() / "sha256" / hashlib.sha256(identity(path).encode()).hexdigest()[:32]
    if kept.is_file():
        return kept.read_text("ascii")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    keep(kept, lambda unfinished: unfinished.write_text(digest.hexdigest(), "ascii"))
    return digest.hexdigest()


def keep(file: Path, write: Callable[[Path], object]) -> None:
    """Write a file of the cache, whole or not at all; a read-only or full disk only costs the next start some time."""
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(unfinished)
        unfinished.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def _user_folder(variable: str, below_home: str) -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "selfrect"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/selfrect"
    return Path(os.environ.get(variable) or Path.home() / below_home) / "selfrect"
