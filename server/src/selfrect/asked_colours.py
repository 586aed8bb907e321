# SPDX-License-Identifier: GPL-3.0-or-later
"""Which colours a target asks for: how much of which of the references' colours, and where others, that somebody painted on purpose.

Colours are Lab. Without this, moss of which a target has much would turn to stone, until there is as much of both as in the reference.
"""

from __future__ import annotations

import numpy as np

from .colour import lab_from_srgb

_GROUPS = 12  # of the references' colours; within one, all of its colours are as frequent as in the references
_ROUNDS = 8
_PALETTE = 2048
_OTHER = (8.0, 16.0)  # distance in Lab from the nearest of the references' colours: still theirs, surely another
_KEPT = (0.25, 0.45)  # of that distance, what of it the result still has: redrawn in their colours, kept as it was painted


def asked_for(result: np.ndarray, target: np.ndarray, alpha: np.ndarray, palette: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where colours may be corrected, (h, w) in [0, 1], and how often each of the palette's should occur, (n,).

    result (h, w, 3): Lab. target (h, w, 3): display-referred sRGB, its alpha (h, w). palette (n, 3): the references' colours, Lab.
    """
    asked = lab_from_srgb(target)
    some = palette[np.linspace(0, len(palette) - 1, min(len(palette), _PALETTE)).round().astype(int)]
    away = _to_nearest(asked, some)
    kept = _ramp(_to_nearest(result, some) / np.maximum(away, 1e-6), *_KEPT)
    painted = _ramp(away, *_OTHER) * kept * alpha
    placed = (alpha > 0.5) & (away < _OTHER[1])
    return 1 - _softened(painted), _shares(asked[placed], palette, 1 - placed.mean() - ((alpha > 0.5) & ~placed).mean())


def weighted(palette: np.ndarray, shares: np.ndarray, count: int) -> np.ndarray:
    """`count` colours of the palette, each as often as its share says, drawn at even distances in order of lightness."""
    order = np.argsort(palette[:, 0], kind="stable")
    ends = np.cumsum(shares[order])
    places = np.searchsorted(ends, (np.arange(count) + 0.5) / count * ends[-1])
    return palette[order[np.minimum(places, len(order) - 1)]]


def _shares(asked: np.ndarray, palette: np.ndarray, background: float) -> np.ndarray:
    """Of each palette colour. asked: those of what was placed; background: the part of the picture of which nothing is known."""
    centres = _centres(palette)
    group, of_asked = _nearest(palette, centres), _nearest(asked, centres) if len(asked) else np.zeros(0, int)
    size = np.bincount(group, minlength=len(centres)).astype(float)
    wanted = np.bincount(of_asked, minlength=len(centres)).astype(float)
    own = size / size.sum()
    wanted = wanted / wanted.sum() * (1 - background) + own * background if wanted.sum() else own
    return (wanted / np.maximum(size, 1))[group]


def _centres(palette: np.ndarray) -> np.ndarray:
    """Lloyd's groups of the palette, from colours at even distances in order of lightness."""
    order = np.argsort(palette[:, 0], kind="stable")
    centres = palette[order[np.linspace(0, len(order) - 1, _GROUPS + 2).round().astype(int)[1:-1]]]
    for _ in range(_ROUNDS):
        group = _nearest(palette, centres)
        size = np.bincount(group, minlength=len(centres))
        sums = np.stack([np.bincount(group, palette[:, c], len(centres)) for c in range(3)], axis=1)
        centres = np.where(size[:, None] > 0, sums / np.maximum(size, 1)[:, None], centres)
    return centres


def _nearest(colours: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.argmin(((colours[:, None] - centres[None]) ** 2).sum(-1), axis=1)


def _to_nearest(colours: np.ndarray, some: np.ndarray) -> np.ndarray:
    """The distance (h, w) of each colour (h, w, 3) from the nearest of some (n, 3)."""
    some = some.astype(np.float32)
    square = (some**2).sum(1)
    rows = [((row**2).sum(1)[:, None] - 2 * row @ some.T + square).min(1) for row in colours.astype(np.float32)]
    return np.sqrt(np.maximum(np.stack(rows), 0))


def _softened(field: np.ndarray, radius: int = 2) -> np.ndarray:
    """The largest within a few pixels, then their mean: a border of what was painted is not corrected in steps."""
    for fold in (np.maximum.reduce, lambda parts: np.mean(parts, axis=0)):
        for axis in (0, 1):
            edged = np.pad(field, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
            field = fold([edged.take(np.arange(k, k + field.shape[axis]), axis) for k in range(2 * radius + 1)])
    return field


def _ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((value - low) / (high - low), 0, 1)
