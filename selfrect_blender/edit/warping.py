# SPDX-License-Identifier: GPL-3.0-or-later
"""Warp: a grid of handles; the picture follows each exactly and is smooth between them (Catmull-Rom splines)."""

from __future__ import annotations

import numpy as np

from . import sampling
from .boxes import Box

_LATTICE = 8  # pixels between the places where the inverse is computed; between them it is a spline again
_ROUNDS, _CLOSE = 40, 0.01  # of the inverse: at most so many, until no place moves farther (pixels)


def warped(picture: np.ndarray, offsets: np.ndarray, edges: str = "NONE") -> tuple[Box, np.ndarray]:
    """The part of a premultiplied picture that changes when its handles are dragged, and its new pixels.

    offsets: (rows, columns, 2) pixels; handles stand evenly from the lower left corner to the upper right one.
    edges: of sampling.EDGES, what comes in from outside.
    """
    height, width = picture.shape[:2]
    offsets = np.asarray(offsets, np.float64)
    box = _affected(offsets, width, height)
    if box.empty:
        return box, picture[box.slices]
    x = np.arange(-1, box.width // _LATTICE + 3) * _LATTICE + box.x0 + 0.5
    y = np.arange(-1, box.height // _LATTICE + 3) * _LATTICE + box.y0 + 0.5
    moves = _sources(offsets, x, y, width, height)

    def places(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = np.arange(first, last), np.arange(box.width)
        move = _between(_between(moves, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
        return move[..., 0] + (columns + box.x0 + 0.5), move[..., 1] + (rows + box.y0 + 0.5)[:, None]

    return box, sampling.remapped(picture, places, box.height, box.width, (edges, edges))


def displaced(offsets: np.ndarray, x: np.ndarray, y: np.ndarray, width: int, height: int) -> np.ndarray:
    """How far places x, y (n,) of the picture move: (n, 2). What the preview draws is the same function."""
    rows, columns = offsets.shape[:2]
    across = _basis(columns, x / width * (columns - 1))
    up = _basis(rows, y / height * (rows - 1))
    return np.stack([np.einsum("ki,ki->k", up @ offsets[..., axis], across) for axis in (0, 1)], axis=1)


def _sources(offsets: np.ndarray, x: np.ndarray, y: np.ndarray, width: int, height: int) -> np.ndarray:
    """Where the pixels at x (w,) and y (h,) come from, as (h, w, 2) to add to the place: q with q + displaced(q) = place."""
    place = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    found = place - displaced(offsets, *place.T, width, height)
    for _ in range(_ROUNDS):
        better = place - displaced(offsets, *found.T, width, height)
        farthest = np.abs(better - found).max()
        found = better if farthest < 1 else (better + found) / 2  # slower, but it does not swing where the grid is steep
        if farthest < _CLOSE:
            break
    return (found - place).reshape(len(y), len(x), 2).astype(np.float32)


def _affected(offsets: np.ndarray, width: int, height: int) -> Box:
    """What can change: two cells around each handle that was moved, and as far as it was dragged."""
    rows, columns = np.nonzero(np.any(offsets != 0, axis=2))
    if not len(rows):
        return Box(0, 0, 0, 0)
    cell = np.array([width / (offsets.shape[1] - 1), height / (offsets.shape[0] - 1)])
    handles = np.column_stack([columns, rows]) * cell
    reach = 2 * cell + np.abs(offsets).max()
    return Box.around(np.concatenate([handles - reach, handles + reach])).clipped(width, height)


def _basis(count: int, place: np.ndarray) -> np.ndarray:
    """Weights (n, count) of evenly spaced values at places (n,) from 0 to count − 1; farther out it stays as it is there."""
    inside = np.clip(place, 0, count - 1)
    first = np.minimum(inside.astype(np.int64), count - 2)
    t = (inside - first)[:, None]
    cubic = np.hstack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3]) / 2
    weights = np.zeros((len(place), count + 2))
    every = np.arange(len(place))
    for tap in range(4):
        weights[every, first + tap] = cubic[:, tap]
    before, after = weights[:, :1], weights[:, -1:]  # values beyond the ends continue the line: 2 · end − the next one
    weights = weights[:, 1:-1].copy()
    weights[:, :2] += before * (2, -1) if count > 1 else 0
    weights[:, -2:] += after * (-1, 2)
    return weights


def _between(moves: np.ndarray, index: np.ndarray) -> np.ndarray:
    """(len(index), …): the lattice's first axis at pixels counted from its second line, by a cubic through four of its lines."""
    first, part = np.divmod(index, _LATTICE)
    t = (part / np.float32(_LATTICE)).astype(np.float32).reshape((-1,) + (1,) * (moves.ndim - 1))
    return 0.5 * (
        (-t + 2 * t**2 - t**3) * moves[first]
        + (2 - 5 * t**2 + 3 * t**3) * moves[first + 1]
        + (t + 4 * t**2 - 3 * t**3) * moves[first + 2]
        + (t**3 - t**2) * moves[first + 3]
    )
