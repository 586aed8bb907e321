# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage of pixels by shapes, as (h, w) float32 in [0, 1]: the lasso and its soft edge."""

from __future__ import annotations

import numpy as np

from .boxes import Box

_LINES = 8  # scan lines in a pixel's height; along a line coverage is exact


def polygon(points: np.ndarray, box: Box) -> np.ndarray:
    """How much of each pixel of `box` lies inside a closed polygon (n, 2). Loops of a lasso that cross stay filled."""
    corners = np.asarray(points, np.float64).reshape(-1, 2)
    return _covered(corners, np.roll(corners, -1, axis=0), box)


def triangles(corners: np.ndarray, box: Box) -> np.ndarray:
    """The same for many triangles (n, 3, 2) together: sides that two of them share leave no trace."""
    corners = np.asarray(corners, np.float64).reshape(-1, 3, 2)
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    clockwise = first[:, 0] * second[:, 1] < first[:, 1] * second[:, 0]
    corners = np.where(clockwise[:, None, None], corners[:, ::-1], corners)
    return _covered(corners.reshape(-1, 2), np.roll(corners, -1, axis=1).reshape(-1, 2), box)


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A mask that reaches so many pixels farther in each direction, whole there."""
    return np.maximum(mask, _box_blur(_box_blur(mask, pixels).T, pixels).T > 1e-9).astype(np.float32) if pixels > 0 else mask


def _covered(start: np.ndarray, end: np.ndarray, box: Box) -> np.ndarray:
    """The inside of directed edges that close to loops, from start (n, 2) to end (n, 2) each."""
    height, width = box.height, box.width
    start, end = start - (box.x0, box.y0), end - (box.x0, box.y0)
    down = end[:, 1] < start[:, 1]
    low, high = np.where(down[:, None], end, start), np.where(down[:, None], start, end)
    first = np.ceil(np.clip(low[:, 1], 0, height) * _LINES - 0.5).astype(np.int64)
    count = np.ceil(np.clip(high[:, 1], 0, height) * _LINES - 0.5).astype(np.int64) - first
    edge = np.repeat(np.arange(len(start)), count)  # an entry for each crossing of an edge with a scan line
    line = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    rise = np.where(count > 0, high[:, 1] - low[:, 1], 1.0)
    slope = (high[:, 0] - low[:, 0]) / rise
    x = np.clip(low[edge, 0] + ((line + 0.5) / _LINES - low[edge, 1]) * slope[edge], 0, width)
    column = np.minimum(x.astype(np.int64), width - 1)
    sign = np.where(down[edge], -1.0, 1.0)
    cell = (line // _LINES) * (width + 1) + column
    # what begins at a crossing reaches to the end of the row: differences first, their sums are the coverage
    part = x - column
    size = height * (width + 1)
    steps = np.bincount(cell, sign * (1 - part), size) + np.bincount(cell + 1, sign * part, size + 1)[:size]
    covered = np.cumsum(steps.reshape(height, width + 1), axis=1)[:, :width] / _LINES
    covered = np.minimum(np.abs(covered), 1).astype(np.float32)
    covered[covered < 1e-6] = 0  # what rounding left of edges that cancel
    covered[covered > 1 - 1e-6] = 1
    return covered


def feathered(mask: np.ndarray, radius: float) -> np.ndarray:
    """A mask that fades from its edge to full strength `radius` pixels further inside; the picture's own edge counts as one."""
    if radius < 1:
        return mask
    reach, rounds = max(round(radius / 3), 1), min(round(radius), 3)  # three boxes are as good as a bell
    border = rounds * reach
    blurred = np.pad(mask, border)
    for _ in range(rounds):
        blurred = _box_blur(_box_blur(blurred, reach).T, reach).T
    inner = blurred[border:-border, border:-border]
    return np.minimum(np.clip(2 * inner - 1, 0, 1), mask)


def _box_blur(mask: np.ndarray, reach: int) -> np.ndarray:
    """The mean over 2 · reach + 1 rows; nothing lies outside."""
    sums = np.cumsum(np.pad(mask, ((reach + 1, reach), (0, 0))), axis=0, dtype=np.float64)
    return ((sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)).astype(np.float32)


def shaded(corners: np.ndarray, values: np.ndarray, box: Box) -> np.ndarray:
    """(h, w): values (n, 3) at the corners of triangles (n, 3, 2), straight between them; the larger where triangles overlap."""
    result = np.zeros((box.height, box.width), np.float32)
    corners = np.asarray(corners, np.float64).reshape(-1, 3, 2) - (box.x0, box.y0)
    wanted = np.flatnonzero(np.asarray(values).max(1) > 0)
    for triangle, value in zip(corners[wanted], np.asarray(values, np.float64)[wanted], strict=True):
        x0, y0 = np.maximum(np.floor(triangle.min(0)).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(triangle.max(0)).astype(int), (box.width, box.height))
        (ax, ay), (bx, by) = triangle[1] - triangle[0], triangle[2] - triangle[0]
        area = ax * by - ay * bx
        if x1 <= x0 or y1 <= y0 or area == 0:
            continue
        x = np.arange(x0, x1) + 0.5 - triangle[0, 0]
        y = (np.arange(y0, y1) + 0.5 - triangle[0, 1])[:, None]
        along, up = (x * by - y * bx) / area, (y * ax - x * ay) / area
        inside = (along >= -1e-6) & (up >= -1e-6) & (along + up <= 1 + 1e-6)
        shade = np.where(inside, value[0] + along * (value[1] - value[0]) + up * (value[2] - value[0]), 0)
        place = result[y0:y1, x0:x1]
        np.maximum(place, shade, out=place, casting="same_kind")
    return np.clip(result, 0, 1)


def fading(inner: np.ndarray, outer: np.ndarray, box: Box, steps: int = 24) -> np.ndarray:
    """1 inside a closed curve (n, 2), falling evenly to 0 at another one around it, point for point."""
    if np.array_equal(inner, outer):
        return polygon(inner, box)
    parts = (np.arange(steps) + 0.5) / steps
    return np.mean([polygon(inner + part * (outer - inner), box) for part in parts], axis=0, dtype=np.float32)


def bezier(points: np.ndarray, cyclic: bool, steps: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Points (m, 2) along a curve, and where each is: its segment's number and how far along. points: (n, 3, 2), handles around each."""
    start = points if cyclic else points[:-1]
    end = np.roll(points, -1, axis=0) if cyclic else points[1:]
    t = (np.arange(steps) / steps)[None, :, None]
    s = 1 - t
    a, b, c, d = start[:, None, 1], start[:, None, 2], end[:, None, 0], end[:, None, 1]
    curve = s**3 * a + 3 * s * s * t * b + 3 * s * t * t * c + t**3 * d
    return curve.reshape(-1, 2), (np.arange(len(start))[:, None] + t[0, :, 0]).reshape(-1)
