# SPDX-License-Identifier: GPL-3.0-or-later
"""A texture that is its own reference, to be changed only within a mask: around it all of its maps stay what they are."""

from __future__ import annotations

import numpy as np

from ..engine import Request
from ..poisson import membrane
from .maps import Wrap, of_unit_length
from .region import mixed

_SAME = 1 / 512  # of a value: what went through a file is the same picture still


def own_reference(request: Request) -> int | None:
    """The number of the reference that the target is, outside the mask."""
    if request.mask is None or not (request.mask == 0).any():
        return None
    outside, target = request.mask == 0, request.target
    for number, reference in enumerate(request.references):
        if reference.shape[:2] == target.shape[:2] and np.abs(reference[outside, :3] - target[outside, :3]).max() <= _SAME:
            return number
    return None


def kept(made: np.ndarray, own: np.ndarray, mask: np.ndarray, wrap: Wrap, vectors: bool) -> np.ndarray:
    """made (h, w, C): a map that followed the picture; own (h, w, C): that of the texture itself, or of another size: then nothing is done.

    Outside the mask (H, W) it is `own` bit by bit; inside, what both differ by along the border is spread.
    """
    if own.shape != made.shape:
        return made
    rows, columns = (np.arange(n) * m // n for n, m in zip(made.shape[:2], mask.shape, strict=True))
    mask = mask[rows[:, None], columns]
    outside = (mask == 0)[..., None]
    inside = made + membrane(np.where(outside, own - made, 0).astype(np.float32), outside[..., 0], wrap)
    inside = of_unit_length(inside) if vectors else np.clip(inside, own.min((0, 1)), own.max((0, 1)))
    return mixed(inside, own, mask)
