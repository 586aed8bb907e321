# SPDX-License-Identifier: GPL-3.0-or-later
"""The edits of a target, each from images to one undo step. Buttons, tools of the mouse and scripts all call these.

Places are pixels from the lower left corner of the image, angles radians, counter-clockwise.
"""

from __future__ import annotations

import math

import bpy
import numpy as np

from ..edit import arranging, compositing, patches, paths, scattering, warping
from ..edit.patches import Placement
from ..host.engine_source import problems
from . import images
from .canvas import Canvas, pick

Image = bpy.types.Image
Points = np.ndarray | list


def stamp(
    target: Image, source: Image, points: Points, place: Placement, opacity: float = 1.0, feather: float = 0.0, wrap: bool = False
) -> None:
    """Lay a patch of `source` on the target. points: of a lasso, or two corners of a box. feather: pixels of the target."""
    patch = pick(images.read(source, "reference"), points, images.encoding(target))
    if patch is None:
        raise _nothing()
    stamp_patch(target, patch, place, opacity, feather, wrap)


def stamp_patch(target: Image, patch: patches.Patch, place: Placement, opacity: float, feather: float, wrap: bool) -> None:
    """Lay a patch that is picked already on the target."""
    canvas = Canvas(target)
    lay(canvas, patch, place, opacity, feather, wrap)
    canvas.commit("Stamp Patch")


def lay(canvas: Canvas, patch: patches.Patch, place: Placement, opacity: float, feather: float, wrap: bool) -> None:
    """Lay a patch on a canvas, which is not written yet."""
    layer = patch.layer(feather / place.scale, opacity)
    box, layer = patches.placed(layer, place, None if wrap else canvas.frame)
    canvas.stamp(layer, box, wrap)


def scatter(
    target: Image, source: Image, points: Points, count: int, seed: int, spread: scattering.Spread, opacity=1.0, feather=0.0
) -> int:
    """Lay up to `count` copies of a patch on the target, none on top of another. Returns how many found a place."""
    canvas = Canvas(target)
    patch = pick(images.read(source, "reference"), points, canvas.encoding)
    if patch is None:
        raise _nothing()
    places = scattering.scattered(patch.mask, canvas.width, canvas.height, count, seed, spread)
    for place in places:
        lay(canvas, patch, place, opacity, feather, spread.wrap)
    canvas.commit("Scatter Patch")
    return len(places)


def erase(target: Image, path: Points, radius: float, softness: float = 0.5, strength: float = 1.0, wrap: bool = False) -> None:
    """Make the target transparent along a path, with a round brush. softness: part of the radius that fades."""
    canvas = Canvas(target)
    field = paths.field(_path(path, max(radius / 6, 1)), radius + 1, None if wrap else canvas.frame)
    canvas.erase(paths.brush(field, radius, softness) * np.float32(strength), field.box, wrap)
    canvas.commit("Erase to Background")


def stroke(
    target: Image, source: Image, strip: tuple[Points, Points, float], path: Points, width: float,
    opacity: float = 1.0, softness: float = 0.3, ends: str = "MIRROR", wrap: bool = False,
) -> None:  # fmt: skip
    """Draw along a path with a strip of `source`. strip: its start, its end, its width; `width` is that of the stroke."""
    canvas = Canvas(target)
    layer, box = bent_strip(canvas, strip_from(images.read(source, "reference"), strip, canvas.encoding), path, width, softness, ends, wrap)
    canvas.stamp(layer * np.float32(opacity), box, wrap)
    canvas.commit("Draw Texture Stroke")


def strip_from(source: images.Pixels, strip: tuple[Points, Points, float], encoding: str) -> np.ndarray:
    """The strip (across, along, 4) of what was read. Raises Problem bad_input where it lies outside."""
    start, end, width = np.asarray(strip[0], float), np.asarray(strip[1], float), max(float(strip[2]), 1.0)
    margin = width / 2
    low, high = np.minimum(start, end) - margin, np.maximum(start, end) + margin
    patch = pick(source, [low, high], encoding)
    if patch is None:
        raise _nothing()
    return paths.strip_of(patch.pixels, start - patch.origin, end - patch.origin, width)


def bent_strip(canvas, strip: np.ndarray, path: Points, width: float, softness: float, ends: str, wrap: bool):
    """The layer and its box for a strip along a path."""
    field = paths.field(_path(path, max(width / 12, 2)), width / 2 + 1, None if wrap else canvas.frame)
    return paths.bent(strip, field, width, softness, ends), field.box


def warp(target: Image, offsets: np.ndarray, wrap: bool = False) -> None:
    """Drag the handles of a grid. offsets: (rows, columns, 2) pixels, from the lower left corner."""
    canvas = Canvas(target)
    box, layer = warping.warped(canvas.whole(), offsets, "WRAP" if wrap else "NONE")
    if not box.empty:
        canvas.replace(box, layer)
    canvas.commit("Warp")


def transform(
    target: Image, mirror_x: bool = False, mirror_y: bool = False, angle: float = 0.0, offset: tuple[int, int] = (0, 0), wrap: bool = False
) -> None:
    """Mirror, then turn, then push the whole target. wrap: what a turn brings in from outside is the target again."""
    canvas = Canvas(target)
    picture = arranging.mirrored(canvas.pixels, mirror_x, mirror_y) if mirror_x or mirror_y else canvas.pixels
    if angle % (2 * math.pi):
        exact = abs(math.remainder(angle, math.pi / 2)) < 1e-6
        if exact or canvas.premultiplied:
            picture = arranging.turned(picture, angle, wrap)
        else:
            picture = canvas.unmultiplied(arranging.turned(compositing.multiplied(picture), angle, wrap))
    if any(offset):
        picture = arranging.pushed(picture, *map(round, offset))
    if picture is not canvas.pixels:
        canvas.replace_all(picture)
    canvas.commit("Transform Target")


def _path(path: Points, spacing: float) -> np.ndarray:
    path = np.asarray(path, np.float64).reshape(-1, 2)
    if not len(path):
        raise problems.Problem("bad_input", "The path has no points.", "Draw it with the mouse, or give at least one point.")
    return paths.smooth(path, spacing)


def _nothing() -> problems.Problem:
    return problems.Problem("bad_input", "No pixel of the image is picked.", "Draw a box or a lasso over the image.")
