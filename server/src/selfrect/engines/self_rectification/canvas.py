# SPDX-License-Identifier: GPL-3.0-or-later
"""From a picture of any size to one of whole latent pixels, and back. A texture that tiles cannot be grown: it is stretched a little."""

from __future__ import annotations

import torch
import torch.nn.functional as F

Wrap = tuple[bool, bool]  # (x, y)


def fitted(x: torch.Tensor, factor: int, wrap: Wrap) -> torch.Tensor:
    """(1, C, H, W) as the codec takes it: each side the next multiple of `factor`, stretched where it tiles, else grown."""
    for axis, around in ((2, wrap[1]), (3, wrap[0])):
        x = stretched(x, axis, x.shape[axis] + -x.shape[axis] % factor) if around else x
    return pad(x, factor)


def unfitted(x: torch.Tensor, height: int, width: int, wrap: Wrap) -> torch.Tensor:
    """The way back, (1, C, height, width)."""
    for axis, around, length in ((2, wrap[1], height), (3, wrap[0], width)):
        x = stretched(x, axis, length) if around else x
    return x[..., :height, :width]


def stretched(x: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """Resampled along an axis that goes around, by cubic interpolation (Keys 1981)."""
    old = x.shape[axis]
    if old == length:
        return x
    place = (torch.arange(length, dtype=torch.float64) + 0.5) * (old / length) - 0.5
    first = place.floor().long()
    part = (place - first).to(x)
    shape = [-1 if a == axis else 1 for a in range(x.ndim)]
    samples = [x.index_select(axis, ((first + k) % old).to(x.device)) for k in (-1, 0, 1, 2)]
    return sum(sample * weight.view(shape) for sample, weight in zip(samples, _cubic(part), strict=True))


def _cubic(t: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Weights of the four samples around a place that lies t in [0, 1) after the second."""
    return (
        ((2 - t) * t - 1) * t / 2,
        (t * t * (3 * t - 5) + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )


def pad(x: torch.Tensor, factor: int) -> torch.Tensor:
    """(1, C, H, W) grown to the right and below to multiples of the codec's factor, mirrored where there is enough to mirror."""
    height, width = x.shape[2:]
    down, right = -height % factor, -width % factor
    return F.pad(x, (0, right, 0, down), mode="reflect") if down or right else x
