# SPDX-License-Identifier: GPL-3.0-or-later
"""Tensors kept as safetensors files by key, within a budget, the least recently used given up first.

Several processes may share the folder. A file appears whole or not at all (written beside, then renamed), carries a
checksum of its data, and is thrown away when anything about it is wrong. A disk that is full or read-only costs time only.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from ..models.cache import keep

ENDING = ".safetensors"
HEADER = 256  # bytes for one tensor's name and place, more than enough
UNFINISHED_SECONDS = 3600  # an unfinished file of that age was left by a process that died

Tensors = dict[str, Any]


class Entry(NamedTuple):
    file: Path
    size: int
    used: float  # seconds since the epoch


class OnDisk:
    def __init__(self, folder: Path, budget: int):
        self.folder, self.budget = folder, budget

    def read(self, key: str) -> Tensors | None:
        """The tensors, on the CPU; None where there are none or the file is damaged (then it is deleted)."""
        file = self._file(key)
        if not file.is_file():
            return None
        tensors = _read(file)
        with contextlib.suppress(OSError):
            if tensors is None:
                file.unlink()
            else:
                os.utime(file)  # used now
        return tensors

    def write(self, key: str, tensors: Tensors) -> None:
        size = sum(tensor.nbytes + HEADER for tensor in tensors.values()) + HEADER
        if size <= self.budget:
            self._make_room(size)
            keep(self._file(key), lambda unfinished: _write(unfinished, tensors))

    def has(self, key: str) -> bool:
        return self._file(key).is_file()

    def entries(self) -> list[Entry]:
        """All files, the least recently used first."""
        found = []
        with contextlib.suppress(OSError):
            for file in self.folder.glob(f"*{ENDING}"):
                with contextlib.suppress(OSError):  # another process may have deleted it
                    status = file.stat()
                    found.append(Entry(file, status.st_size, status.st_mtime))
        return sorted(found, key=lambda entry: entry.used)

    def clear(self) -> None:
        for entry in self.entries():
            _delete(entry.file)
        self._delete_unfinished(older_than=0)

    def _make_room(self, size: int) -> None:
        entries = self.entries()
        too_much = sum(entry.size for entry in entries) + size - self.budget
        for entry in entries:
            if too_much <= 0:
                break
            _delete(entry.file)
            too_much -= entry.size
        self._delete_unfinished(UNFINISHED_SECONDS)

    def _delete_unfinished(self, older_than: float) -> None:
        with contextlib.suppress(OSError):
            for file in self.folder.glob(f"*{ENDING}.*.part"):
                with contextlib.suppress(OSError):
                    if time.time() - file.stat().st_mtime >= older_than:
                        file.unlink()

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}{ENDING}"


def _write(file: Path, tensors: Tensors) -> None:
    """Raises OSError."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    try:
        save_file(tensors, file, {"crc32": _checksum(tensors)})
    except SafetensorError as error:  # its word for a disk that is full
        raise OSError(str(error)) from error


def _read(file: Path) -> Tensors | None:
    """The tensors of a file, or None where they are not what was written."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dictionary
            return tensors if (opened.metadata() or {}).get("crc32") == _checksum(tensors) else None
    except (SafetensorError, OSError, ValueError, RuntimeError):
        return None


def _checksum(tensors: Tensors) -> str:
    import torch

    crc = 0
    for name, tensor in sorted(tensors.items()):
        crc = zlib.crc32(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy(), crc)
    return str(crc)


def _delete(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()
