# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes: a path of the mouse made smooth, and for each pixel near it how far along and how far beside the path it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import sampling
from .boxes import Box

_ROUNDS = 3  # of cutting corners


@dataclass(frozen=True)
class Field:
    """For the pixels of a box, (h, w) each: `along` the path in pixels, `beside` it (left is positive), `distance` to it.

    Farther than the reach of the stroke the distance is infinite. Before the path's start `along` is negative.
    """

    box: Box
    along: np.ndarray
    beside: np.ndarray
    distance: np.ndarray
    length: float


def smooth(points: np.ndarray, spacing: float) -> np.ndarray:
    """Points (n, 2) as a mouse gives them → points of a smooth curve with equal steps of about `spacing` pixels, ends kept."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    points = points[np.r_[True, np.any(np.diff(points, axis=0) != 0, axis=1)]]
    if len(points) < 2:
        return points
    for _ in range(_ROUNDS if len(points) > 2 else 0):
        before, after = points[:-1], points[1:]
        corners = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], 1).reshape(-1, 2)
        points = np.concatenate([points[:1], corners, points[-1:]])
    lengths = np.r_[0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    steps = np.linspace(0, lengths[-1], max(round(lengths[-1] / spacing), 1) + 1)
    return np.column_stack([np.interp(steps, lengths, points[:, axis]) for axis in (0, 1)])


def field(path: np.ndarray, reach: float, within: Box | None = None) -> Field:
    """The field of a path (n, 2), n ≥ 1, up to `reach` pixels from it. Where a path crosses itself, the later part lies on top."""
    box = Box.around(path, reach + 1)
    if within:
        box = Box(max(box.x0, within.x0), max(box.y0, within.y0), min(box.x1, within.x1), min(box.y1, within.y1))
    shape = (box.height, box.width)
    distance, along, beside = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    lengths = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    starts = np.r_[0, np.cumsum(lengths)]
    segments = list(zip(path[:-1], path[1:], lengths, starts, strict=False)) or [(path[0], path[0], 0.0, 0.0)]
    for number, (start, end, length, begin) in enumerate(segments):
        near = Box.around(np.array([start, end]), reach + 1)
        near = Box(max(near.x0, box.x0), max(near.y0, box.y0), min(near.x1, box.x1), min(near.y1, box.y1))
        if near.empty:
            continue
        ends = (number == 0, number == len(segments) - 1)
        _add(near, box, (distance, along, beside), start, end, length, begin, reach, ends)
    return Field(box, along, beside, distance, float(starts[-1]))


def _add(near, box, arrays, start, end, length, begin, reach, ends) -> None:
    """Enter one segment where it is nearer than those before it, or where those lie much further back on the path."""
    view = near.moved(-box.x0, -box.y0).slices
    distance, along, beside = (array[view] for array in arrays)
    x = (np.arange(near.x0, near.x1) + 0.5 - start[0]).astype(np.float32)[None]
    y = (np.arange(near.y0, near.y1) + 0.5 - start[1]).astype(np.float32)[:, None]
    ahead = ((end - start) / length if length else np.array([1.0, 0.0])).astype(np.float32)
    forward = x * ahead[0] + y * ahead[1]
    sideways = y * ahead[0] - x * ahead[1]
    inside = np.clip(forward, 0, np.float32(length))
    off = np.hypot(forward - inside, sideways)
    place = np.float32(begin) + np.where((forward < 0) & ends[0] | (forward > length) & ends[1], forward, inside)
    better = (off <= reach) & ((off < distance) | (place - along > 3 * reach))
    np.copyto(distance, off, where=better)
    np.copyto(along, place, where=better)
    np.copyto(beside, np.copysign(np.where(inside == forward, np.abs(sideways), off), sideways), where=better)


def brush(field: Field, radius: float, softness: float) -> np.ndarray:
    """(h, w) in [0, 1]: the strength of a round brush drawn along a path. softness: part of the radius that fades."""
    soft = max(softness * radius, 1.0)
    return _fade((radius + 0.5 - field.distance) / soft)


def bent(strip: np.ndarray, field: Field, width: float, softness: float, ends: str = "MIRROR") -> np.ndarray:
    """A layer on the field's box: a strip (across, along, 4) laid along the path, `width` pixels wide.

    ends: what comes when the strip is used up: MIRROR (back again, without a seam), WRAP (from its start), STRETCH (never: it is
    stretched over the path). softness: part of half the width that fades, at the sides and at the ends.
    """
    across, along = strip.shape[:2]
    scale = across / width
    factor = max(int(scale), 1)
    small = sampling.reduced(strip, factor)
    pace = along / max(field.length, 1e-6) if ends == "STRETCH" else scale
    near = np.flatnonzero(np.isfinite(field.distance))  # a stroke fills little of its box
    forward, beside = field.along.ravel()[near], field.beside.ravel()[near]
    x, y = forward * (pace / factor), (beside + width / 2) * (scale / factor)
    soft = max(softness * width / 2, 1.0)
    weight = _fade((width / 2 + 0.5 - np.abs(beside)) / soft)
    weight *= _fade((np.minimum(forward, field.length - forward) + 0.5) / soft)

    def places(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        return x[first:last, None], y[first:last, None]

    colors = sampling.remapped(small, places, len(near), 1, ("CLAMP" if ends == "STRETCH" else ends, "CLAMP"))
    layer = np.zeros((*field.distance.shape, 4), np.float32)
    layer.reshape(-1, 4)[near] = colors[:, 0] * weight[:, None]
    return layer


def strip_of(picture: np.ndarray, start: tuple[float, float], end: tuple[float, float], width: float) -> np.ndarray:
    """A strip (across, along, 4) of a picture: `width` pixels wide, from start to end, its left side on top."""
    ahead = np.subtract(end, start)
    length = float(np.hypot(*ahead))
    ahead = ahead / length if length else np.array([1.0, 0.0])
    left = np.array([-ahead[1], ahead[0]])
    columns, rows = max(round(length), 1), max(round(width), 1)
    corner = np.asarray(start) - left * rows / 2
    return sampling.transformed(picture, np.column_stack([ahead, left, corner]), Box(0, 0, columns, rows), "CLAMP")


def _fade(strength: np.ndarray) -> np.ndarray:
    """0 … 1 without corners."""
    strength = np.clip(strength, 0, 1)
    return (strength * strength * (3 - 2 * strength)).astype(np.float32)
