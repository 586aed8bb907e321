# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for many copies of a patch, none on top of another. Tried on a coarse picture of what is taken already."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from . import sampling
from .boxes import Box, pieces
from .patches import Placement, placed

_COARSE = 512  # pixels of the longer side
_TRIES = 60  # for each copy
_SHRINKS = 0.9  # copies that find no place may be this much smaller, down to the smallest that is allowed


@dataclass(frozen=True)
class Spread:
    """How copies differ. turn: up to so many radians either way. smallest, largest: their sizes. gap: pixels between them.

    mirror: some are mirrored. wrap: what leaves the picture on one side comes back on the other, else all stay inside.
    """

    turn: float = math.pi
    smallest: float = 0.75
    largest: float = 1.25
    gap: float = 0.0
    mirror: bool = False
    wrap: bool = False


def scattered(mask: np.ndarray, width: int, height: int, count: int, seed: int, spread: Spread) -> list[Placement]:
    """Up to `count` places on a picture of that size for a patch with the mask (h, w). Same seed, same places."""
    coarse = max(-(-max(width, height) // _COARSE), 1)
    small = sampling.reduced(mask[..., None], coarse)
    small = np.pad(small, ((1, 1), (1, 1), (0, 0)))
    taken = np.zeros((-(-height // coarse), -(-width // coarse)), bool)
    random = np.random.default_rng(seed)
    found: list[Placement] = []
    for _ in range(count):
        place = _find(small, taken, random, coarse, spread)
        if place is None:
            break  # where so many tries found nothing, the picture is full
        found.append(place)
    return found


def _find(small: np.ndarray, taken: np.ndarray, random: np.random.Generator, coarse: int, spread: Spread) -> Placement | None:
    """A free place for one more, entered into `taken`; in coarse pixels for the mask, in whole ones in the answer."""
    rows, columns = taken.shape
    size = random.uniform(spread.smallest, spread.largest)
    for number in range(_TRIES):
        if number % 10 == 9:
            size = max(size * _SHRINKS, spread.smallest)
        mirror = bool(spread.mirror and random.random() < 0.5)
        angle = random.uniform(-spread.turn, spread.turn)
        x, y = random.uniform(0, columns), random.uniform(0, rows)
        if taken[min(int(y), rows - 1), min(int(x), columns - 1)]:
            continue
        box, shape = placed(small, Placement(x, y, angle, size, mirror))
        shape = shape[..., 0] > 1e-3
        if _free(taken, box, shape, spread.wrap):
            _take(taken, box, shape, spread.wrap, math.ceil(spread.gap / coarse))
            return Placement(x * coarse, y * coarse, angle, size, mirror)
    return None


def _free(taken: np.ndarray, box: Box, shape: np.ndarray, wrap: bool) -> bool:
    height, width = taken.shape
    parts = list(pieces(box, width, height, wrap))
    if not wrap and int(shape.sum()) != sum(int(shape[part.slices].sum()) for _, part in parts):
        return False
    if wrap and (box.width > width or box.height > height):
        return False
    return not any((taken[place.slices] & shape[part.slices]).any() for place, part in parts)


def _take(taken: np.ndarray, box: Box, shape: np.ndarray, wrap: bool, gap: int) -> None:
    shape = np.pad(shape, gap)
    for axis in (0, 1):
        grown = shape.copy()
        for step in range(1, gap + 1):
            grown |= np.roll(shape, step, axis) | np.roll(shape, -step, axis)
        shape = grown
    grown_box = Box(box.x0 - gap, box.y0 - gap, box.x1 + gap, box.y1 + gap)
    for place, part in pieces(grown_box, taken.shape[1], taken.shape[0], wrap):
        taken[place.slices] |= shape[part.slices]
