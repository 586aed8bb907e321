# SPDX-License-Identifier: GPL-3.0-or-later
"""A brick wall drawn by numbers, whose maps are functions of each other: what a field carries can be checked."""

from __future__ import annotations

import numpy as np


def height_of(size: int, seed: int = 0, scale: int = 1) -> np.ndarray:
    """(size · scale)² heights in [0, 1]: bricks of many tones, joints between, grain. The same wall at any scale."""
    random = np.random.default_rng(seed)
    side = size * scale
    tones = random.uniform(0.45, 0.8, (64, 64))
    y, x = (np.arange(side) + 0.5)[:, None] / scale, (np.arange(side) + 0.5)[None, :] / scale
    row = np.floor(y / 16).astype(int)
    shifted = x + 16 * (row % 2) + 5 * np.sin(row * 2.1)
    column = np.floor(shifted / 32).astype(int)
    from_joint = np.minimum(np.minimum(y % 16, 16 - y % 16), np.minimum(shifted % 32, 32 - shifted % 32))
    profile = np.clip((from_joint - 1) / 2.5, 0, 1)
    profile = profile * profile * (3 - 2 * profile)
    grain = _noise(random, size, y, x, 3.0) * 0.09 + _noise(random, size, y, x, 14.0) * 0.05
    return np.clip(0.1 + profile * (tones[row % 64, column % 64] - 0.1) + grain, 0, 1).astype(np.float32)


def _noise(random: np.random.Generator, size: int, y: np.ndarray, x: np.ndarray, period: float) -> np.ndarray:
    """Smooth, in about [−1, 1]."""
    knots = random.standard_normal((int(size / period) + 4, int(size / period) + 4))
    (low_y, part_y), (low_x, part_x) = (
        (np.floor(v / period).astype(int), v / period - np.floor(v / period)) for v in (y, x)
    )
    part_y, part_x = (p * p * (3 - 2 * p) for p in (part_y, part_x))
    upper = knots[low_y, low_x] * (1 - part_x) + knots[low_y, low_x + 1] * part_x
    lower = knots[low_y + 1, low_x] * (1 - part_x) + knots[low_y + 1, low_x + 1] * part_x
    return upper * (1 - part_y) + lower * part_y


def base_colour(height: np.ndarray) -> np.ndarray:
    """Grey mortar to red brick: the red channel alone says the height."""
    h = height
    return np.stack([0.2 + 0.7 * h, 0.25 + 0.35 * h - 0.2 * h * h, 0.25 + 0.15 * np.sin(4 * h)], -1).astype(np.float32)


def height_from(colour: np.ndarray) -> np.ndarray:
    return (colour[..., 0] - 0.2) / 0.7


def roughness(height: np.ndarray) -> np.ndarray:
    return (0.95 - 0.7 * height**2)[..., None].astype(np.float32)


def normal(height: np.ndarray, strength: float = 6.0) -> np.ndarray:
    """Tangent space, y up, colours in [0, 1]."""
    down, right = np.gradient(height.astype(np.float64))
    vector = np.stack([-strength * right, strength * down, np.ones_like(right)], -1)
    return (vector / np.linalg.norm(vector, axis=-1, keepdims=True) / 2 + 0.5).astype(np.float32)


def rough_target(picture: np.ndarray, size: int, angles: tuple[float, ...] = (0.0, 0.0)) -> np.ndarray:
    """(size, size, 4): pieces of the picture, cut out, turned (radians, clockwise) and put down; the rest is background."""
    target = np.zeros((size, size, 4), np.float32)
    y, x = np.mgrid[:size, :size]
    reach = size * 0.24
    for number, angle in enumerate(angles):
        middle = np.array([0.3 + 0.42 * (number % 2), 0.3 + 0.4 * ((number + number // 2) % 2)]) * size
        beside = np.stack([x - middle[0], y - middle[1]], -1)
        cos, sin = np.cos(angle), np.sin(angle)
        source = beside @ np.array([[cos, -sin], [sin, cos]]) + np.array(picture.shape[1::-1]) * (0.35 + 0.27 * (number % 2))
        inside = np.linalg.norm(beside, axis=-1) < reach
        target[inside] = np.concatenate([_bilinear(picture, source[inside]), np.ones((int(inside.sum()), 1))], 1)
    return target


def _bilinear(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    low = np.clip(np.floor(at).astype(int), 0, np.array(picture.shape[1::-1]) - 2)
    part = np.clip(at - low, 0, 1)
    x, y = low.T
    px, py = part[:, :1], part[:, 1:]
    upper = picture[y, x] * (1 - px) + picture[y, x + 1] * px
    return upper * (1 - py) + (picture[y + 1, x] * (1 - px) + picture[y + 1, x + 1] * px) * py
