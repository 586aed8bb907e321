# SPDX-License-Identifier: GPL-3.0-or-later
"""Tensors kept in memory by key, the least recently used given up first. Each place (CPU, CUDA) has a budget of its own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

Tensors = dict[str, Any]  # name → torch.Tensor


class _Entry(NamedTuple):
    tensors: Tensors
    place: str
    size: int


class InMemory:
    """budget: bytes allowed in a place, asked for anew each time. Safe for several threads."""

    def __init__(self, budget: Callable[[str], int]):
        self._budget = budget
        self._entries: OrderedDict[str, _Entry] = OrderedDict()  # the most recently used last
        self._lock = threading.RLock()

    def get(self, key: str) -> Tensors | None:
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key].tensors

    def put(self, key: str, tensors: Tensors) -> None:
        """Keep tensors of one place; nothing happens where they alone are above the budget."""
        entry = _Entry(tensors, _place(tensors), sum(tensor.nbytes for tensor in tensors.values()))
        with self._lock:
            self._entries.pop(key, None)
            if entry.size <= self._budget(entry.place):
                self._entries[key] = entry
                self._evict(entry.place)

    def has(self, key: str) -> bool:
        with self._lock:
            return key in self._entries

    def size(self, place: str | None = None) -> tuple[int, int]:
        """(entries, bytes), of one place or of all."""
        with self._lock:
            sizes = [entry.size for entry in self._entries.values() if place in (None, entry.place)]
            return len(sizes), sum(sizes)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def _evict(self, place: str) -> None:
        held = [(key, entry.size) for key, entry in self._entries.items() if entry.place == place]
        too_much = sum(size for _, size in held) - self._budget(place)
        for key, size in held:
            if too_much <= 0:
                return
            del self._entries[key]
            too_much -= size


def _place(tensors: Tensors) -> str:
    return next((tensor.device.type for tensor in tensors.values()), "cpu")
