# SPDX-License-Identifier: GPL-3.0-or-later
"""The last part of a pixel: how far whole surroundings lie beside their match (Lucas and Kanade 1981)."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .nearest import pad

_REACH = 4  # px, of the surroundings that move together
_MOST = 0.75  # px: what lies farther beside is no matter of parts of a pixel
_LEAST, _GAIN = 0.1, 0.3  # px; of what was different: below, a match stays where it is, on whole pixels, where maps stay sharpest
_STEPS = 3


def moved(result: torch.Tensor, pictures: torch.Tensor, matches: torch.Tensor, wrap: tuple[bool, bool]) -> torch.Tensor:
    """Shift (2, H, W) of each match, x and y in pixels of its source, 0 where it is no better than none.

    result (C, H, W), pictures (S, C, h, w): the sources. matches (H, W): numbers of their pixels.
    """
    _, rows, columns = pictures.shape[1:]
    number, y, x = matches // (rows * columns), matches // columns % rows, matches % columns
    pictures = pictures.permute(0, 2, 3, 1).contiguous()
    shift = result.new_zeros(2, *matches.shape)
    first = (result - _read(pictures, number, y, x)).square().sum(0)
    for _ in range(_STEPS):
        at_y, at_x = y + shift[1], x + shift[0]
        rest = result - _read(pictures, number, at_y, at_x)
        slope_x = _read(pictures, number, at_y, at_x + 0.5) - _read(pictures, number, at_y, at_x - 0.5)
        slope_y = _read(pictures, number, at_y + 0.5, at_x) - _read(pictures, number, at_y - 0.5, at_x)
        xx, xy, yy, xr, yr = (
            _around((a * b).sum(0), wrap)
            for a, b in ((slope_x, slope_x), (slope_x, slope_y), (slope_y, slope_y), (slope_x, rest), (slope_y, rest))
        )
        soft = 0.02 * (xx + yy) + 1e-6  # along an edge nothing moves
        xx, yy = xx + soft, yy + soft
        whole = xx * yy - xy * xy
        shift = shift + torch.stack([(yy * xr - xy * yr) / whole, (xx * yr - xy * xr) / whole]).clamp(-0.5, 0.5)
    left = (result - _read(pictures, number, y + shift[1], x + shift[0])).square().sum(0)
    length = shift.norm(dim=0)
    better = _around(left, wrap) < (1 - _GAIN) * _around(first, wrap)
    return shift * (better & (length >= _LEAST) & (length <= _MOST))


def _read(pictures: torch.Tensor, number: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """(C, H, W), bilinear, of source `number` (H, W) of pictures (S, h, w, C) at (y, x) px."""
    _, rows, columns, channels = pictures.shape
    flat = pictures.view(-1, channels)
    y, x = y.clamp(0, rows - 1), x.clamp(0, columns - 1)
    low_y, low_x = y.floor().long().clamp_max(rows - 2), x.floor().long().clamp_max(columns - 2)
    part_y, part_x = (y - low_y)[..., None], (x - low_x)[..., None]
    at = (number * rows + low_y) * columns + low_x
    four = [flat.index_select(0, (at + beside).view(-1)).view(*at.shape, -1) for beside in (0, 1, columns, columns + 1)]
    upper, lower = (left * (1 - part_x) + right * part_x for left, right in (four[:2], four[2:]))
    return (upper * (1 - part_y) + lower * part_y).permute(2, 0, 1)


def _around(x: torch.Tensor, wrap: tuple[bool, bool]) -> torch.Tensor:
    """Mean over the surroundings."""
    reach = min(_REACH, min(x.shape) - 1)
    return F.avg_pool2d(pad(x[None, None], reach, wrap), 2 * reach + 1, stride=1)[0, 0]
