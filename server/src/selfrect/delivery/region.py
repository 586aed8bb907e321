# SPDX-License-Identifier: GPL-3.0-or-later
"""The mask: outside it the target stays bit by bit; inside, what was made is joined to it without a step."""

from __future__ import annotations

import numpy as np

from ..engine import Request


def composed(picture: np.ndarray, request: Request, wrap: tuple[bool, bool]) -> np.ndarray:
    """The picture (H, W, 3) within the mask, the target's colours around it.

    picture: of the target's size, unclipped. Inside the mask, the difference that is left along its border is spread as smoothly as can
    be (`poisson.membrane`), so that values go on across it. Where the mask is between 0 and 1, both are mixed.
    """
    if request.mask is None:
        return picture
    return mixed(joined(picture, request.target, request.mask, wrap), request.target[..., :3], request.mask)


def placed(picture: np.ndarray, request: Request, wrap: tuple[bool, bool]) -> np.ndarray:
    """As `composed`, but nothing is mixed yet: the picture wherever the mask is above 0."""
    if request.mask is None:
        return picture
    made = joined(picture, request.target, request.mask, wrap)
    return np.where(request.mask[..., None] > 0, made, request.target[..., :3])


def with_alpha(picture: np.ndarray, request: Request) -> np.ndarray:
    """The picture, (H, W, 4) where the target is transparent outside the mask: there its alpha stays, too; inside, all is opaque."""
    mask, target = request.mask, request.target
    if mask is None or target.shape[2] == 3 or not (target[mask == 0][:, 3] < 1).any():
        return picture
    alpha = target[..., 3:]
    return np.concatenate([picture, mixed(np.ones_like(alpha), alpha, mask)], axis=-1)


def mixed(inside: np.ndarray, outside: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Bit by bit the one where the mask is 1, the other where it is 0."""
    part = mask[..., None]
    return np.where(part == 0, outside, np.where(part == 1, inside, outside + part * (inside - outside))).astype(np.float32, copy=False)


def joined(picture: np.ndarray, target: np.ndarray, mask: np.ndarray, wrap: tuple[bool, bool]) -> np.ndarray:
    """The picture, moved so that along the mask's border it is the target. wrap: (x, y), which edges are none."""
    from ..poisson import membrane

    known = (mask == 0) & _visible(target)
    apart = np.where(known[..., None], np.clip(target[..., :3], 0, 1) - np.clip(picture, 0, 1), 0).astype(np.float32)
    if not apart.any():
        return picture
    return picture + np.where(known[..., None], 0, membrane(apart, known, wrap))


def _visible(target: np.ndarray) -> np.ndarray:
    return target[..., 3] > 0.5 if target.shape[2] == 4 else np.ones(target.shape[:2], bool)
