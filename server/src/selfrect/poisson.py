# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from gradients: seams are hidden where differences, and not values, are joined (Pérez, Gangnet, Blake 2003).

Arrays are NumPy's, (H, W) or (H, W, C), of any range; answers are float32 of the same shape. wrap: (x, y), which edges go around;
across the others nothing is known.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

_COARSEST = 8  # px of the shorter side where the pyramid of a membrane ends
_STEPS, _ENOUGH = 400, 1e-4  # of conjugate gradients a level at most; of the first residual

Wrap = tuple[bool, bool]


def screened(picture: np.ndarray, gx: np.ndarray, gy: np.ndarray, wrap: Wrap = (False, False), weight: float = 1e-3) -> np.ndarray:
    """The picture whose differences are nearest to gx and gy, and which stays near the one given (Bhat et al. 2008).

    gx[y, x]: wanted [y, x + 1] − [y, x], gy likewise downwards; in the last column (row) around the edge, unused where that does not
    go around. weight: how much a value counts against a difference; a change reaches about 1/√weight px. 0: the mean alone is kept.
    The very minimum, by Fourier transform where edges go around, by cosine transform (a mirrored picture) where not.
    """
    values, right, down = (_layers(part) for part in (picture, gx, gy))
    off_x, off_y = right - (values.roll(-1, 2) - values), down - (values.roll(-1, 1) - values)
    return _array(values + torch.stack([settled(*off, wrap, weight) for off in zip(off_x, off_y, strict=True)]), picture)


def settled(off_x: torch.Tensor, off_y: torch.Tensor, wrap: Wrap, weight: float) -> torch.Tensor:
    """The correction (H, W) whose differences are nearest to off_x and off_y, as `screened` weighs them; its rounding is as small as it."""
    rows, columns = off_x.shape
    off_x = off_x if wrap[0] else F.pad(off_x[:, :-1], (0, 1))
    off_y = off_y if wrap[1] else F.pad(off_y[:-1], (0, 0, 0, 1))
    source = off_x.roll(1, 1) - off_x + off_y.roll(1, 0) - off_y  # −div
    for axis, around in ((1, wrap[0]), (0, wrap[1])):
        source = source if around else torch.cat([source, source.flip(axis)], axis)
    spectrum = torch.fft.rfft2(source)
    down, across = (2 - 2 * (torch.arange(n) * (2 * torch.pi / n)).cos() for n in source.shape)
    values = down[:, None] + across[None, : spectrum.shape[1]] + weight
    values[0, 0] = weight or torch.inf  # the mean stays
    return torch.fft.irfft2(spectrum / values, s=source.shape)[:rows, :columns]


def membrane(difference: np.ndarray, known: np.ndarray, wrap: Wrap = (False, False)) -> np.ndarray:
    """A difference that is known in some places, filled in as smoothly as can be: harmonic, and so never beyond what is known.

    known (H, W) bool: where `difference` counts; there it is returned bit by bit. Where nothing is known it is 0.
    Conjugate gradients from coarse to fine (Deuflhard 1994).
    """
    known = np.asarray(known, bool)
    if not known.any():
        return np.zeros_like(difference, np.float32)
    part = tuple(_hole(~known, axis, wrap[1 - axis]) for axis in (0, 1))
    filled = np.array(difference, np.float32)
    inside = _filled(_layers(filled[part]), torch.from_numpy(np.ascontiguousarray(known[part])), _still_around(part, known.shape, wrap))
    filled[part] = np.where(known[part].reshape(known[part].shape + (1,) * (filled.ndim - 2)), filled[part], _array(inside, filled[part]))
    return filled


def _hole(unknown: np.ndarray, axis: int, around: bool) -> slice:
    """What has to be looked at along an axis: from before the first unknown line to after the last; all where it goes around."""
    lines = unknown.any(1 - axis).nonzero()[0]
    if around or not len(lines):
        return slice(0, unknown.shape[axis] if len(lines) else 0)
    return slice(max(0, int(lines[0]) - 1), int(lines[-1]) + 2)


def _still_around(part: tuple[slice, slice], shape: tuple[int, ...], wrap: Wrap) -> Wrap:
    whole = [p.start == 0 and p.stop >= n for p, n in zip(part, shape, strict=True)]
    return wrap[0] and whole[1], wrap[1] and whole[0]


def _filled(values: torch.Tensor, known: torch.Tensor, wrap: Wrap) -> torch.Tensor:
    """(C, H, W)"""
    if bool(known.all()):
        return values
    if min(known.shape) > _COARSEST:
        share = F.avg_pool2d(known[None].float(), 2, ceil_mode=True)
        fewer = F.avg_pool2d(values * known, 2, ceil_mode=True) / share.clamp_min(1e-3)
        around = tuple(w and n % 2 == 0 for w, n in zip(wrap, reversed(known.shape), strict=True))
        start = _enlarged(_filled(fewer, share[0] > 0, around), known.shape, around)
    else:
        start = (values * known).sum((1, 2), keepdim=True) / known.sum().clamp_min(1)
    return _relaxed(torch.where(known, values, start), ~known, wrap)


def _enlarged(x: torch.Tensor, shape: torch.Size, wrap: Wrap) -> torch.Tensor:
    """Twice the size, linear between the middles."""
    x = F.pad(x[None], (1, 1, 0, 0), "circular" if wrap[0] else "replicate")
    x = F.pad(x, (0, 0, 1, 1), "circular" if wrap[1] else "replicate")
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)[0, :, 2 : 2 + shape[0], 2 : 2 + shape[1]]


def _relaxed(x: torch.Tensor, free: torch.Tensor, wrap: Wrap) -> torch.Tensor:
    """The membrane through what is not free, by conjugate gradients from x (C, H, W)."""

    def tension(y: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(y)
        for axis, around in ((2, wrap[0]), (1, wrap[1])):
            step = y.diff(dim=axis)
            size = step.shape[axis]
            total.narrow(axis, 0, size).sub_(step)
            total.narrow(axis, 1, size).add_(step)
            if around:
                step = y.narrow(axis, 0, 1) - y.narrow(axis, size, 1)
                total.narrow(axis, size, 1).sub_(step)
                total.narrow(axis, 0, 1).add_(step)
        return total.mul_(free)

    def dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a * b).sum((1, 2), keepdim=True, dtype=torch.float64)

    rest = -tension(x)
    way, size = rest.clone(), dot(rest, rest)
    enough = size * _ENOUGH**2 + 1e-14 * free.sum()
    for _ in range(_STEPS):
        if bool((size <= enough).all()):
            break
        pull = tension(way)
        length = (size / dot(way, pull).clamp_min(1e-30)).float()
        x = x + length * way
        rest = rest - length * pull
        before, size = size, dot(rest, rest)
        way = rest + (size / before.clamp_min(1e-30)).float() * way
    return x


def _layers(picture: np.ndarray) -> torch.Tensor:
    """(H, W[, C]) → (C, H, W) float32"""
    whole = np.asarray(picture, np.float32)
    return torch.from_numpy(np.ascontiguousarray(whole[None] if whole.ndim == 2 else whole.transpose(2, 0, 1)))


def _array(layers: torch.Tensor, like: np.ndarray) -> np.ndarray:
    return layers[0].numpy() if like.ndim == 2 else np.ascontiguousarray(layers.permute(1, 2, 0).numpy())
