# SPDX-License-Identifier: GPL-3.0-or-later
"""How much each of several references is wanted at each place of a picture: their weights and regions as prices of their patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from .resizing import resized

_LEAST = 1e-3  # of the most wanted: less than this is nothing
_NEVER = 1e3  # times the variance
_DEAR = 0.05  # times the variance, for each factor of e that a reference is wanted less, or a pose was placed less
_NEAR = 0.15  # of the shorter side: from how far what was placed tells how its surroundings are turned
_RARE = 0.01  # of all that was placed nearby: less does not count less


class Leaning:
    """wanted (R, H, W) or (R, 1, 1): of each reference, at each pixel, beside the others; at least one above 0 everywhere."""

    def __init__(self, wanted: torch.Tensor):
        self.wanted = wanted

    @classmethod
    def of(
        cls, count: int, weights: Sequence[float] | None, regions: Sequence[torch.Tensor | None] | None, like: torch.Tensor
    ) -> Leaning | None:
        """None where all `count` references are wanted alike everywhere. weights: above 0, relative. regions: (H, W) in [0, 1]
        each, or None: everywhere; where none of the references has a region all count. like (C, H, W): the picture.
        """
        regions = None if regions is None or all(region is None for region in regions) else regions
        if regions is None and (weights is None or len(set(weights)) == 1):
            return None
        weight = like.new_tensor(weights or [1.0] * count)[:, None, None]
        if regions is None:
            return cls(weight)
        everywhere = like.new_ones(like.shape[1:])
        wanted = torch.stack([everywhere if region is None else region.to(like) for region in regions])
        wanted = weight * torch.where(wanted.amax(0) > 0, wanted, 1.0)
        return None if bool((wanted == wanted[:1]).all()) else cls(wanted)

    def resized(self, size: tuple[int, int]) -> Leaning:
        return self if self.wanted.shape[1] == 1 else Leaning(resized(self.wanted, size))

    def prices(self) -> torch.Tensor:
        """(R, H·W) or (R, 1), of the variance: what a patch of each reference costs besides its distance."""
        share = self.wanted / self.wanted.amax(0)
        return torch.where(share < _LEAST, _NEVER, -_DEAR * share.clamp_min(_LEAST).log()).flatten(1)

    def expected(self, places: Sequence[int]) -> list[float]:
        """How often each reference's places are to be used, 1 the average of all. places: px of each."""
        areas = self.wanted.new_tensor(places)[:, None, None]
        shares = (areas * self.wanted / (areas * self.wanted).sum(0)).flatten(1).mean(1)
        return (shares * sum(places) / areas.flatten()).clamp_min(1e-6).tolist()


def pose_prices(poses: torch.Tensor, count: int, size: tuple[int, int], wrap: tuple[bool, bool]) -> torch.Tensor:
    """(count, H, W), of the variance: dear are poses in which little was placed near a pixel. poses (H·W,): of each pixel, −1 for none."""
    placed = F.one_hot(poses + 1, count + 1).T[1:].float().view(1, count, *size)
    total = placed.sum((2, 3), keepdim=True)
    near = _blurred(placed, max(1.0, _NEAR * min(size)), wrap) + 1e-4 * total / total.sum()
    share = (near / near.amax(1, keepdim=True))[0]
    return -_DEAR * share.clamp_min(_RARE).log()


def _blurred(x: torch.Tensor, sigma: float, wrap: tuple[bool, bool]) -> torch.Tensor:
    """(1, C, H, W), Gaussian; beyond edges that do not go around is nothing."""
    for axis, around in ((3, wrap[0]), (2, wrap[1])):
        length = x.shape[axis]
        line = torch.arange(length, device=x.device)
        apart = (line[:, None] - line).abs()
        apart = torch.minimum(apart, length - apart) if around else apart
        kernel = torch.exp(-0.5 * (apart / sigma) ** 2)
        x = torch.tensordot(x, kernel / kernel.sum(1).mean(), ([axis], [0])).movedim(-1, axis)
    return x
