# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoing a drift of colour: the broad colours of a result are brought back to those of its references.

Codecs and samplers shift colours (a published result turns wood from brown to orange). Only broad colour is touched, that of a
picture of some hundred pixels: what is fine, the local contrast, is the texture, and stays bit by bit what it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .colour import lab_from_srgb, srgb_from_lab
from .transport import transported

_BROAD = 128  # px of the longer side of the result that its broad colours are taken at
_COLOURS = 8192
_STIFFNESS = 1e-3  # of the fit, against its largest term


def match_colours(
    result: np.ndarray, references: Sequence[np.ndarray], strength: float = 1.0, tile: tuple[bool, bool] = (False, False)
) -> np.ndarray:
    """The result with its broad colours carried towards the references', (H, W, 3) float32; not clipped.

    result (H, W, 3), references (H, W, 3|4): display-referred sRGB. strength: 0 returns the result as it is, 1 goes all the way.
    tile: (x, y), across which edges the correction itself is continuous. The correction is a smooth function of colour (second
    degree in Lab), fitted to the sliced transport between both sets of colours; so a colour is shifted the same way everywhere.
    """
    if strength == 0:
        return result
    factor = max(1, -(-max(result.shape[:2]) // _BROAD))
    broad = _reduced(result[..., :3], factor)
    colours = lab_from_srgb(broad)
    goal = np.concatenate([lab_from_srgb(_reduced(reference[..., :3], factor)).reshape(-1, 3) for reference in references])
    start = _even(colours.reshape(-1, 3))
    fitted = _fit(start, transported(start, _even(goal)) - start)
    shift = srgb_from_lab(colours + _terms(colours) @ fitted) - srgb_from_lab(colours)
    return (result + strength * _enlarged(shift, result.shape[:2], factor, tile)).astype(np.float32)


def _even(colours: np.ndarray) -> np.ndarray:
    """As many colours as are compared, drawn at even distances in order of lightness, so that small pictures repeat theirs."""
    ordered = colours[np.argsort(colours[:, 0], kind="stable")]
    return ordered[np.linspace(0, len(ordered) - 1, _COLOURS).round().astype(int)]


def _terms(lab: np.ndarray) -> np.ndarray:
    """(…, 3) → (…, 10): constant, linear and quadratic, each about of size 1."""
    l, a, b = np.moveaxis(lab / 50.0, -1, 0)  # noqa: E741
    return np.stack([np.ones_like(l), l, a, b, l * l, a * a, b * b, l * a, l * b, a * b], axis=-1)


def _fit(colours: np.ndarray, moves: np.ndarray) -> np.ndarray:
    terms = _terms(colours)
    square = terms.T @ terms
    return np.linalg.solve(square + _STIFFNESS * square.max() / len(square) * np.eye(len(square)), terms.T @ moves)


def _reduced(picture: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor × factor pixels; at the right and lower edge of fewer."""
    rows, columns = (np.arange(0, size, factor) for size in picture.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(picture.astype(np.float64), rows, axis=0), columns, axis=1)
    counts = np.diff([*rows, picture.shape[0]])[:, None] * np.diff([*columns, picture.shape[1]])[None, :]
    return sums / counts[..., None]


def _enlarged(field: np.ndarray, size: tuple[int, int], factor: int, tile: tuple[bool, bool]) -> np.ndarray:
    """Linear between the middles of the squares that `_reduced` made; beyond the outermost ones constant, or around the edge."""
    for axis, (length, wrap) in enumerate(zip(size, reversed(tile), strict=True)):
        starts = np.arange(0, length, factor)
        middles = (starts + np.append(starts[1:], length) - 1) / 2
        if wrap:
            field = np.concatenate([field.take([-1], axis), field, field.take([0], axis)], axis)
            middles = np.concatenate([[middles[-1] - length], middles, [middles[0] + length]])
        field = _between(field, middles, np.arange(length), axis)
    return field


def _between(field: np.ndarray, at: np.ndarray, wanted: np.ndarray, axis: int) -> np.ndarray:
    """Linear interpolation along an axis."""
    place = np.interp(wanted, at, np.arange(len(at)))
    low = np.minimum(place.astype(int), len(at) - 1)
    high = np.minimum(low + 1, len(at) - 1)
    part = (place - low).reshape([-1 if a == axis else 1 for a in range(field.ndim)])
    return field.take(low, axis) * (1 - part) + field.take(high, axis) * part
