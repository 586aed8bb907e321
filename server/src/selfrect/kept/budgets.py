# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes may be kept, by environment variable or by default, and where. No PyTorch at import."""

from __future__ import annotations

import os
from pathlib import Path

from .. import system_memory
from ..memory import parse_size
from ..models.cache import cache_folder
from ..problems import Problem

MEMORY_VARIABLE, DISK_VARIABLE, KV_VARIABLE = "SELFRECT_KEEP_MEMORY", "SELFRECT_KEEP_DISK", "SELFRECT_KEEP_KV_ON_DISK"
_NO = ("0", "no", "false")
DISK_DEFAULT = 4 * 2**30
MANY_KEY_VALUES = 256 * 2**20  # bytes; from here on those of a run wait on disk rather than in memory
MEMORY_SHARE = 1 / 4  # of the machine's memory, and of the accelerator's for what lies there


def folder() -> Path:
    """Where inversions lie on disk; all of it can be deleted at any time."""
    return cache_folder() / "inversions"


def disk() -> int:
    """Bytes on disk: SELFRECT_KEEP_DISK, or 4 GiB."""
    return _given(DISK_VARIABLE) if DISK_VARIABLE in os.environ else DISK_DEFAULT


def memory(place: str) -> int:
    """Bytes in memory of a place ("cpu", "cuda", "mps"): SELFRECT_KEEP_MEMORY, or a quarter of what the place has."""
    if MEMORY_VARIABLE in os.environ:
        return _given(MEMORY_VARIABLE)
    return int(_memory_of(place) * MEMORY_SHARE)


def key_values_on_disk() -> bool:
    """SELFRECT_KEEP_KV_ON_DISK=1: keys and values go to disk too, however few they are and wherever they wait."""
    return _wish_for_key_values() not in ("", *_NO)


def key_values_wait_on_disk(size: int, place: str, budget: int) -> bool:
    """Whether `size` bytes of keys and values, all those of a run, wait on disk instead of in memory of that place. budget: of the disk.

    On a processor, where a step's part is read in a hundredth of the step; where they are many, and two such runs fit into the budget.
    Not with SELFRECT_KEEP_KV_ON_DISK=0.
    """
    return place == "cpu" and _wish_for_key_values() not in _NO and MANY_KEY_VALUES <= size <= budget // 2


def parse(text: str) -> int:
    """`500M`, `4G`, `0` → bytes. Raises Problem bad_input."""
    return 0 if text.strip() == "0" else parse_size(text)


def _wish_for_key_values() -> str:
    return os.environ.get(KV_VARIABLE, "").strip().lower()


def _given(variable: str) -> int:
    try:
        return parse(os.environ[variable])
    except Problem as problem:
        raise Problem("bad_input", f"{variable}: {problem.sentence}", f"{problem.remedy} 0 keeps nothing.") from None


def _memory_of(place: str) -> int:
    if place == "cuda":
        import torch

        return torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    return system_memory.total() or 8 * 2**30
