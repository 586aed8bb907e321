# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in and out by name: PNG, TIFF, EXR, and JPEG in only.

Inside the engine a picture is (H, W, 3|4) float32, display-referred sRGB, straight alpha, top row first; 1 is white, and floats may
go beyond. A file's integers are sRGB as they stand. A file's floats (EXR, float TIFF) are linear light with Rec. 709 primaries:
they are converted to sRGB on reading and back on writing. EXR multiplies colour by alpha; that is undone on reading
and done again on writing. Embedded ICC profiles and chromaticities are not looked at; those of what is written here are said.
A material's other maps are data: `read_data` and `write_data` hand them through as they stand in their files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .image_files import bad_file, check_place, open_picture, read_pixels, write_pixels
from .problems import Problem

FORMATS = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".exr": "openexr"}  # what can be written, by name
DEPTHS = {"png": (8, 16), "tiff": (16, 8, 32), "openexr": (32, 16)}  # bits a channel; the first is the default
_MOST = {np.float16: float(np.finfo(np.float16).max), np.float32: float(np.finfo(np.float32).max)}


@dataclass(frozen=True)
class Info:
    """What a picture file's header says. bits: a channel, 8, 16 or 32; linear: floats in linear light."""

    format: str
    width: int
    height: int
    bits: int
    linear: bool


def read_info(path: str | os.PathLike) -> Info:
    """The header of a picture file. Raises Problem("bad_input") as `read_image` does."""
    file = open_picture(Path(path))
    spec = file.spec()
    return Info(file.format_name(), spec.width, spec.height, min(32, 8 * spec.format.basesize()), _is_linear(spec))


def read_image(path: str | os.PathLike) -> np.ndarray:
    """A picture file as (H, W, 3|4) float32, display-referred sRGB, straight alpha in [0, 1], top row first.

    Grey becomes three equal channels, grey with alpha four; palettes and CMYK are resolved; a camera's orientation
    mark is obeyed. Floats below 0 and above 1 are kept. NaN and infinity are passed on: the engine's input check tells them.
    Raises Problem("bad_input") for whatever is not a whole picture, naming the file, what it is and what to do.
    """
    spec, colour, alpha = _channels(Path(path))
    if alpha.size and not _is_straight(spec):
        colour = colour / np.where(alpha > 0, alpha, 1)  # under alpha 0 it stays as it is
    colour = srgb_from_linear(colour) if _is_linear(spec) else _cut(colour)
    colour = np.broadcast_to(colour, (*colour.shape[:2], 3))
    upright = _turn(np.concatenate([colour, _cut(alpha)], axis=-1), spec.get_int_attribute("Orientation", 1))
    return np.ascontiguousarray(upright, dtype=np.float32)


def read_data(path: str | os.PathLike) -> np.ndarray:
    """A map's file as (H, W, 1|3|4) float32, top row first: integers as parts of the largest one, floats as they stand, no conversion.

    Grey with alpha becomes four channels. Raises Problem("bad_input") as `read_image` does.
    """
    spec, colour, alpha = _channels(Path(path))
    if alpha.size:
        colour = np.broadcast_to(colour, (*colour.shape[:2], 3))
    upright = _turn(np.concatenate([colour, alpha], axis=-1), spec.get_int_attribute("Orientation", 1))
    return np.ascontiguousarray(upright, dtype=np.float32)


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """A picture file as (H, W) float32 in [0, 1]: white is 1, black 0, and what is transparent counts as black. Raises as `read_image`."""
    data = read_data(path)
    grey = data[..., : 3 if data.shape[2] > 1 else 1].mean(-1)
    return _cut(grey * data[..., 3] if data.shape[2] == 4 else grey).astype(np.float32)


def check_output(path: str | os.PathLike, bits: int | None = None) -> str:
    """The format that `path` names, once it is known that a picture of that name and depth can be written there.

    Raises Problem("bad_input") for an unknown ending, an impossible depth, a folder that is missing or read-only.
    """
    path = Path(os.path.realpath(path))
    file_format = FORMATS.get(path.suffix.lower())
    if file_format is None:
        what = f"cannot be written: “{path.suffix}” is no picture's ending known here"
        raise bad_file(path, what, "End the name in .png, .tif, .tiff or .exr.")
    if bits is not None and bits not in DEPTHS[file_format]:
        known = " or ".join(str(depth) for depth in sorted(DEPTHS[file_format]))
        raise bad_file(path, f"cannot have {bits} bits a channel", f"Choose {known} bits for this format.")
    check_place(path)
    return file_format


def write_image(path: str | os.PathLike, array: np.ndarray, bits: int | None = None) -> None:
    """Write (H, W, 3|4) display-referred sRGB with straight alpha, top row first, by the name's ending.

    bits a channel: PNG 8 (default) or 16; TIFF 16 (default), 8, or 32 = float; EXR 32 = float (default) or 16 = half.
    Floats are written in linear light, with all that goes beyond 0 and 1, EXR with colour multiplied by alpha (so colour under
    alpha 0 is not kept); integers are cut at 0 and 1. The file says which of both it is.
    The file appears whole or not at all, and an older one stays until then.
    Raises Problem: bad_input for a place that cannot be written, disk_full when the file did not get whole.
    """
    array = _checked(array, path, (3, 4))
    file_format = check_output(path, bits)
    kind = _kind(file_format, bits)
    if kind in _MOST:
        colour, alpha = linear_from_srgb(array[..., :3]), array[..., 3:].astype(np.float32)
        array = np.concatenate([colour * alpha if file_format == "openexr" and alpha.size else colour, alpha], axis=-1)
    _write(path, _encode(array, kind), file_format, "linear" if kind in _MOST else "sRGB")


def write_data(path: str | os.PathLike, array: np.ndarray, bits: int | None = None) -> None:
    """Write a map (H, W, 1|3|4) as it stands, as `write_image` does but for the conversion: [0, 1] becomes an integer's whole range."""
    array = _checked(array, path, (1, 3, 4))
    file_format = check_output(path, bits)
    _write(path, _encode(array, _kind(file_format, bits)), file_format, "data")


def srgb_from_linear(linear: np.ndarray) -> np.ndarray:
    """Linear light → sRGB (IEC 61966-2-1), float32; negative values mirror."""
    size = np.abs(linear, dtype=np.float32)
    curve = np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.copysign(curve, linear).astype(np.float32)


def linear_from_srgb(srgb: np.ndarray) -> np.ndarray:
    """sRGB → linear light (IEC 61966-2-1), float32; negative values mirror."""
    size = np.abs(srgb, dtype=np.float32)
    curve = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.copysign(curve, srgb).astype(np.float32)


def _is_linear(spec: Any) -> bool:
    return str(spec.format) in ("half", "float", "double")


def _is_straight(spec: Any) -> bool:
    return spec.get_int_attribute("oiio:UnassociatedAlpha", 0) == 1


def _channels(path: Path) -> tuple[Any, np.ndarray, np.ndarray]:
    """The header, the colours (H, W, 1|3) and alpha (H, W, 1), (H, W, 0) where the file has none: float32 as they stand in it."""
    file = open_picture(path)
    spec = file.spec()
    pixels = _as_float(read_pixels(path, file))
    colour, alpha = _places(spec)
    return spec, pixels[..., colour], pixels[..., alpha]


def _as_float(pixels: np.ndarray) -> np.ndarray:
    """Integers to [0, 1], floats as they are; float32."""
    if pixels.dtype.kind == "u":
        return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return pixels.astype(np.float32)


def _places(spec: Any) -> tuple[list[int], list[int]]:
    """Which of a file's channels are red, green, blue (or grey), and which is alpha ([] for none)."""
    last = [name.rsplit(".", 1)[-1].upper() for name in spec.channelnames]  # "ViewLayer.Combined.R" → "R"
    if all(letter in last for letter in "RGB"):
        colour = [last.index(letter) for letter in "RGB"]
    else:
        colour = [0, 1, 2] if spec.nchannels >= 3 else [0]
    alpha = last.index("A") if "A" in last else spec.alpha_channel
    return colour, [alpha] if 0 <= alpha < spec.nchannels and alpha not in colour else []


def _cut(pixels: np.ndarray) -> np.ndarray:
    """Finite values to [0, 1]; NaN and ±infinity as they are."""
    return np.where(np.isfinite(pixels), np.clip(pixels, 0, 1), pixels)


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stand a picture upright by its EXIF orientation mark, 1 (as it is) … 8."""
    if orientation in (5, 6, 7, 8):  # stored on its side
        pixels = pixels.transpose(1, 0, 2)
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return pixels[rows, columns]


def _checked(array: np.ndarray, path: str | os.PathLike, channels: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(array)
    if array.ndim != 3 or array.shape[2] not in channels or 0 in array.shape:
        known = " or ".join(f"(H, W, {count})" for count in channels)
        raise ValueError(f"a picture is {known}, not {array.shape}")
    if not np.isfinite(array).all():
        raise Problem("internal", f"The picture for “{path}” holds NaN or infinity.", "Make it again in float32.")
    return array


def _kind(file_format: str, bits: int | None) -> type:
    bits = bits or DEPTHS[file_format][0]
    if bits == 16:
        return np.float16 if file_format == "openexr" else np.uint16
    return np.uint8 if bits == 8 else np.float32


def _encode(array: np.ndarray, kind: type) -> np.ndarray:
    """The values that stand in the file."""
    if kind in _MOST:
        return np.clip(array, -_MOST[kind], _MOST[kind]).astype(kind)
    return np.rint(np.clip(array, 0, 1) * np.float64(np.iinfo(kind).max)).astype(kind)


def _write(path: str | os.PathLike, pixels: np.ndarray, file_format: str, space: str) -> None:
    write_pixels(Path(os.path.realpath(path)), pixels, file_format, space)  # a link stays: the file it leads to is replaced
