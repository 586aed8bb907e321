# SPDX-License-Identifier: GPL-3.0-or-later
"""Opposite edges that meet, whatever an engine made: no sharper across the wrap-around than the picture's own neighbours are.

The jump is taken out of both edges by half each, and goes on inwards as a membrane does: what is fine within a few pixels, what is
broad over the whole picture (the smooth part of Moisan 2011). Where the edges meet already, nothing is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

_MOST = 0.97  # of the mean difference between neighbours
_TIMES = 12
_BAND = 1 << 22  # numbers worked on together
_GONE = 1e-4  # of a jump: below, it is not carried on inwards

Wrap = tuple[bool, bool]


def wrap_ratio(picture: np.ndarray, axis: int) -> float:
    """Mean difference across the edge of an axis (0: y, 1: x) over that between neighbours: at most 1 where it tiles."""
    jump, usual = _differences(picture, axis)
    return jump / usual if usual > 0 else float(jump > 0)


def met(
    picture: np.ndarray, tile: Wrap, kept: Callable[[np.ndarray], np.ndarray] = lambda picture: picture
) -> tuple[np.ndarray, dict[str, float]]:
    """The picture (H, W, C) float32 with edges that meet where it tiles, x and y; and how much of the jump of each was taken out.

    kept: brings a changed picture back to what its kind has to be (in range, of unit length). Where nothing has to be done the very
    same array is returned.
    """
    left = {"x": 1.0, "y": 1.0}
    for time in range(_TIMES):
        most = _MOST * 0.7 ** max(0, time - 2)  # what is taken out of a jump is also missing between neighbours
        before = dict(left)
        for name, axis, wanted, around in (("x", 1, tile[0], tile[1]), ("y", 0, tile[1], tile[0])):
            jump, usual = _differences(picture, axis)
            if wanted and jump > usual and picture.shape[axis] > 2:
                part = 1 - most * usual / jump
                picture, left[name] = kept(_joined(picture, axis, part, around)), left[name] * (1 - part)
        if left == before:
            break
    return picture, {name: round(1 - rest, 4) for name, rest in left.items() if rest < 1}


def within_its_range(picture: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """What keeps a changed picture between the least and the greatest of its values, channel by channel."""
    low, high = picture.min((0, 1)), picture.max((0, 1))
    return lambda changed: np.clip(changed, low, high)


def _differences(picture: np.ndarray, axis: int) -> tuple[float, float]:
    """Mean difference across the edge and between neighbours."""
    lines = np.moveaxis(picture, axis, 0)
    if len(lines) < 2:
        return 0.0, 0.0
    usual = sum(float(np.abs(b - a).mean(dtype=np.float64)) for a, b in pairwise(lines)) / (len(lines) - 1)
    return float(np.abs(lines[0] - lines[-1]).mean(dtype=np.float64)), usual


def _joined(picture: np.ndarray, axis: int, part: float, around: bool) -> np.ndarray:
    """`part` of the jump across the edge of an axis taken out. around: whether the other axis goes around."""
    picture = np.array(picture, np.float32)
    lines = np.moveaxis(picture, axis, 0)
    jump = (lines[0] - lines[-1]) * np.float32(part / 2)
    length = len(jump)
    jump = jump if around else np.concatenate([jump, jump[::-1]])
    spectrum = np.fft.rfft(jump, axis=0)
    steep = np.arccosh(2 - np.cos(np.arange(len(spectrum)) * (2 * np.pi / len(jump))))  # how a wave along the edge dies away from it
    far, band = len(lines) - 1, max(1, _BAND // jump.size)
    for first in range(0, len(lines), band):
        at = np.arange(first, min(first + band, len(lines)))[:, None]
        profile = _between(at, far, steep)
        alive = np.abs(profile).max(0) > _GONE
        count = int(alive.nonzero()[0].max(initial=-1)) + 1
        if count:
            waves = np.zeros((len(at), *spectrum.shape), complex)
            waves[:, :count] = profile[:, :count, None] * spectrum[:count]
            lines[first : first + len(at)] -= np.fft.irfft(waves, len(jump), axis=1)[:, :length].astype(np.float32)
    return picture


def _between(at: np.ndarray, far: int, steep: np.ndarray) -> np.ndarray:
    """1 at 0, −1 at `far`, between them as sinh: straight for steep 0."""
    steep = np.maximum(steep, 1e-9)
    return (np.exp(-steep * at) - np.exp(-steep * (far - at))) / -np.expm1(-steep * far)
