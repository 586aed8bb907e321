# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a result to a file of its own, and saving the .blend. No 8-bit step: 16-bit PNG and TIFF, 32-bit EXR."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import bpy

from ..host import pixels, png
from ..host.engine_source import problems
from . import color_spaces, images, landing, output, udim

#: ending → file format, bits of each channel. PNG and TIFF get display values, EXR scene-linear light.
_FORMATS = {".png": ("PNG", 16), ".tif": ("TIFF", 16), ".tiff": ("TIFF", 16), ".exr": ("OPEN_EXR", 32)}
_SPARE = 1 << 20  # bytes: headers, and what others write meanwhile


def check(path: str) -> None:
    """Raise Problem bad_input unless the ending names a format that is written here; to be called before hours of work."""
    if Path(path).suffix.lower() not in _FORMATS:
        raise problems.Problem("bad_input", f"The output “{path}” has no known ending.", f"Use one of {', '.join(_FORMATS)}.")


def save(image: bpy.types.Image, path: str, bits: int | None = None) -> None:
    """Write `image` to `path`, in the format that the ending names, as it is: no view transform. bits: of a channel; None: see above.

    A file that is there already is replaced only when the new one is complete. Of UDIM tiles each gets its file, see `udim.path_of`.
    Raises Problem.
    """
    check(path)
    if udim.is_tiled(image):
        for number, tile in udim.each(image, "result"):
            save(tile, str(udim.path_of(Path(path), number)), bits)
        return
    target = Path(path).absolute()
    file_format, usual = _FORMATS[target.suffix.lower()]
    bits = bits or usual
    unfinished = target.with_name(f"{target.stem}.unfinished{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_space(target, image.size[0] * image.size[1] * 3 * bits // 8 + _SPARE)
        _write(image, unfinished, file_format, bits)
        os.replace(unfinished, target)
    except (RuntimeError, OSError) as error:
        if unfinished.exists():
            unfinished.unlink()
        raise _unwritten(target, error) from error


def save_blend(path: str) -> str:
    """Save the .blend: to its own file where `path` is empty, else a copy. Returns where. Raises Problem.

    Blender itself replaces a file only by a complete one.
    """
    if not path and not bpy.data.filepath:
        raise problems.Problem("bad_input", "The .blend has no file yet.", "Give a path to save it to.")
    where = Path(path).absolute() if path else Path(bpy.data.filepath)
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(where), copy=bool(path))
    except RuntimeError as error:
        raise _unwritten(where, error) from error
    return str(where)


def _write(image: bpy.types.Image, path: Path, file_format: str, bits: int) -> None:
    """Colour becomes sRGB, or in an EXR light of its space; a picture of an own colour space keeps its numbers."""
    space, has_alpha = color_spaces.of_label(image), image.depth in (32, 64, 128) and image.alpha_mode != "NONE"
    if file_format == "PNG":  # Blender's writer loses colours beneath an alpha of 0, and its curve is off by a level of 65,536
        picture = landing.numbers(image) if space.kind == "own" else images.read(image, "result").display()
        path.write_bytes(png.encoded(picture[..., : 4 if has_alpha else 3], bits))
        return
    as_it_is = space.kind != "own" and not (has_alpha and image.alpha_mode == "CHANNEL_PACKED")
    with nullcontext(image) if as_it_is else _copy(image, space, file_format) as picture:
        view = "Raw" if picture.colorspace_settings.is_data else "Standard"
        light = _light(space) if file_format == "OPEN_EXR" else ""
        with output.scene(file_format, bits, "RGBA" if has_alpha else "RGB", view, light) as scene:
            picture.save_render(str(path), scene=scene)


def _light(space: color_spaces.Space) -> str:
    """The space that light is written in, "" where Blender writes its own."""
    name = {"data": "", "own": "", "linear": space.name}.get(space.kind, "Linear Rec.709")
    return "" if name == color_spaces.working() else name


@contextmanager
def _copy(image: bpy.types.Image, space: color_spaces.Space, file_format: str) -> Iterator[bpy.types.Image]:
    """Of an own space the numbers, as data; multiplied by alpha for formats whose writers divide by it."""
    picture = landing.numbers(image) if space.kind == "own" else images.read(image, "result").straight()
    if file_format != "OPEN_EXR":
        picture[..., :3] *= picture[..., 3:]
    copy = bpy.data.images.new("selfrect output", *image.size, alpha=True, float_buffer=True, is_data=space.kind in ("own", "data"))
    try:
        copy.pixels.foreach_set(pixels.to_blender(picture))
        yield copy
    finally:
        bpy.data.images.remove(copy)


def _check_space(target: Path, needed: int) -> None:
    """Blender writes half a PNG to a full disk without a word, so the room is measured before."""
    free = shutil.disk_usage(target.parent).free
    if free < needed:
        sentence = f"“{target}” needs up to {needed / 1e6:.0f} MB, but its disk has {free / 1e6:.0f} MB left."
        raise problems.Problem("disk_full", sentence, "Free some space, or choose another place.")


def _unwritten(where: Path, error: Exception) -> problems.Problem:
    """Blender tells of full disks in changing words, or in wrong ones: the disk is asked too."""
    words = str(error).strip().removeprefix("Error: ")
    folder_exists = where.parent.is_dir()
    if "No space left" in words or (folder_exists and shutil.disk_usage(where.parent).free < _SPARE):
        return problems.Problem("disk_full", f"“{where}” could not be written: its disk is full.", "Free some space.", words)
    remedy = "Check that the folder can be written to, or choose another place."
    return problems.Problem("bad_input", f"“{where}” could not be written: {words}.", remedy)
