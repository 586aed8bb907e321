# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's folders, and small things kept in the cache: what is in it can be deleted at any time. No PyTorch."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

_BLOCK = 1 << 20


def models_folder() -> Path:
    """SELFRECT_MODELS, or `models` in the user's data folder."""
    chosen = os.environ.get("SELFRECT_MODELS")
    return Path(chosen).expanduser() if chosen else _user_folder("XDG_DATA_HOME", ".local/share") / "models"


def cache_folder() -> Path:
    """SELFRECT_CACHE, or the user's cache folder."""
    chosen = os.environ.get("SELFRECT_CACHE")
    return Path(chosen).expanduser() if chosen else _user_folder("XDG_CACHE_HOME", ".cache") / "cache"


def identity(path: Path) -> str:
    """Which file this is, cheaply: place, size and time of change. For cache keys, not for trust."""
    status = path.stat()
    return f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}"


def known_hash(path: Path) -> str | None:
    """The SHA-256 of a file if it is known without reading it."""
    try:
        return _kept_hash(path).read_text("ascii")
    except OSError:
        return None


def file_hash(path: Path, read: Callable[[int], object] = lambda count: None, anew: bool = False) -> str:
    """SHA-256 of a file, kept in the cache by its identity: a network of 3 GB is read once for it.

    read: told of each so many bytes; what it raises stops the reading. anew: read the file even if the hash is known.
    """
    if not anew and (known := known_hash(path)):
        return known
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            read(len(block))
    keep_hash(path, digest.hexdigest())
    return digest.hexdigest()


def keep_hash(path: Path, digest: str) -> None:
    """Remember the hash of a file as it is now."""
    keep(_kept_hash(path), lambda unfinished: unfinished.write_text(digest, "ascii"))


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


def _kept_hash(path: Path) -> Path:
    return cache_folder() / "sha256" / hashlib.sha256(identity(path).encode()).hexdigest()[:32]


def _user_folder(variable: str, below_home: str) -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "selfrect"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/selfrect"
    return Path(os.environ.get(variable) or Path.home() / below_home) / "selfrect"
