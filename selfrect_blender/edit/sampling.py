# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a picture between its pixels: bilinear, with the picture made smaller first where many pixels fall on one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .boxes import Box
from .rows import by_rows

#: what lies outside a picture: nothing, its own border, the picture again, the picture mirrored
EDGES = ("NONE", "CLAMP", "WRAP", "MIRROR")

#: (first row, row after the last) → x, y of places in the source, each (rows, width) or what can be broadcast to it
Places = Callable[[int, int], tuple[np.ndarray, np.ndarray]]


def remapped(source: np.ndarray, places: Places, height: int, width: int, edges: tuple[str, str] = ("NONE", "NONE")) -> np.ndarray:
    """(height, width, C): the source (h, w, C) seen at places. edges: of EDGES, for x and for y."""
    result = np.empty((height, width, source.shape[2]), np.float32)
    if "NONE" in edges:
        source = np.pad(source, ((1, 1) if edges[1] == "NONE" else (0, 0), (1, 1) if edges[0] == "NONE" else (0, 0), (0, 0)))
    rows, columns, channels = source.shape
    flat = np.ascontiguousarray(source, np.float32).reshape(-1, channels)
    mix = _mix if np.isfinite(flat).all() else _mix_infinite

    def look(first: int, last: int) -> None:
        x, y = places(first, last)
        left, right, along = _taps(x, columns, edges[0])
        low, high, up = _taps(y, rows, edges[1])
        low, high, along, up = low * columns, high * columns, along[..., None], up[..., None]
        lower = mix(flat[low + left], flat[low + right], along)
        result[first:last] = mix(lower, mix(flat[high + left], flat[high + right], along), up)

    by_rows(look, height, width)
    return result


def transformed(source: np.ndarray, inverse: np.ndarray, box: Box, edges: str = "NONE") -> np.ndarray:
    """The pixels of `box` of a picture that is the source under an affine map. inverse: (2, 3), from its places to the source's."""
    factor = max(int(1e-6 + min(np.hypot(*inverse[:, 0]), np.hypot(*inverse[:, 1]))), 1)
    source, inverse = reduced(source, factor), inverse / factor
    x = np.arange(box.x0, box.x1) + 0.5

    def places(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.arange(box.y0 + first, box.y0 + last)[:, None] + 0.5
        return tuple(row[0] * x + row[1] * y + row[2] for row in inverse)

    return remapped(source, places, box.height, box.width, (edges, edges))


def scaled(source: np.ndarray, width: int, height: int) -> np.ndarray:
    """The whole picture in another size."""
    inverse = np.array([[source.shape[1] / width, 0, 0], [0, source.shape[0] / height, 0]])
    return transformed(source, inverse, Box(0, 0, width, height), "CLAMP")


def reduced(source: np.ndarray, factor: int) -> np.ndarray:
    """Means over factor × factor pixels; what is missing at the upper and right edge counts as nothing."""
    if factor == 1:
        return source
    height, width, channels = source.shape
    padded = np.pad(source, ((0, -height % factor), (0, -width % factor), (0, 0)))
    return padded.reshape(padded.shape[0] // factor, factor, -1, factor, channels).mean((1, 3), dtype=np.float32)


def _taps(place: np.ndarray, size: int, edges: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two pixels that a place lies between, and how far it is from the first to the second, in [0, 1]."""
    place = place + 0.5 if edges == "NONE" else place - 0.5  # with a border of nothing, pixel 0 is number 1
    if edges == "WRAP":
        first = np.floor(place)
        part, first = (place - first).astype(np.float32), first.astype(np.int64) % size
        return first, (first + 1) % size, part
    if edges == "MIRROR":
        first = np.floor(place)
        part, first = (place - first).astype(np.float32), first.astype(np.int64)
        return _reflected(first, size), _reflected(first + 1, size), part
    place = np.clip(place, 0, size - 1)
    first = np.minimum(place.astype(np.int64), max(size - 2, 0))
    return first, np.minimum(first + 1, size - 1), (place - first).astype(np.float32)


def _reflected(index: np.ndarray, size: int) -> np.ndarray:
    index = index % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


def _mix(first: np.ndarray, second: np.ndarray, part: np.ndarray) -> np.ndarray:
    return first + (second - first) * part


def _mix_infinite(first: np.ndarray, second: np.ndarray, part: np.ndarray) -> np.ndarray:
    """A place on a pixel takes nothing from its neighbour, be that infinite."""
    with np.errstate(invalid="ignore"):
        return np.where(part == 0, first, np.where(part == 1, second, _mix(first, second, part)))
