# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch cut out of a picture, and where it goes: place, turn, size, mirrored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import masks, sampling
from .boxes import Box


@dataclass(frozen=True)
class Placement:
    """Where a patch's middle goes, and how it lies there. mirror_x: left and right change places, before the turn."""

    x: float
    y: float
    angle: float = 0.0
    scale: float = 1.0
    mirror_x: bool = False
    mirror_y: bool = False

    def matrix(self, width: int, height: int) -> np.ndarray:
        """(2, 3), from the patch's own pixels to the picture's; on whole pixels where turn and size allow it."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        linear = self.scale * np.array([[cos, -sin], [sin, cos]]) * (1 - 2 * self.mirror_x, 1 - 2 * self.mirror_y)
        rounded = np.rint(linear)
        crisp = np.allclose(linear, rounded, atol=1e-6) and abs(round(self.scale)) == 1
        if crisp:
            linear = rounded
        shift = np.array([self.x, self.y]) - linear @ (width / 2, height / 2)
        return np.column_stack([linear, np.rint(shift) if crisp else shift])


@dataclass(frozen=True)
class Patch:
    """Pixels (h, w, 4), premultiplied, and how much of each is meant: mask (h, w). origin: its lower left pixel in the source."""

    pixels: np.ndarray
    mask: np.ndarray
    origin: tuple[int, int] = (0, 0)

    def layer(self, feather: float = 0.0, opacity: float = 1.0) -> np.ndarray:
        """What is laid down: the pixels where the mask lets them be seen. feather: pixels of the patch."""
        weight = masks.feathered(self.mask, feather) * np.float32(opacity)
        return self.pixels * weight[..., None]


def cut(picture: np.ndarray, points: np.ndarray) -> Patch | None:
    """The part of a picture inside a closed polygon (n, 2); two points are the corners of a box. None where that is nothing.

    picture: straight or premultiplied, the patch is what it is.
    """
    points = np.asarray(points, np.float64).reshape(-1, 2)
    if len(points) == 2:
        low, high = np.floor(points.min(0) + 1e-4), np.ceil(points.max(0) - 1e-4)  # whole pixels: a box has no half ones
        points = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    box = Box.around(points).clipped(picture.shape[1], picture.shape[0])
    if box.empty:
        return None
    mask = masks.polygon(points, box)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    tight = Box(box.x0 + columns[0], box.y0 + rows[0], box.x0 + columns[-1] + 1, box.y0 + rows[-1] + 1)
    inner = tight.moved(-box.x0, -box.y0)
    return Patch(np.array(picture[tight.slices], np.float32), mask[inner.slices], (int(tight.x0), int(tight.y0)))


def placed(layer: np.ndarray, placement: Placement, within: Box | None = None) -> tuple[Box, np.ndarray]:
    """A layer (h, w, C) as it lies on the picture: the box it takes there, and its pixels.

    within: only this part of the picture is wanted.
    """
    height, width = layer.shape[:2]
    matrix = placement.matrix(width, height)
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) @ matrix[:, :2].T + matrix[:, 2]
    soft = 0.0 if np.array_equal(matrix, np.rint(matrix)) else 1.0  # between pixels an edge reaches half a pixel further
    box = Box.around(np.round(corners, 6), soft)
    if within:
        box = Box(max(box.x0, within.x0), max(box.y0, within.y0), min(box.x1, within.x1), min(box.y1, within.y1))
    if box.empty:
        return box, np.zeros((0, 0, layer.shape[2]), np.float32)
    linear = np.linalg.inv(matrix[:, :2])
    if soft == 0:
        linear = np.rint(linear)
    inverse = np.column_stack([linear, -linear @ matrix[:, 2]])
    return box, sampling.transformed(layer, inverse, box)
