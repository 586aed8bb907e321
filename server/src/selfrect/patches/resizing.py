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


def finer(matches: torch.Tensor, before: tuple[int, int, int], now: tuple[int, int, int], size: tuple[int, int]) -> torch.Tensor:
    """The matches of the level before, at twice the size: each pixel takes the place beside its neighbour's.

    before, now: shapes of the sources (S, h, w).
    """
    _, rows, columns = before
    _, new_rows, new_columns = now
    height, width = matches.shape
    device = matches.device
    y, x = (torch.arange(length, device=device) for length in size)
    old_y, old_x = y * height // size[0], x * width // size[1]
    found = matches[old_y[:, None], old_x[None, :]]
    beside_y, beside_x = y - -(-old_y * size[0] // height), x - -(-old_x * size[1] // width)
    # the middles of both stacks lie on each other
    new_y = ((found // columns % rows - (rows - 1) / 2) * 2 + (new_rows - 1) / 2 - 0.5).round().long() + beside_y[:, None]
    new_x = ((found % columns - (columns - 1) / 2) * 2 + (new_columns - 1) / 2 - 0.5).round().long() + beside_x[None, :]
    return (found // (rows * columns) * new_rows + new_y.clamp(0, new_rows - 1)) * new_columns + new_x.clamp(0, new_columns - 1)
