# SPDX-License-Identifier: GPL-3.0-or-later
"""The dominant directions of a picture: how its lines run, by the structure tensor (Bigün, Granlund 1987)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

Directions = list[float]  # radians in [0, π), clockwise from the right as seen (y down), the strongest first

_BINS = 36
_SMOOTH = 3.0  # px, of the tensor
_PEAK = 0.4  # of the strongest: less is no direction of its own
_CLEAR = 2.0  # times the average of all directions
_APART = 4  # bins between two directions


def directions(picture: torch.Tensor, weight: torch.Tensor) -> Directions:
    """picture (3, H, W), weight (H, W) in [0, 1]: how much each pixel counts. Empty where lines run everywhere alike."""
    histogram = _histogram(picture.mean(0), weight)
    if float(histogram.max()) < _CLEAR * float(histogram.mean()) or float(histogram.max()) == 0:
        return []
    found: list[int] = []
    for k in histogram.argsort(descending=True).tolist():
        if histogram[k] < _PEAK * histogram.max():
            break
        if all(min(abs(k - other), _BINS - abs(k - other)) >= _APART for other in found):
            found.append(k)
    return [(k + 0.5) * math.pi / _BINS for k in found]


def _histogram(grey: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """(_BINS,): how much of the picture runs in each direction."""
    slope = torch.tensor([[-0.5, 0.0, 0.5]])
    padded = F.pad(grey[None, None], (1, 1, 1, 1), "replicate")
    x = F.conv2d(padded[..., 1:-1, :], slope[None, None])[0, 0]
    y = F.conv2d(padded[..., 1:-1], slope.T[None, None])[0, 0]
    inside = weight * -F.max_pool2d(-F.pad(weight[None, None], (1, 1, 1, 1), "replicate"), 3, stride=1)[0, 0]  # a border is no line
    xx, xy, yy = (_smooth(part * inside) for part in (x * x, x * y, y * y))
    across = torch.atan2(2 * xy, xx - yy) / 2  # of the slope; lines run at a right angle to it
    strength = ((xx - yy) ** 2 + 4 * xy**2).sqrt()  # times how clear the direction is
    bins = ((across / math.pi + 0.5) % 1 * _BINS).long().clamp(0, _BINS - 1)
    histogram = torch.zeros(_BINS).index_add_(0, bins.flatten(), strength.flatten())
    return (histogram.roll(1) + 2 * histogram + histogram.roll(-1)) / 4


def _smooth(x: torch.Tensor) -> torch.Tensor:
    reach = round(3 * _SMOOTH)
    line = torch.exp(-((torch.arange(-reach, reach + 1) / _SMOOTH) ** 2) / 2)
    line = line / line.sum()
    padded = F.pad(x[None, None], (reach, reach, reach, reach), "replicate")
    return F.conv2d(F.conv2d(padded, line.view(1, 1, 1, -1)), line.view(1, 1, -1, 1))[0, 0]
