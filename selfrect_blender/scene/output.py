# SPDX-License-Identifier: GPL-3.0-or-later
"""How Blender writes a picture is said by a scene: here is one for the time of a `with`, so that none of the artist's is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy


@contextmanager
def scene(file_format: str, bits: int, mode: str = "RGB", view: str = "Raw", space: str = "") -> Iterator[bpy.types.Scene]:
    """For `image.save_render`. view: "Raw" or "Standard" (sRGB). space: instead of a view, the colour space that light is written in."""
    writing = bpy.data.scenes.new("selfrect output")
    try:
        settings = writing.render.image_settings
        if hasattr(settings, "media_type"):  # Blender 5.0 and newer
            settings.media_type = "IMAGE"
        settings.file_format, settings.color_mode, settings.color_depth = file_format, mode, str(bits)
        if space:
            settings.color_management = "OVERRIDE"
            settings.linear_colorspace_settings.name = space
        if view == "Standard":
            writing.display_settings.display_device = "sRGB"
        writing.view_settings.view_transform = view
        writing.view_settings.look = "None"
        yield writing
    finally:
        bpy.data.batch_remove([writing])  # scenes.remove crashes Blender 4.3 under --command
