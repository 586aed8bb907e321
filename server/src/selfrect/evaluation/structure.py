# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the layout that the artist placed is still there, and whether its borders can be seen."""

from __future__ import annotations

import numpy as np

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_BLUR = 1 / 64  # standard deviation, of the shorter side


def structure_kept(picture: np.ndarray, target: np.ndarray, placed: np.ndarray) -> float | None:
    """Correlation of blurred luminance where something is placed: 1 is the target's own layout.

    placed: (H, W) in [0, 1], the target's alpha. None where nothing is placed or the target is flat there.
    """
    weight = np.asarray(placed, np.float64)
    one, other = (_blurred(p[..., :3] @ _LUMINANCE, weight) for p in (picture, target))
    if weight.sum() == 0:
        return None
    one, other = (x - np.average(x, weights=weight) for x in (one, other))
    spread = np.average(one**2, weights=weight) * np.average(other**2, weights=weight)
    return float(np.average(one * other, weights=weight) / np.sqrt(spread)) if spread > 1e-12 else None


def border_seen(picture: np.ndarray, placed: np.ndarray) -> float | None:
    """Difference between neighbours across the border of what is placed, over that between all other neighbours.

    About 1: the border is not sharper than the texture. None where there is no border.
    """
    inside = np.asarray(placed) >= 0.5
    across, elsewhere = [], []
    for axis in (0, 1):
        step = np.abs(np.diff(picture[..., :3], axis=axis)).mean(axis=2)
        border = np.diff(inside.astype(np.int8), axis=axis) != 0
        across.append(step[border])
        elsewhere.append(step[~border])
    across, elsewhere = np.concatenate(across), np.concatenate(elsewhere)
    return float(across.mean() / max(elsewhere.mean(), 1e-6)) if across.size else None


def _blurred(luminance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Gaussian blur in which only what is placed takes part: the background does not bleed in."""
    total = _gauss(luminance * weight)
    return np.where(weight > 0, total / np.maximum(_gauss(weight), 1e-6), 0.0)


def _gauss(x: np.ndarray) -> np.ndarray:
    sigma = max(min(x.shape) * _BLUR, 0.5)
    reach = int(3 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        x = np.apply_along_axis(np.convolve, axis, np.pad(x, [(reach, reach) if a == axis else (0, 0) for a in (0, 1)]), kernel, "valid")
    return x
