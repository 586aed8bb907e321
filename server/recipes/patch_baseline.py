# SPDX-License-Identifier: GPL-3.0-or-later
"""A plain multi-scale patch synthesis, to be compared with: what twenty years ago one would have done with the same target.

Wexler, Shechtman, Irani 2007, with the search of Barnes et al. 2009: from coarse to fine, each patch of the picture takes the
nearest of the reference in eight orientations, each pixel the mean of what its patches say; placed pixels are put back.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from selfrect.patches.nearest import Search, allowed_middles, descriptors, patch_basis
from selfrect.patches.sources import make_sources
from selfrect.patches.vote import vote

PATCH, COARSEST, ROUNDS, DIMENSIONS = 7, 32, 4, 24


@torch.inference_mode()
def baseline(reference: np.ndarray, target: np.ndarray, seed: int = 0) -> np.ndarray:
    """reference (h, w, 3), target (H, W, 4) in [0, 1], alpha 0 where nothing is placed → (H, W, 3)."""
    pictures = [torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1))) for part in (reference, target[..., :3], target[..., 3:])]
    generator, picture = torch.Generator().manual_seed(seed), None
    levels = max(0, int(np.log2(min(target.shape[:2]) / COARSEST)))
    for scale in (2.0**-level for level in range(levels, -1, -1)):
        source, guide, placed = (_sized(part, scale) for part in pictures)
        before = guide if picture is None else F.interpolate(picture[None], guide.shape[1:], mode="bilinear", align_corners=False)[0]
        picture = _level(source, before * (1 - placed) + guide * placed, guide, placed, generator)
    return picture.clamp(0, 1).permute(1, 2, 0).numpy().copy()


def _level(source, picture, guide, placed, generator: torch.Generator) -> torch.Tensor:
    sources = make_sources([source, source.flip(-1)], [k * np.pi / 2 for k in range(4)])
    allowed = allowed_middles(sources.valid, PATCH)
    basis = patch_basis(sources.pictures, allowed, PATCH, DIMENSIONS)
    theirs = descriptors(sources.pictures, basis)
    colours = sources.pictures.permute(0, 2, 3, 1).reshape(-1, 3)
    matches = None
    for _ in range(ROUNDS):
        search = Search(descriptors(picture[None], basis)[0], theirs, allowed, generator)
        matches = search.improve(search.chance() if matches is None else matches, 2)
        distances = search.patch_distance(matches).view(picture.shape[1:])
        drawn = vote(colours, matches.view(picture.shape[1:]), distances, sources.shape, PATCH, 0.0)
        picture = drawn * (1 - placed) + guide * placed
    return picture


def _sized(picture: torch.Tensor, scale: float) -> torch.Tensor:
    size = [max(PATCH + 1, round(side * scale)) for side in picture.shape[1:]]
    return F.interpolate(picture[None], size, mode="bilinear", antialias=True, align_corners=False)[0]
