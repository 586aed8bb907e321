# SPDX-License-Identifier: GPL-3.0-or-later
"""A new target to work on: the reference's size, depth and colour space, filled in one of three ways."""

from __future__ import annotations

import bpy
import numpy as np

from ..host import pixels
from . import images

#: identifier, name, description: the items of the operator's property
MODES = (
    ("COPY", "Copy", "All pixels of the reference, to cut, move, turn and draw in"),
    ("SHUFFLED", "Background", "The reference's pixels shuffled and transparent: what is placed on it grows into its surroundings"),
    ("EMPTY", "Empty", "Transparent black"),
)


def new_target(reference: bpy.types.Image | None, mode: str = "COPY", seed: int = 0) -> bpy.types.Image:
    """A new packed image beside the reference, which is only read.

    mode: an identifier of MODES. seed: which shuffle. Raises Problem bad_input.
    """
    source = images.read(reference, "reference")
    name = f"{images.stem(reference.name)} target"
    image = bpy.data.images.new(name, source.width, source.height, alpha=True, float_buffer=reference.is_float)
    if source.encoding == "data" or not reference.is_float:  # a new float image of colour is scene-linear already
        image.colorspace_settings.name = reference.colorspace_settings.name
    image.alpha_mode = _alpha_mode(reference, mode)
    images.fill(image, pixels.to_blender(_picture(source, mode, seed)))
    return image


def _picture(source: images.Pixels, mode: str, seed: int) -> np.ndarray:
    """(height, width, 4) float32, top row first, for a mode."""
    if mode == "COPY":
        return source.picture()
    if mode == "EMPTY":
        return np.zeros((source.height, source.width, 4), np.float32)
    straight = source.straight()
    shuffled = np.random.default_rng(seed).permutation(straight.reshape(-1, 4)).reshape(straight.shape)
    shuffled[..., 3] = 0
    return shuffled


def _alpha_mode(reference: bpy.types.Image, mode: str) -> str:
    if not reference.is_float:
        return "STRAIGHT"
    if mode == "SHUFFLED" or reference.alpha_mode == "CHANNEL_PACKED":
        return "CHANNEL_PACKED"  # the only one under which a float image keeps its colour where alpha is 0
    return "PREMUL"  # what Blender's float buffers are: "straight" would be multiplied again at the next loading
