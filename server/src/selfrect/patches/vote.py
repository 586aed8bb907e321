# SPDX-License-Identifier: GPL-3.0-or-later
"""From matches to a picture: each pixel is the mean of what the patches over it say (Wexler, Shechtman, Irani 2007)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch


def vote(
    colours: torch.Tensor,
    matches: torch.Tensor,
    distances: torch.Tensor,
    shape: tuple[int, int, int],
    size: int,
    sharpness: float,
    wrap: tuple[bool, bool] = (False, False),
    alive: Callable[[], None] = lambda: None,
    beside: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """colours (S·h·w, C) of the sources, matches and distances (H, W) → (C, H, W).

    shape: (S, h, w). size: of the patches, px. sharpness: 0 counts all patches over a pixel alike; the higher, the more those
    count that are near and fit, so that what they disagree about is not blurred. wrap: (x, y), patches reach
    around the edges. alive: called now and then; may raise. beside: (dy, dx), what they say is beside each pixel.
    """
    height, width = matches.shape
    _, rows, columns = shape
    spread = distances.flatten().kthvalue(max(1, int(0.75 * distances.numel()))).values.clamp_min(1e-8)
    confidence = torch.exp(-((1 + sharpness) * distances / (2 * spread)).clamp_max(30))
    reach = size // 2
    total = colours.new_zeros(height, width, colours.shape[1])
    weights = colours.new_zeros(height, width)
    x, y = matches % columns, matches // columns % rows
    aside, last = beside[0] * columns + beside[1], len(colours) - 1
    whole = bool(((x >= reach) & (x < columns - reach) & (y >= reach) & (y < rows - reach)).all())  # no patch leaves its source
    for dy in range(-reach, reach + 1):
        alive()
        for dx in range(-reach, reach + 1):
            near = math.exp(-sharpness * (dy * dy + dx * dx) / (reach + 0.5) ** 2 * 2)
            place, weight = matches + (dy * columns + dx), confidence * near
            if not whole:
                inside = (x + dx >= 0) & (x + dx < columns) & (y + dy >= 0) & (y + dy < rows)
                place, weight = torch.where(inside, place, matches), weight * inside
            place, weight = place.roll((dy, dx), (0, 1)), weight.roll((dy, dx), (0, 1))
            _cut(weight, dy, dx, wrap)
            said = colours.index_select(0, (place + aside).clamp_(0, last).view(-1))
            total.addcmul_(weight[..., None], said.view(height, width, -1))
            weights += weight
    return (total / weights.clamp_min(1e-30)[..., None]).permute(2, 0, 1).contiguous()


def _cut(weight: torch.Tensor, dy: int, dx: int, wrap: tuple[bool, bool]) -> None:
    """What came around an edge that does not go around says nothing."""
    if dx and not wrap[0]:
        weight[:, slice(0, dx) if dx > 0 else slice(dx, None)] = 0
    if dy and not wrap[1]:
        weight[slice(0, dy) if dy > 0 else slice(dy, None)] = 0
