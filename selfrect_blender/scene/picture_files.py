# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a result to a file of its own, and saving the .blend. No 8-bit step: 16-bit PNG and TIFF, 32-bit EXR."""

from __future__ import annotations

import errno
from pathlib import Path

import bpy

from ..host.engine_source import problems

#: ending → file format, bits. PNG and TIFF get display values, EXR scene-linear light.
_FORMATS = {".png": ("PNG", "16"), ".tif": ("TIFF", "16"), ".tiff": ("TIFF", "16"), ".exr": ("OPEN_EXR", "32")}


def check(path: str) -> None:
    """Raise Problem bad_input unless the ending names a format that is written here; to be called before hours of work."""
    if Path(path).suffix.lower() not in _FORMATS:
        raise problems.Problem("bad_input", f"The output “{path}” has no known ending.", f"Use one of {', '.join(_FORMATS)}.")


def save(image: bpy.types.Image, path: str) -> None:
    """Write `image` to `path`, in the format that the ending names, as it is: no view transform. Raises Problem."""
    check(path)
    target = Path(path).absolute()
    file_format, bits = _FORMATS[target.suffix.lower()]
    scene = bpy.data.scenes.new("selfrect output")  # save_render takes depth and view from a scene: one of our own
    try:
        settings = scene.render.image_settings
        if hasattr(settings, "media_type"):  # Blender 5.0 and newer
            settings.media_type = "IMAGE"
        settings.file_format, settings.color_mode, settings.color_depth = file_format, "RGB", bits
        if image.colorspace_settings.is_data:
            scene.view_settings.view_transform = "Raw"
        else:
            scene.display_settings.display_device = "sRGB"
            scene.view_settings.view_transform = "Standard"
        scene.view_settings.look = "None"
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save_render(str(target), scene=scene)
    except (RuntimeError, OSError) as error:
        raise _unwritten(str(target), error) from error
    finally:
        bpy.data.scenes.remove(scene)


def save_blend(path: str) -> str:
    """Save the .blend: to its own file where `path` is empty, else a copy. Returns where. Raises Problem."""
    if not path and not bpy.data.filepath:
        raise problems.Problem("bad_input", "The .blend has no file yet.", "Give a path to save it to.")
    where = str(Path(path).absolute()) if path else bpy.data.filepath
    try:
        bpy.ops.wm.save_as_mainfile(filepath=where, copy=bool(path))
    except RuntimeError as error:
        raise _unwritten(where, error) from error
    return where


def _unwritten(where: str, error: Exception) -> problems.Problem:
    """Blender tells of full disks in words only."""
    full = getattr(error, "errno", None) == errno.ENOSPC or "space" in str(error).lower()
    code, remedy = ("disk_full", "Free some space") if full else ("bad_input", "Check that the folder can be written to")
    return problems.Problem(code, f"“{where}” could not be written: {str(error).strip()}", f"{remedy}, or choose another place.")
