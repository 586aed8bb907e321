# SPDX-License-Identifier: GPL-3.0-or-later
"""A new target to work on: the reference's depth and colour space, in its size or another, with one of several contents."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..edit import arranging, compositing
from ..host.engine_source import inputs, problems
from . import color_spaces, images, masks, udim

#: identifier, name, description: the items of the operator's property
MODES = (
    ("COPY", "Copy", "All pixels of the reference, to cut, move, turn and draw in"),
    ("SHUFFLED", "Background", "The reference's pixels shuffled and transparent: what is placed on it grows into its surroundings"),
    ("EMPTY", "Empty", "Transparent black"),
    ("TILED", "Tiled", "The reference repeated side by side"),
    ("SLOT", "Paint Slot", "A copy of the image in the active paint slot, with strokes that were never saved"),
    ("UV", "UV Islands", "The reference repeated inside the active object's UV islands, transparent outside of them"),
)
#: how the reference gets another size
FITS = (
    ("SCALE", "Scale", "Stretch it to the new size"),
    ("CROP", "Crop", "Scale it until it covers the new size, cut off the rest"),
    ("EXTEND", "Extend", "Keep its size, in the middle; around it the target is transparent"),
)


@dataclass(frozen=True)
class Layout:
    """What a new target may have besides its contents. width, height: pixels, 0: as the contents are.

    columns, rows: of TILED. margin: pixels that UV islands are made larger by, so that no seam shows.
    """

    width: int = 0
    height: int = 0
    fit: str = "SCALE"
    columns: int = 2
    rows: int = 2
    margin: int = 4


def new_target(
    reference: bpy.types.Image | None,
    mode: str = "COPY",
    seed: int = 0,
    layout: Layout | None = None,
    context: bpy.types.Context | None = None,
) -> bpy.types.Image:
    """A new packed image beside the reference, which is only read.

    mode: an identifier of MODES. seed: which shuffle. context: SLOT and UV look for the active object in it. Raises Problem bad_input.
    """
    layout = layout or Layout()
    source_image = paint_slot(context or bpy.context) if mode == "SLOT" else reference
    if udim.is_tiled(source_image) and mode in ("COPY", "SLOT"):
        return udim.copy(source_image, f"{images.stem(source_image.name)} target")
    source = images.read(source_image, "reference")
    size = _size(source, mode, layout)
    coverage = masks.islands(context or bpy.context, *size, layout.margin) if mode == "UV" else None
    picture = _picture(source, mode, seed, layout, size, coverage)
    name = f"{images.stem(source_image.name)} target"
    is_data = source.encoding == "data"
    image = bpy.data.images.new(name, *size, alpha=True, float_buffer=source_image.is_float, is_data=is_data)
    space = color_spaces.working() if source_image.is_float else source_image.colorspace_settings.name
    alpha_mode = _alpha_mode(source_image, mode)
    # Set only where needed: an undo to a step that changed them reads the image anew from its packed file, without strokes made since.
    if not is_data and image.colorspace_settings.name != space:
        image.colorspace_settings.name = space
    if image.alpha_mode != alpha_mode:
        image.alpha_mode = alpha_mode
    images.fill(image, np.ascontiguousarray(picture).reshape(-1))
    return image


def paint_slot(context: bpy.types.Context) -> bpy.types.Image:
    """The image that Blender's Texture Paint draws in. Raises Problem bad_input."""
    paint, owner = context.scene.tool_settings.image_paint, context.view_layer.objects.active
    image = paint.canvas if paint.mode == "IMAGE" else None
    material = owner.active_material if owner and not image else None
    if material and material.texture_paint_images:
        slots = material.texture_paint_images
        image = slots[min(material.paint_active_slot, len(slots) - 1)]
    if image is None:
        raise problems.Problem(
            "bad_input", "There is no active paint slot.", "Select an object whose material has an image, or choose a paint slot."
        )
    return image


def _size(source: images.Pixels, mode: str, layout: Layout) -> tuple[int, int]:
    """(width, height) of the new target. Raises Problem bad_input where that is too much."""
    columns, rows = (layout.columns, layout.rows) if mode == "TILED" else (1, 1)
    width, height = layout.width or source.width * columns, layout.height or source.height * rows
    if width * height > inputs.LONGEST_SIDE["target"] ** 2:
        inputs.check_image(np.broadcast_to(np.float32(0), (height, width, 3)), "target")
    return width, height


def _picture(source: images.Pixels, mode: str, seed: int, layout: Layout, size: tuple[int, int], coverage: np.ndarray | None) -> np.ndarray:
    """(height, width, 4) float32, bottom row first, as the new image's buffer shall be."""
    if mode == "EMPTY":
        return np.zeros((size[1], size[0], 4), np.float32)
    if mode == "SHUFFLED":
        straight = source.straight()
        if (source.width, source.height) != size:  # of a larger target a part of the pixels comes more than once
            straight = arranging.filled(straight, *size)
        shuffled = arranging.shuffled(straight, seed)
        shuffled[..., 3] = 0
        return shuffled
    picture = source.picture()[::-1]
    if mode == "TILED":
        picture = arranging.repeated(picture, layout.columns, layout.rows)
    if mode == "UV":
        picture = arranging.filled(picture, *size).copy()
        compositing.erase(picture, 1 - coverage, source.premultiplied)
        return picture
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    resized = arranging.fitted(picture if source.premultiplied else compositing.multiplied(picture), *size, layout.fit)
    return resized if source.premultiplied else compositing.divided(resized)


def _alpha_mode(reference: bpy.types.Image, mode: str) -> str:
    if not reference.is_float:
        return "STRAIGHT"
    if mode == "SHUFFLED" or reference.alpha_mode == "CHANNEL_PACKED":
        return "CHANNEL_PACKED"  # the only one under which a float image keeps its colour where alpha is 0
    return "PREMUL"  # what Blender's float buffers are: "straight" would be multiplied again at the next loading
