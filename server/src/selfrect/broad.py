# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture's broad colours, and a broad change put onto the full picture: means of squares, and linear between their middles."""

from __future__ import annotations

import numpy as np

_ROWS = 256  # enlarged at a time: a picture of 4096² is not held three times


def reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor × factor pixels, float64; at the right and lower edge of fewer."""
    rows, columns = (np.arange(0, size, factor) for size in picture.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(picture, rows, axis=0, dtype=np.float64), columns, axis=1)
    counts = np.diff([*rows, picture.shape[0]])[:, None] * np.diff([*columns, picture.shape[1]])[None, :]
    return sums / counts[..., None]


def reduced_with_alpha(picture: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3|4) → means of the colours that can be seen (h, w, 3), and of the alpha (h, w)."""
    if picture.shape[2] == 3:
        broad = reduced(picture, factor)
        return broad, np.ones(broad.shape[:2])
    alpha = picture[..., 3:]
    whole = reduced(np.concatenate([picture[..., :3] * alpha, alpha], axis=-1), factor)
    return whole[..., :3] / np.maximum(whole[..., 3:], 1e-6), whole[..., 3]


def enlarge_onto(picture: np.ndarray, field: np.ndarray, factor: int, tile: tuple[bool, bool] = (False, False)) -> np.ndarray:
    """The picture plus the field (h, w, C), (H, W, C) float32. The field is linear between the middles of the squares that `reduced` made.

    Beyond the outermost middles it is constant, or goes on around the edge where it tiles: (x, y).
    """
    height, width = picture.shape[:2]
    wide = enlarged(field, width, factor, axis=1, wrap=tile[0])
    whole = np.empty((height, width, field.shape[2]), np.float32)
    for top in range(0, height, _ROWS):
        rows = slice(top, min(top + _ROWS, height))
        whole[rows] = picture[rows] + enlarged(wide, height, factor, axis=0, wrap=tile[1], wanted=np.arange(rows.start, rows.stop))
    return whole


def enlarged(field: np.ndarray, length: int, factor: int, axis: int, wrap: bool, wanted: np.ndarray | None = None) -> np.ndarray:
    """Along one axis, to `length` pixels, or those of them that are wanted."""
    starts = np.arange(0, length, factor)
    middles = (starts + np.append(starts[1:], length) - 1) / 2
    if wrap:
        field = np.concatenate([field.take([-1], axis), field, field.take([0], axis)], axis)
        middles = np.concatenate([[middles[-1] - length], middles, [middles[0] + length]])
    return _between(field, middles, np.arange(length) if wanted is None else wanted, axis)


def _between(field: np.ndarray, at: np.ndarray, wanted: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation along an axis."""
    place = np.interp(wanted, at, np.arange(len(at)))
    low = np.minimum(place.astype(int), len(at) - 1)
    high = np.minimum(low + 1, len(at) - 1)
    part = (place - low).reshape([-1 if a == axis else 1 for a in range(field.ndim)])
    return field.take(low, axis) * (1 - part) + field.take(high, axis) * part
