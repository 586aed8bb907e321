# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures, guides and matches at the sizes of the pyramid."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def scales_of(side: int, coarsest: int) -> list[float]:
    """Of the levels, coarse to fine, each twice the one before."""
    count = 1
    while side // 2**count >= coarsest:
        count += 1
    return [2.0**-k for k in reversed(range(count))]


def size_of(picture: torch.Tensor, scale: float) -> tuple[int, int]:
    return tuple(max(8, round(side * scale)) for side in picture.shape[1:])


def resized(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(C, H, W) → (C, *size)."""
    if tuple(picture.shape[1:]) == tuple(size):
        return picture
    return F.interpolate(picture[None], tuple(size), mode="bilinear", antialias=True, align_corners=False)[0]


def resized_part(picture: torch.Tensor, part: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """picture (3, H, W) at one size, and how much of each pixel is `part` (H, W); what is not takes no part in its colour."""
    weight = resized(part[None], size)
    colour = resized(picture * part, size) / weight.clamp_min(1e-3)
    return torch.where(weight > 1e-3, colour, resized(picture, size)), weight[0]
