# SPDX-License-Identifier: GPL-3.0-or-later
"""A material of copper scales with verdigris whose maps are known functions of two fields: relief and age.

Drawn with NumPy alone, so that a test can ask of any result whether its maps still belong together: `base_color`, `orm` and
`normal` give what belongs to a height and an age, and the age is what the metal lacks (`orm[…, 2] = 1 − age`).
Arrays are (size, size, …) float32, top row first; x runs to the right, y downwards, both from 0 to 1.
"""

from __future__ import annotations

import numpy as np

ROWS = 9  # of scales from top to bottom, an even number of them from left to right
RELIEF = 0.035  # how far the highest point stands out, in widths of the picture
# sRGB from deep to high: crevice, copper, worn edge; and what grows over it
COPPER = ((0.00, (0.13, 0.05, 0.04)), (0.35, (0.46, 0.20, 0.12)), (0.75, (0.75, 0.41, 0.27)), (1.00, (0.97, 0.74, 0.58)))
VERDIGRIS = ((0.00, (0.05, 0.17, 0.17)), (0.50, (0.20, 0.48, 0.44)), (1.00, (0.55, 0.80, 0.70)))


def draw_material(size: int, seed: int = 4) -> dict[str, np.ndarray]:
    """ "base_color" (sRGB), "normal" (OpenGL, y up), "orm" (occlusion, roughness, metal) and "height"."""
    height, age = fields(size, seed)
    return {"base_color": base_color(height, age), "normal": normal(height), "orm": orm(height, age), "height": height}


def fields(size: int, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """The relief and the age of each place, (size, size) in [0, 1]."""
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    wave = noise(x, y, 3, seed)
    x, y = x + 0.035 * (wave - 0.5), y + 0.035 * (noise(x, y, 3, seed + 1) - 0.5)  # by hand, not by machine
    relief, own = _scales(x, y, seed)
    grain = 0.5 * noise(x, y, 24, seed + 2) + 0.3 * noise(x, y, 60, seed + 3) + 0.2 * noise(x, y, 130, seed + 4)
    dents = noise(x, y, 40, seed + 5)
    height = 0.12 + 0.72 * relief + 0.10 * (dents - 0.5) + 0.10 * (grain - 0.5)
    weather = 0.55 * noise(x, y, 5, seed + 6) + 0.25 * grain + 0.35 * own + 0.35 * (1 - relief)
    return np.clip(height, 0, 1).astype(np.float32), _rise(weather, 0.62, 0.98)


def base_color(height: np.ndarray, age: np.ndarray) -> np.ndarray:
    """(…, 3) sRGB of places with this relief and age."""
    age = age[..., None]
    return ((1 - age) * _ramp(height, COPPER) + age * _ramp(height, VERDIGRIS)).astype(np.float32)


def orm(height: np.ndarray, age: np.ndarray) -> np.ndarray:
    """(…, 3): occlusion, deeper is darker; roughness, older and deeper is rougher; metal, which age hides."""
    occlusion = 0.25 + 0.75 * _rise(height, 0.0, 0.6)
    roughness = 0.22 + 0.55 * age + 0.18 * (1 - height)
    return np.stack([occlusion, roughness, 1 - age], axis=-1).astype(np.float32)


def normal(height: np.ndarray) -> np.ndarray:
    """(size, size, 3) in [0, 1], as normal maps are written: of the relief, green up."""
    slope_y, slope_x = np.gradient(height * RELIEF * len(height))
    vectors = np.stack([-slope_x, slope_y, np.ones_like(height)], axis=-1)
    return (0.5 + 0.5 * vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def noise(x: np.ndarray, y: np.ndarray, cells: int, seed: int) -> np.ndarray:
    """Smooth values in [0, 1] between random ones at `cells` × `cells` corners."""
    values = np.random.default_rng([seed, cells]).random((cells + 1, cells + 1)).astype(np.float32)
    values[-1], values[:, -1] = values[0], values[:, 0]  # it repeats, for places beyond the borders
    column, row = np.mod(x * cells, cells), np.mod(y * cells, cells)
    left, top = column.astype(int), row.astype(int)
    across, down = (part * part * (3 - 2 * part) for part in (column - left, row - top))
    upper = values[top, left] * (1 - across) + values[top, left + 1] * across
    lower = values[top + 1, left] * (1 - across) + values[top + 1, left + 1] * across
    return upper * (1 - down) + lower * down


def _scales(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of scales, each over the one beneath it: relief in [0, 1], and a number in [0, 1] of each scale's own."""
    relief, own = np.zeros_like(x), np.zeros_like(x)
    numbers = np.random.default_rng(seed).random((ROWS + 6, ROWS + 6)).astype(np.float32)
    for row in range(ROWS + 2, -3, -1):  # from below: a later row lies on top
        shifted = x * ROWS + 0.5 * (row % 2)
        column = np.floor(shifted)
        across = 2 * (shifted - column) - 1  # −1 to 1 over a scale
        along = y * ROWS - row  # 0 at its root, about 1.6 at its tip
        edge = 1.62 - 0.62 * np.abs(across) ** 2.4
        inside = (along > -0.6) & (along < edge)
        to_rim = np.minimum(edge - along, (1 - np.abs(across)) * 1.4)
        body = 0.30 + 0.50 * np.clip(along / 1.6, 0, 1) + 0.20 * (1 - across**2)
        rim = 0.12 * np.exp(-(((to_rim - 0.09) / 0.06) ** 2)) - 0.75 * np.exp(-((to_rim / 0.035) ** 2))
        ridge = 0.10 * np.exp(-((across / 0.07) ** 2)) * _rise(along, 0.2, 0.9)
        relief[inside] = (body + rim + ridge)[inside]
        own[inside] = numbers[row + 3, np.mod(column, ROWS + 6).astype(int)][inside]
    return np.clip(relief, 0, 1), own


def _rise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    part = np.clip((values - low) / (high - low), 0, 1)
    return (part * part * (3 - 2 * part)).astype(np.float32)


def _ramp(values: np.ndarray, stops: tuple) -> np.ndarray:
    places = [place for place, _ in stops]
    return np.stack([np.interp(values, places, [colour[c] for _, colour in stops]) for c in range(3)], axis=-1)
