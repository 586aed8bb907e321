# SPDX-License-Identifier: GPL-3.0-or-later
"""Sliced transport: carrying one cloud of points onto another by sorting along turned axes (Pitié, Kokaram, Dahyot 2005)."""

from __future__ import annotations

import numpy as np


def transported(points: np.ndarray, goal: np.ndarray, turns: int = 30, seed: int = 0) -> np.ndarray:
    """Where each of `points` (n, d) comes to lie when all of them together take the distribution of `goal` (n, d). Same number of both."""
    random = np.random.default_rng(seed)
    moved = np.array(points, np.float64)
    for _ in range(turns):
        axes = np.linalg.qr(random.normal(size=(points.shape[1],) * 2))[0]
        ours, theirs = moved @ axes, np.sort(goal @ axes, axis=0)
        order = np.argsort(ours, axis=0)
        step = np.empty_like(ours)
        np.put_along_axis(step, order, theirs - np.take_along_axis(ours, order, axis=0), axis=0)
        moved += step @ axes.T
    return moved
