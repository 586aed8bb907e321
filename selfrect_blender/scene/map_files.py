# SPDX-License-Identifier: GPL-3.0-or-later
"""A result and its maps as files in a folder of the artist's: "bark rectified.png", "bark rectified_normal.png", …"""

from __future__ import annotations

from pathlib import Path

import bpy

from ..host.engine_source import problems
from . import color_spaces, history, picture_files, udim

#: identifier, name, description: the items of the operator's properties
FORMATS = (
    ("PNG", "PNG", "8 or 16 bits; display values, light above 1 is cut off"),
    ("TIFF", "TIFF", "8 or 16 bits; display values, light above 1 is cut off"),
    ("OPEN_EXR", "OpenEXR", "16 or 32 bits; linear light, nothing is cut off"),
)
DEPTHS = (
    ("8", "8", "256 steps; a PNG or TIFF only"),
    ("16", "16", "65,536 steps, or half floats in OpenEXR"),
    ("32", "32", "Floats; OpenEXR only"),
)
_ENDINGS = {"PNG": ".png", "TIFF": ".tif", "OPEN_EXR": ".exr"}
_BITS = {"PNG": (8, 16), "TIFF": (8, 16), "OPEN_EXR": (16, 32)}


def save(result: bpy.types.Image, folder: str, file_format: str, bits: int, use: bool = False) -> list[str]:
    """Write the result and its maps; returns the paths. bits: of a channel; what a format has not becomes the nearest it has.

    use: let the images be those files from now on, instead of packed into the .blend. Raises Problem.
    """
    where = Path(bpy.path.abspath(folder))
    if not folder or (where.exists() and not where.is_dir()):
        raise problems.Problem("bad_input", f"“{folder}” is no folder.", "Choose a folder to save to.")
    bits = min(_BITS[file_format], key=lambda offered: abs(offered - bits))
    return write(result, where / (_file_name(result.name) + _ENDINGS[file_format]), bits, use)


def write(result: bpy.types.Image, path: Path, bits: int | None = None, use: bool = False) -> list[str]:
    """Write the result to `path` and its maps beside it, "…_normal" and so on; returns the paths. bits: None: as `picture_files`."""
    paths = {image: path.with_name(f"{path.stem}_{_file_name(name)}{path.suffix}") for name, image in history.maps_of(result).items()}
    paths = {result: path, **paths}
    for image, each in paths.items():
        picture_files.save(image, str(each), bits)
    if use:
        for image, each in paths.items():
            _use(image, each)
    return [str(udim.path_of(each) if udim.is_tiled(image) else each) for image, each in paths.items()]


def _use(image: bpy.types.Image, path: Path) -> None:
    """Let an image be a file. Its name, and all that shows it, stay."""
    space = color_spaces.of_label(image)
    if image.packed_files:
        image.unpack(method="REMOVE")
    tiled = udim.is_tiled(image)
    image.source, image.filepath_raw = ("TILED", _told(udim.path_of(path))) if tiled else ("FILE", _told(path))
    if space.kind == "srgb" and path.suffix == ".exr":
        image.colorspace_settings.name = "Linear Rec.709"
    elif space.kind == "linear" and path.suffix != ".exr":
        image.colorspace_settings.name = "sRGB"
    image.reload()


def _told(path: Path) -> str:
    """As Blender is set to store paths: relative to the .blend where that has a file."""
    relative = bpy.context.preferences.filepaths.use_relative_paths and bpy.data.filepath
    return bpy.path.relpath(str(path)) if relative else str(path)


def _file_name(name: str) -> str:
    return bpy.path.clean_name(name, replace="_") if any(sign in name for sign in '/\\:*?"<>|') else name
