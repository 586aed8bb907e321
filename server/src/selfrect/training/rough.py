# SPDX-License-Identifier: GPL-3.0-or-later
"""Crops made as rough as an artist's target: part of them shuffled pixels, part of them moved a little off its place.

A network that is to rectify is shown such a crop, noised, and asked for the clean one, while it looks at a reference; without
a reference it is asked for the rough one as it is. So inverting keeps what is there, and sampling with the reference mends it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

FURTHEST = 5  # px, of what was moved
_FULL_FROM = 0.5  # noise (σ) from which on a crop is as rough as it gets; with less noise it is less so


def roughened(targets: torch.Tensor, references: torch.Tensor, shift: tuple[int, int], chance: torch.Generator) -> torch.Tensor:
    """Both (n, 3, H, W); background takes the references' pixels in random order. shift: of what is moved, px. chance: of their device."""
    moved = targets.roll(shift, (2, 3))
    pixels = references.flatten(2)
    order = torch.rand(pixels[:, :1].shape, generator=chance, device=pixels.device).argsort(2).expand(-1, 3, -1)
    shuffled = pixels.gather(2, order).view_as(targets)
    rough = torch.where(_blobs(targets, chance) > 0.3, moved, targets)
    return torch.where(_blobs(targets, chance) > 0.0, shuffled, rough)


def strength(alphas: torch.Tensor) -> torch.Tensor:
    """How much of the roughness is left at these cumulative alphas (n,), as (n, 1, 1, 1): the rest is mended by then."""
    return ((1 - alphas).sqrt() / _FULL_FROM).clamp(max=1.0).view(-1, 1, 1, 1)


def _blobs(like: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """(n, 1, H, W), smooth, around 0, with features of a third to a sixth of the crop."""
    coarse = torch.randn((len(like), 1, 6, 6), generator=chance, device=like.device)
    level = torch.randn((len(like), 1, 1, 1), generator=chance, device=like.device) * 0.5
    return F.interpolate(coarse, like.shape[2:], mode="bicubic", align_corners=False) + level


def draw_shift(chance: torch.Generator) -> tuple[int, int]:
    """One for a whole batch, drawn on the processor: a GPU would be waited for."""
    return tuple(torch.randint(-FURTHEST, FURTHEST + 1, (2,), generator=chance).tolist())
