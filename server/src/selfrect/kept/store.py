# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory before disk: what is asked for is looked up in both, what is put goes into memory and, if it is worth it, to disk."""

from __future__ import annotations

from pathlib import Path

from . import budgets
from .in_memory import InMemory, Tensors
from .on_disk import OnDisk

LARGE = 64 * 2**20  # bytes; what is larger and lies on disk is not held in memory as well


class Store:
    """folder, memory, disk: None takes what `budgets` says; budgets in bytes, memory per place."""

    def __init__(self, folder: Path | None = None, memory: int | None = None, disk: int | None = None):
        self.memory = InMemory(budgets.memory if memory is None else lambda place: memory)
        self.disk = OnDisk(Path(folder) if folder else budgets.folder(), budgets.disk() if disk is None else disk)

    def get(self, key: str) -> Tensors | None:
        """The tensors of a key where they lie in memory, or read from disk onto the CPU; None where nothing is kept."""
        tensors = self.memory.get(key)
        if tensors is None and self.disk.budget:
            tensors = self.disk.read(key)
            if tensors is not None and not _is_large(tensors):
                self.memory.put(key, tensors)
        return tensors

    def has(self, key: str) -> bool:
        """Cheaply: a file that is there may still turn out to be damaged."""
        return self.memory.has(key) or (self.disk.budget > 0 and self.disk.has(key))

    def put(self, key: str, tensors: Tensors, disk: bool = True) -> None:
        if disk and self.disk.budget:
            self.disk.write(key, tensors)
        if not (disk and _is_large(tensors)):
            self.memory.put(key, tensors)

    def put_away(self, key: str, tensors: Tensors) -> bool:
        """Keep on disk alone; False where that is not possible."""
        self.disk.write(key, tensors)
        return self.disk.has(key)

    def release(self) -> None:
        """Give the memory back; what is on disk stays."""
        self.memory.clear()

    def clear(self) -> dict[str, int]:
        """Forget everything, on disk too: {entries, bytes} that were there."""
        before = self.usage()
        self.memory.clear()
        self.disk.clear()
        return {name: before["memory"][name] + before["disk"][name] for name in ("entries", "bytes")}

    def usage(self) -> dict:
        """{memory: {entries, bytes}, disk: {entries, bytes, budget, folder}}, JSON-ready."""
        count, size = self.memory.size()
        files = self.disk.entries()
        on_disk = {"entries": len(files), "bytes": sum(entry.size for entry in files)}
        return {
            "memory": {"entries": count, "bytes": size},
            "disk": on_disk | {"budget": self.disk.budget, "folder": str(self.disk.folder)},
        }


def _is_large(tensors: Tensors) -> bool:
    return sum(tensor.nbytes for tensor in tensors.values()) > LARGE
