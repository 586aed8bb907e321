# SPDX-License-Identifier: GPL-3.0-or-later
"""How far one texture is from another: the sliced Wasserstein distance between their feature maps (Heitz et al. 2021)."""

from __future__ import annotations

import numpy as np
import torch

from .features import maps

_PROJECTIONS = 128


def texture_distance(picture: np.ndarray, reference: np.ndarray, kind: str, seed: int = 0) -> float:
    """0 for two pictures with the same feature vectors, wherever they stand; of no unit. kind: see `features.maps`.

    The mean over the maps of the root mean square difference between sorted projections, in units of the spread of the reference.
    """
    random = torch.Generator().manual_seed(seed)
    distances = []
    with torch.inference_mode():
        for one, other in zip(maps(_chw(picture), kind), maps(_chw(reference), kind), strict=False):  # of a small one, fewer levels
            directions = torch.randn(_PROJECTIONS, one.shape[0], generator=random)
            directions /= directions.norm(dim=1, keepdim=True)
            distances.append(_sliced(one.flatten(1), other.flatten(1), directions))
    return float(np.mean(distances))


def _sliced(one: torch.Tensor, other: torch.Tensor, directions: torch.Tensor) -> float:
    """one, other: (C, n) and (C, m). directions: (k, C)."""
    count = min(one.shape[1], other.shape[1])
    a, b = (_quantiles(directions @ x, count) for x in (one, other))
    return float((a - b).square().mean().sqrt() / b.std(dim=1).square().mean().sqrt().clamp_min(1e-6))


def _quantiles(projected: torch.Tensor, count: int) -> torch.Tensor:
    """Sorted, and brought to `count` values for each direction, so that pictures of different sizes can be compared."""
    ordered = projected.sort(dim=1).values
    if ordered.shape[1] == count:
        return ordered
    return torch.nn.functional.interpolate(ordered[None], count, mode="linear", align_corners=True)[0]


def _chw(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture[..., :3].transpose(2, 0, 1), np.float32))
