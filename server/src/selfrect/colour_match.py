# SPDX-License-Identifier: GPL-3.0-or-later
"""Undoing a drift of colour: the broad colours of a result are brought back to those of its references.

Codecs and samplers shift colours (a published result turns wood from brown to orange). Only broad colour is touched, that of a
picture of some hundred pixels: what is fine, the local contrast, is the texture, and stays bit by bit what it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .asked_colours import asked_for, weighted
from .broad import enlarge_onto, reduced, reduced_with_alpha
from .colour import lab_from_srgb, srgb_from_lab
from .colour_drift import by_frequency, by_pairs, undone

_BROAD = 128  # px of the longer side of the result that its broad colours are taken at
_COLOURS = 8192
_FEWEST = 0.02  # of the picture: less tells nothing of a drift


def match_colours(
    result: np.ndarray,
    references: Sequence[np.ndarray],
    strength: float = 1.0,
    tile: tuple[bool, bool] = (False, False),
    target: np.ndarray | None = None,
    alike: np.ndarray | None = None,
) -> np.ndarray:
    """The result with its broad colours carried towards the references', (H, W, 3) float32; not clipped.

    result (H, W, 3), references (H, W, 3|4), target (H, W, 3|4) of the result's size: display-referred sRGB. strength: 0 returns the
    result as it is, 1 goes all the way. tile: (x, y), across which edges the correction itself is continuous. target: what was asked
    for; its colours say how much of which of the references' colours there should be, and where it holds colours that the references
    do not have, these stay. alike (h, w, 3) of any size: what the references show where the result's places are like them, if that is
    known; it says more of the drift than how often colours occur. The correction is a smooth function of colour (`colour_drift`), so
    a colour is shifted the same way everywhere.
    """
    if strength == 0:
        return result
    factor = max(1, -(-max(result.shape[:2]) // _BROAD))
    colours = lab_from_srgb(reduced(result[..., :3], factor))
    goal = np.concatenate([_opaque(reference, factor) for reference in references])
    free, shares = np.ones(colours.shape[:2]), None
    if target is not None:
        free, shares = asked_for(colours, *reduced_with_alpha(target, factor), goal)
    start = colours[free > 0.5]
    if len(start) < _FEWEST * free.size:
        return result
    start = _even(start)
    goal = _even(goal) if shares is None else weighted(goal, shares, _COLOURS)
    wanted = undone(colours, by_frequency(start, goal))
    if alike is not None:
        known = lab_from_srgb(reduced(_of_size(alike, result.shape[:2]), factor))
        drift, trust = by_pairs(colours[free > 0.5], known[free > 0.5])
        wanted = wanted + trust * (undone(colours, drift) - wanted)
    shift = srgb_from_lab(wanted) - srgb_from_lab(colours)
    return enlarge_onto(result, shift * (strength * free[..., None]), factor, tile)


def _opaque(reference: np.ndarray, factor: int) -> np.ndarray:
    """The broad colours (n, 3) of a reference, in Lab, of what can be seen of it."""
    broad, alpha = reduced_with_alpha(reference, factor)
    return lab_from_srgb(broad[alpha > 0.5] if (alpha > 0.5).any() else broad.reshape(-1, 3))


def _even(colours: np.ndarray) -> np.ndarray:
    """As many colours as are compared, drawn at even distances in order of lightness, so that small pictures repeat theirs."""
    ordered = colours[np.argsort(colours[:, 0], kind="stable")]
    return ordered[np.linspace(0, len(ordered) - 1, _COLOURS).round().astype(int)]


def _of_size(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The nearest of its pixels for each of a picture of this size (rows, columns)."""
    rows, columns = (np.arange(wanted) * there // wanted for wanted, there in zip(size, picture.shape[:2], strict=True))
    return picture if picture.shape[:2] == size else picture[rows[:, None], columns]
