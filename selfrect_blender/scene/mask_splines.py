# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own masks, drawn with curves in the Image Editor, as pixels: layers, how they are blended, soft edges.

Blender hands out no pixels of a mask but through its compositor, so the curves are filled here. Open curves cover nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np

from ..edit import masks
from ..edit.boxes import Box

_FALLOFFS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "SMOOTH": lambda part: part * part * (3 - 2 * part),
    "SPHERE": lambda part: np.sqrt(np.clip(2 * part - part * part, 0, 1)),
    "ROOT": np.sqrt,
    "INVERSE_SQUARE": lambda part: part * (2 - part),
    "SHARP": np.square,
    "LINEAR": lambda part: part,
}
_BLENDS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "MERGE_ADD": lambda below, layer: 1 - (1 - below) * (1 - layer),
    "MERGE_SUBTRACT": lambda below, layer: below * (1 - layer),
    "ADD": lambda below, layer: below + layer,
    "SUBTRACT": lambda below, layer: below - layer,
    "LIGHTEN": np.maximum,
    "DARKEN": np.minimum,
    "MUL": np.multiply,
    "REPLACE": lambda below, layer: layer,
    "DIFFERENCE": lambda below, layer: np.abs(below - layer),
}


def coverage(mask: bpy.types.Mask, width: int, height: int) -> np.ndarray:
    """(height, width) in [0, 1], bottom row first, of a mask that was drawn over an image of this size."""
    result = np.zeros((height, width), np.float32)
    for layer in mask.layers:
        if layer.hide_render:
            continue
        covered = _FALLOFFS.get(layer.falloff, _FALLOFFS["LINEAR"])(_layer(layer, width, height))
        covered = (1 - covered if layer.invert else covered) * layer.alpha
        result = np.clip(_BLENDS.get(layer.blend, np.maximum)(result, covered), 0, 1)
    return result.astype(np.float32)


def _layer(layer: bpy.types.MaskLayer, width: int, height: int) -> np.ndarray:
    """All curves of a layer; one inside another is a hole, where the layer has them."""
    covered = np.zeros((height, width), np.float32)
    for spline in layer.splines:
        if not spline.use_fill or not spline.use_cyclic or len(spline.points) < 2:
            continue
        one = masks.fading(*_outlines(spline, width, height), Box(0, 0, width, height))
        covered = covered + one - 2 * covered * one if layer.use_fill_holes else np.maximum(covered, one)
    return np.clip(covered, 0, 1)


def _outlines(spline: bpy.types.MaskSpline, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The curve and its feather, point for point, in pixels. A mask's unit is the longer side, its middle the image's."""
    points = np.array([[point.handle_left, point.co, point.handle_right] for point in spline.points], np.float64)
    curve, places = masks.bezier(points, cyclic=True)
    side = max(width, height)
    outer = curve + _outwards(curve) * _weights(spline, places)[:, None]
    middle = np.array([width, height]) / 2
    return (curve - 0.5) * side + middle, (outer - 0.5) * side + middle


def _weights(spline: bpy.types.MaskSpline, places: np.ndarray) -> np.ndarray:
    """How far the feather reaches at each place of the curve."""
    knots, values = [], []
    for number, point in enumerate(spline.points):
        knots.append(float(number))
        values.append(point.weight)
        for feather in sorted(point.feather_points, key=lambda feather: feather.u):
            knots.append(number + feather.u)
            values.append(feather.weight)
    knots.append(float(len(spline.points)))
    values.append(values[0])
    after = np.clip(np.searchsorted(knots, places, side="right"), 1, len(knots) - 1)
    low, high = np.array(knots)[after - 1], np.array(knots)[after]
    part = (places - low) / np.maximum(high - low, 1e-9)
    if spline.weight_interpolation == "EASE":
        part = part * part * (3 - 2 * part)
    values = np.array(values)
    return values[after - 1] * (1 - part) + values[after] * part


def _outwards(curve: np.ndarray) -> np.ndarray:
    """Unit normals of a closed curve that point away from its inside."""
    along = np.roll(curve, -1, axis=0) - np.roll(curve, 1, axis=0)
    length = np.maximum(np.hypot(*along.T), 1e-12)[:, None]
    x, y = curve.T
    turns = np.sign(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) or 1.0
    return turns * np.column_stack([along[:, 1], -along[:, 0]]) / length
