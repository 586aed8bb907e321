# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for what is kept: a hash of all that its numbers depend on. No PyTorch."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

# Part of every key. Count it up when the numbers change for the same inputs, so that nothing of an older release is used.
GENERATION = 1


def key_of(*parts: Any) -> str:
    """32 hexadecimal digits for JSON-ready parts; equal parts, equal key."""
    text = json.dumps([GENERATION, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def hash_of(array: np.ndarray) -> str:
    """64 hexadecimal digits for the values, shape and type of an array."""
    digest = hashlib.sha256(f"{array.shape}{array.dtype.str}".encode())
    digest.update(memoryview(np.ascontiguousarray(array)).cast("B"))
    return digest.hexdigest()
