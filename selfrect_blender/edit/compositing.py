# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying one picture over another, and taking away, in place. Where nothing is laid, not one bit changes."""

from __future__ import annotations

import numpy as np

from .boxes import Box, pieces
from .rows import by_rows


def over(target: np.ndarray, layer: np.ndarray, premultiplied: bool) -> None:
    """Lay `layer` (premultiplied) over `target`, both (h, w, 4). premultiplied: what the target's colour is."""

    def blend(first: int, last: int) -> None:
        below, above = target[first:last], layer[first:last]
        alpha = above[..., 3:]
        kept = 1 - alpha
        if premultiplied:
            mixed = below * kept
            mixed += above
        else:
            kept = kept * below[..., 3:]
            mixed = below * kept
            mixed += above
            mixed[..., 3:] = alpha + kept
            np.divide(mixed[..., :3], mixed[..., 3:], out=mixed[..., :3], where=mixed[..., 3:] > 0)
        np.clip(mixed[..., 3], 0, 1, out=mixed[..., 3])
        np.copyto(mixed, above, where=alpha == 1)
        np.copyto(below, mixed, where=alpha > 0)

    by_rows(blend, *target.shape[:2])


def erase(target: np.ndarray, strength: np.ndarray, premultiplied: bool) -> None:
    """Take alpha away: strength (h, w) in [0, 1]. The colour beneath stays where it is not multiplied with alpha."""

    def fade(first: int, last: int) -> None:
        kept = 1 - strength[first:last, :, None]
        target[first:last, :, (0 if premultiplied else 3) :] *= kept

    by_rows(fade, *target.shape[:2])


def stamp(canvas: np.ndarray, layer: np.ndarray, box: Box, premultiplied: bool, wrap: bool = False) -> list[Box]:
    """Lay a layer that belongs at `box` over a canvas. Returns the boxes of the canvas that it touched."""
    touched = []
    for place, part in pieces(box, canvas.shape[1], canvas.shape[0], wrap):
        over(canvas[place.slices], layer[part.slices], premultiplied)
        touched.append(place)
    return touched


def multiplied(picture: np.ndarray) -> np.ndarray:
    """Straight → premultiplied alpha; a copy."""
    picture = np.array(picture, np.float32)
    picture[..., :3] *= picture[..., 3:]
    return picture


def divided(picture: np.ndarray) -> np.ndarray:
    """Premultiplied → straight alpha; a copy."""
    picture = np.array(picture, np.float32)
    color, alpha = picture[..., :3], picture[..., 3:]
    np.divide(color, alpha, out=color, where=alpha > 0)
    return picture
