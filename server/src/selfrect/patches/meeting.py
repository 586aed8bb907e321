# SPDX-License-Identifier: GPL-3.0-or-later
"""Edges that are to go around and do not meet: what is placed along them is let go, for the references to go on across them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F

from .given import Given

_BAND = 0.12  # of the shorter side: what is let go to each side of the edge, at most
_STEP, _UNLIKE = 1.3, 1.3  # times what is usual, from which on an edge does not meet
_LEAST = 0.5 / 255  # a smaller difference is none
_WAVES = 0.3  # of the band: how much its borders go to and fro, so that no straight line is left anywhere


def let_go(given: Given, seen: torch.Tensor, placed: torch.Tensor, unlike: torch.Tensor, seed: int) -> Given:
    """What is given, with nothing placed around those parts of the edges that do not meet. Pixels that stay are not touched.

    seen (3, h, w), placed (h, w) bool: the target at some size; unlike (h, w): how far its patches are from the references, around
    the edges where they go around.
    """
    opened = torch.zeros_like(given.placed, dtype=torch.bool) if given.opened is None else given.opened.clone()
    for axis, name in ((1, 0), (0, 1)):
        if given.wrap[name]:
            across = [part if axis == 1 else part.mT for part in (seen, placed, unlike, opened)]
            across[3] |= _along(*across[:3], across[3].shape, given.wrap[1 - name], seed + axis)
    if given.fixed is not None:
        opened &= ~given.fixed
    return replace(given, placed=torch.where(opened, 0.0, given.placed), opened=opened) if bool(opened.any()) else given


def bridges(opened: torch.Tensor, block: int, wrap: tuple[bool, bool]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Rows (b, 1) and columns (b,) of blocks whose middles lie on the edges around which something is opened (H, W) bool.

    So what is laid there first goes across the edge, and does not end at it.
    """
    found, line = [], torch.arange(block, device=opened.device)
    for axis, around in ((1, wrap[0]), (0, wrap[1])):
        for start in range(0, opened.shape[1 - axis] if around else 0, max(1, block * 2 // 3)):
            across, along = ((line + begin) % opened.shape[a] for a, begin in ((axis, -(block // 2)), (1 - axis, start)))
            part = (along[:, None], across) if axis == 1 else (across[:, None], along)
            if bool(opened[part].any()):
                found.append(part)
    return found


def apart(seen: torch.Tensor, placed: torch.Tensor, unlike: torch.Tensor, around: bool, reach: int) -> torch.Tensor:
    """(h,) bool: where the left and the right edge do not meet: there is a step, and what lies around it is not like the references.

    As `let_go`. around: whether the other edges go around; reach: px along the edge that are looked at together.
    """
    both = (placed[:, 0] & placed[:, -1]).float()
    before, across, after = seen[:, :, [-2, -1, 0, 1]].diff(dim=2).abs().mean(0).T * both
    usual = unlike[placed].median() if bool(placed.any()) else unlike.mean()
    count = _mean(both, reach, around)
    step = _mean(across, reach, around) / (_mean((before + after) / 2, reach, around) + _LEAST * count).clamp_min(1e-9)
    far = _mean(unlike[:, [0, -1]].amax(1) * both, reach, around) / (usual * count).clamp_min(1e-9)
    return (both > 0) & (step > _STEP) & (far > _UNLIKE)


def _along(seen, placed, unlike, size: tuple[int, int], around: bool, seed: int) -> torch.Tensor:
    """(H, W) bool: what is let go along the left and the right edge."""
    height, width = size
    reach = max(2, round(_BAND * min(placed.shape) / 2))
    share = _mean(_most(apart(seen, placed, unlike, around, reach).float(), reach, around), reach, around)
    share = F.interpolate(share[None, None], height, mode="linear")[0, 0]
    band = min(_BAND * min(size), width / 4)
    right, left = (share * border.to(share) for border in borders(height, band, seed))
    place = torch.arange(width, device=share.device) + 0.5
    return (place < right[:, None]) | (width - place < left[:, None])


def borders(length: int, band: float, seed: int) -> torch.Tensor:
    """(2, length): how far to both sides of an edge a band along it reaches, at most `band`; in waves by chance, which go around."""
    generator = torch.Generator().manual_seed(seed)
    count = max(1, round(length / (3 * band)))
    phases = torch.rand(2, count, 1, generator=generator) * 2 * math.pi
    line = torch.arange(length) * (2 * math.pi / length)
    waves = torch.sin(torch.arange(1, count + 1)[:, None] * line + phases).sum(1)
    return band * (1 + _WAVES * (waves / waves.abs().amax(1, keepdim=True).clamp_min(1e-6) - 1))


def _mean(line: torch.Tensor, reach: int, around: bool) -> torch.Tensor:
    return F.avg_pool1d(_pad(line, reach, around), 2 * reach + 1, stride=1)[0, 0]


def _most(line: torch.Tensor, reach: int, around: bool) -> torch.Tensor:
    return F.max_pool1d(_pad(line, reach, around), 2 * reach + 1, stride=1)[0, 0]


def _pad(line: torch.Tensor, reach: int, around: bool) -> torch.Tensor:
    return F.pad(line[None, None], (reach, reach), "circular" if around and reach <= len(line) else "replicate")
