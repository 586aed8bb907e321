# SPDX-License-Identifier: GPL-3.0-or-later
"""Picture files as OpenImageIO sees them: opening one, and writing one so that it appears whole or not at all.

What the values mean (colour, alpha, depth) is `image`'s matter.
"""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from .problems import Problem

READABLE = ("png", "tiff", "openexr", "jpeg")
MAX_PIXELS = 8192 * 8192  # refused before anything is allocated; RGBA in float32 is 1 GiB here
_KINDS = {"uint8": "uint8", "uint16": "uint16", "float16": "half", "float32": "float"}  # numpy's name → the library's
_SPACES = {"sRGB": "srgb_rec709_scene", "linear": "lin_rec709_scene", "data": "data"}  # as the library calls them
_REC709 = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329)  # red, green, blue, white; x, y of each
_GIVE = "Give a PNG, TIFF, EXR or JPEG picture."


def bad_file(path: Path, what: str, remedy: str, detail: str = "") -> Problem:
    """The Problem of one file: “path” what. remedy"""
    return Problem("bad_input", f"“{path}” {what}.", remedy, detail)


def open_picture(path: Path) -> Any:
    """An open OpenImageIO.ImageInput of a readable format and size, alpha left straight where the file has it so.

    Raises Problem("bad_input"): missing, unreadable, a folder, empty, no picture, another format, deep, too large.
    """
    import OpenImageIO as oiio

    _check_is_there(path)
    straight = oiio.ImageSpec()
    straight.attribute("oiio:UnassociatedAlpha", 1)  # otherwise colour comes multiplied by alpha, rounded to 8 bits
    file = oiio.ImageInput.open(str(path), straight)
    if file is None:
        raise bad_file(path, "is not a picture that can be read here, or it is damaged", _GIVE, oiio.geterror())
    spec = file.spec()
    if file.format_name() not in READABLE:
        raise bad_file(path, f"is a {file.format_name()} file, which is not read here", _GIVE)
    if spec.width * spec.height > MAX_PIXELS:
        raise bad_file(path, f"has {spec.width}×{spec.height} pixels, more than 8192×8192", "Scale it down first.")
    if spec.deep:
        raise bad_file(path, "is a deep EXR, with many samples a pixel", "Flatten it to one RGBA layer.")
    return file


def read_pixels(path: Path, file: Any) -> np.ndarray:
    """The first picture of an open file, (H, W, channels), in its own type where that is uint8, uint16 or half,
    float32 otherwise. Raises Problem("bad_input") where pixels are missing or damaged.
    """
    spec = file.spec()
    kind = str(spec.format) if str(spec.format) in ("uint8", "uint16", "half") else "float"
    pixels = file.read_image(0, 0, 0, spec.nchannels, kind)
    error = file.geterror()
    harmless = not error or "extraneous bytes" in error  # some cameras leave stray bytes between a JPEG's markers
    if pixels is None or not harmless:
        raise bad_file(path, "is damaged or cut off in the middle", "Copy or save it again.", error)
    return pixels


def check_place(path: Path) -> None:
    """Raise Problem("bad_input") unless a file of this name can be made: no folder, in a folder that can be written."""
    if path.is_dir():
        raise bad_file(path, "is a folder, not a picture", "Give the name of a file in it.")
    if not path.parent.is_dir():
        raise bad_file(path, f"cannot be written: “{path.parent}” is no folder", "Make it, or choose another one.")
    probe = _beside(path)
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def write_pixels(path: Path, pixels: np.ndarray, file_format: str, space: str = "sRGB") -> None:
    """Write uint8, uint16, float16 or float32 (H, W, 1|3|4) as they are; alpha is marked straight, but not in EXR.

    space: "sRGB", "linear" (light, with Rec. 709 primaries) or "data", which the file says as far as its format can.
    Written beside the target, read back, compared, then renamed: an older file stays until the new one is whole.
    Raises Problem: bad_input where nothing can be written, disk_full when the file did not get whole.
    """
    part = _beside(path)
    try:
        _write(part, path, pixels, file_format, space)
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _check_is_there(path: Path) -> None:
    if path.is_dir():
        raise bad_file(path, "is a folder, not a picture", "Give the name of a picture file.")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError as error:
        raise Problem("bad_input", f"There is no file “{path}”.", "Check the name and the folder.") from error
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})", "Check the file and its permissions.") from error
    if empty:
        raise bad_file(path, "is empty (0 bytes)", "Copy or save it again.")


def _write(part: Path, path: Path, pixels: np.ndarray, file_format: str, space: str) -> None:
    import OpenImageIO as oiio

    height, width, channels = pixels.shape
    kind = _KINDS[pixels.dtype.name]
    spec = oiio.ImageSpec(width, height, channels, kind)
    spec.attribute("oiio:UnassociatedAlpha", int(file_format != "openexr"))
    if file_format != "png":
        spec.attribute("compression", "zip")
    spec.attribute("oiio:ColorSpace", _SPACES[space])
    if file_format == "openexr" and space == "linear":
        spec.attribute("chromaticities", oiio.TypeDesc("float[8]"), _REC709)
    if file_format == "tiff":
        spec.attribute("Exif:ColorSpace", 1 if space == "sRGB" else 0xFFFF)  # sRGB or uncalibrated
    out = oiio.ImageOutput.create(file_format)
    if not out.open(str(part), spec):
        raise bad_file(path, "cannot be written", "Choose another folder or name.", out.geterror())
    written = out.write_image(np.ascontiguousarray(pixels))
    closed = out.close()
    if not (written and closed and _holds(part, pixels)):  # PNG says True even when the disk was full
        raise _not_whole(path, pixels.nbytes, out.geterror())
    with part.open("rb") as file:
        os.fsync(file.fileno())  # a full network disk says so only here


def _holds(part: Path, pixels: np.ndarray) -> bool:
    """Whether the file, read back, has exactly these pixels."""
    try:
        return np.array_equal(read_pixels(part, open_picture(part)), pixels)
    except Problem:
        return False


def _beside(path: Path) -> Path:
    """A name of our own in the folder of `path`, with its ending."""
    return path.with_name(f".selfrect-{os.getpid()}-{uuid.uuid4().hex[:8]}{path.suffix.lower()}")


def _not_whole(path: Path, needed: int, detail: str) -> Problem:
    free = shutil.disk_usage(path.parent).free
    return Problem(
        "disk_full",
        f"“{path}” could not be written whole ({free / 2**20:.0f} MiB free, up to {needed / 2**20:.1f} MiB needed).",
        "Make room on the disk or choose another one; nothing there was changed.",
        detail[:2000],
    )


def _unwritable(path: Path, error: OSError) -> Problem:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        remedy = "Make room on the disk or choose another one; nothing there was changed."
        return Problem("disk_full", f"“{path}” cannot be written ({error.strerror}).", remedy, str(error))
    return bad_file(path, f"cannot be written ({error.strerror})", "Choose another folder or name.", str(error))
