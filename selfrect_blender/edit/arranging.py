# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole pictures: mirrored, turned, pushed around, repeated, fitted into another size. All return new arrays."""

from __future__ import annotations

import math

import numpy as np

from . import sampling
from .boxes import Box
from .patches import Placement, placed

#: how a picture gets another size
FITS = ("SCALE", "CROP", "EXTEND")


def mirrored(picture: np.ndarray, x: bool = False, y: bool = False) -> np.ndarray:
    """x: left and right change places; y: top and bottom."""
    return np.ascontiguousarray(picture[:: -1 if y else 1, :: -1 if x else 1])


def turned(picture: np.ndarray, angle: float, wrap: bool = False) -> np.ndarray:
    """Turned about its middle. Quarter turns keep every pixel, and a picture that is not square changes its sides.

    Other angles keep the size: corners are cut off, and what comes in is transparent, or the picture repeated (wrap).
    """
    quarters = angle / (math.pi / 2)
    if abs(quarters - round(quarters)) < 1e-6:
        return np.ascontiguousarray(np.rot90(picture[::-1], round(quarters) % 4)[::-1])
    height, width = picture.shape[:2]
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]])
    middle = np.array([width / 2, height / 2])
    inverse = np.column_stack([linear, middle - linear @ middle])
    return sampling.transformed(picture, inverse, Box(0, 0, width, height), "WRAP" if wrap else "NONE")


def pushed(picture: np.ndarray, x: int, y: int) -> np.ndarray:
    """Moved to the right and upwards; what leaves on one side comes back on the other."""
    return np.roll(picture, (y, x), (0, 1))


def repeated(picture: np.ndarray, columns: int, rows: int) -> np.ndarray:
    """Side by side, in a picture that is so many times as large."""
    return np.tile(picture, (rows, columns, 1))


def filled(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture of that size, covered with repetitions from the lower left corner."""
    rows, columns = -(-height // picture.shape[0]), -(-width // picture.shape[1])
    return np.tile(picture, (rows, columns, 1))[:height, :width]


def fitted(picture: np.ndarray, width: int, height: int, fit: str) -> np.ndarray:
    """In another size. SCALE: stretched to it. CROP: covers it, in its own proportions. EXTEND: as large as it was, in the middle.

    EXTEND leaves transparent what is not covered, and cuts off what does not fit. picture: premultiplied.
    """
    if fit == "SCALE":
        return sampling.scaled(picture, width, height)
    canvas = np.zeros((height, width, picture.shape[2]), np.float32)
    scale = 1.0 if fit == "EXTEND" else max(width / picture.shape[1], height / picture.shape[0])
    if fit == "CROP" and scale != 1:
        picture = sampling.scaled(picture, max(round(picture.shape[1] * scale), width), max(round(picture.shape[0] * scale), height))
    box, pixels = placed(picture, Placement(width / 2, height / 2), Box(0, 0, width, height))
    canvas[box.slices] = pixels
    return canvas


def shuffled(picture: np.ndarray, seed: int) -> np.ndarray:
    """The same pixels in random order."""
    return np.random.default_rng(seed).permutation(picture.reshape(-1, picture.shape[2])).reshape(picture.shape)
