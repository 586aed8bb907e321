# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes of whole pixels: what part of a picture an edit touches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class Box(NamedTuple):
    """Pixels x0 ≤ x < x1, y0 ≤ y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @classmethod
    def around(cls, points: np.ndarray, margin: float = 0) -> Box:
        """The smallest box that holds points (n, 2), and `margin` pixels more on each side."""
        low, high = np.floor(np.min(points, 0) - margin), np.ceil(np.max(points, 0) + margin)
        return cls(int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    @property
    def width(self) -> int:
        """In pixels, not below 0."""
        return max(self.x1 - self.x0, 0)

    @property
    def height(self) -> int:
        """In pixels, not below 0."""
        return max(self.y1 - self.y0, 0)

    @property
    def empty(self) -> bool:
        """Whether no pixel lies in it."""
        return not (self.width and self.height)

    @property
    def slices(self) -> tuple[slice, slice]:
        """To index an array (H, W, …)."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def moved(self, x: int, y: int) -> Box:
        """The box elsewhere."""
        return Box(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)

    def clipped(self, width: int, height: int) -> Box:
        """What of it lies on a picture of that size."""
        return Box(max(self.x0, 0), max(self.y0, 0), min(self.x1, width), min(self.y1, height))


def pieces(box: Box, width: int, height: int, wrap: bool) -> Iterator[tuple[Box, Box]]:
    """(box on the picture, the same within `box`) for what lies on a picture of that size.

    wrap: what leaves it on one side comes back on the other.
    """
    if box.empty:
        return
    columns = range(box.x0 // width, -(-box.x1 // width)) if wrap else (0,)
    rows = range(box.y0 // height, -(-box.y1 // height)) if wrap else (0,)
    for row in rows:
        for column in columns:
            place = box.moved(-column * width, -row * height)
            part = place.clipped(width, height)
            if not part.empty:
                yield part, part.moved(-place.x0, -place.y0)
