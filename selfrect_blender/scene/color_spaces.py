# SPDX-License-Identifier: GPL-3.0-or-later
"""What the numbers in an image mean. Any colour space of any configuration: what it does is found out by asking Blender to convert.

"data": nothing · "srgb": display values · "linear": light, a matrix away from Rec.709 · "own": everything else, such as the pictures
of a view transform (Filmic, AgX), logarithms, other display curves. Blender has no function for colour spaces in Python: an image with
packed numbers converts them when it is read, and a render setting when it is written.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass

import bpy
import mathutils
import numpy as np

from ..host import exr, pixels
from . import output

_CLOSE = 2e-4  # Blender's own tables of curves are not more exact
_KNOWN = {("sRGB", "Linear Rec.709"): "srgb", ("Linear Rec.709", "Linear Rec.709"): "linear"}  # of Blender's own configuration
_spaces: dict[tuple[str, str], Space] = {}
_of_new_images: list[str] = []


@dataclass(frozen=True, eq=False)
class Space:
    """name: Blender's. kind: see above. to_rec709: (3, 3), linear light → that of Rec.709; None where it is that already."""

    name: str
    kind: str
    to_rec709: np.ndarray | None = None


def of_label(image: bpy.types.Image) -> Space:
    """The space that the image is said to have: that of its file."""
    settings = image.colorspace_settings
    return Space(settings.name, "data") if settings.is_data else named(settings.name)


def of_buffer(image: bpy.types.Image) -> Space:
    """The space of the numbers that Blender holds: its own light for a float image, as in the file for bytes."""
    return scene_linear() if image.is_float and not image.colorspace_settings.is_data else of_label(image)


def named(name: str) -> Space:
    """A space by its name. Makes an image for a moment when it is asked for the first time: not while something is drawn."""
    key = (name, working())
    if key not in _spaces:
        _spaces[key] = Space(name, _KNOWN[key]) if key in _KNOWN else _found_out(name)
    return _spaces[key]


def scene_linear() -> Space:
    """The light that Blender computes with: of float images, shaders, renders."""
    matrix = np.array([tuple(mathutils.Color(unit).from_scene_linear_to_rec709_linear()) for unit in np.eye(3)], np.float32).T
    return Space(working(), "linear", None if np.allclose(matrix, np.eye(3), atol=1e-5) else matrix)


def working() -> str:
    """The name of Blender's light: of the file from Blender 5.0 on, before that of the configuration, where a new image tells it."""
    if hasattr(bpy.data, "colorspace"):
        return bpy.data.colorspace.working_space
    if not _of_new_images:
        try:
            image = bpy.data.images.new("selfrect conversion", 1, 1, float_buffer=True)
        except (AttributeError, RuntimeError):  # not while something is drawn
            return "Linear Rec.709"
        _of_new_images.append(image.colorspace_settings.name)
        bpy.data.images.remove(image)
    return _of_new_images[0]


def light(picture: np.ndarray, name: str) -> np.ndarray:
    """(H, W, 3) of the space called `name` → Blender's own light, as Blender does it. Top row first. Main thread."""
    return unpacked(exr.encoded(picture), (picture.shape[1], picture.shape[0]), name)


def unpacked(file: bytes, size: tuple[int, int], name: str = "") -> np.ndarray:
    """(H, W, 3) of a float image's packed file: read as if it were of that space; "": its numbers."""
    image = bpy.data.images.new("selfrect conversion", *size, alpha=False, float_buffer=True)
    try:
        image.source = "FILE"
        image.pack(data=file, data_len=len(file))
        if name:
            image.colorspace_settings.name = name
        else:
            image.colorspace_settings.is_data = True
        return _read(image)
    finally:
        bpy.data.images.remove(image)


def values(picture: np.ndarray, name: str) -> np.ndarray:
    """Blender's own light (H, W, 3) → the space called `name`; the inverse of `light`. Main thread."""
    file, path = tempfile.mkstemp(suffix=".exr", dir=bpy.app.tempdir)
    os.close(file)
    made = [bpy.data.images.new("selfrect conversion", picture.shape[1], picture.shape[0], alpha=False, float_buffer=True)]
    try:
        made[0].pixels.foreach_set(pixels.to_blender(picture))
        with output.scene("OPEN_EXR", 32, space=name) as scene:
            made[0].save_render(path, scene=scene)
        made.append(bpy.data.images.load(path))
        made[1].colorspace_settings.is_data = True
        return _read(made[1])
    finally:
        bpy.data.batch_remove(made)
        os.unlink(path)


def applied(matrix: np.ndarray | None, picture: np.ndarray) -> np.ndarray:
    """A matrix on the colours of (H, W, 3|4); None: as it is. Any thread."""
    if matrix is None:
        return picture
    changed = picture.copy()
    changed[..., :3] = picture[..., :3] @ matrix.T
    return changed


def inverse(matrix: np.ndarray | None) -> np.ndarray | None:
    """The matrix back."""
    return None if matrix is None else np.linalg.inv(matrix.astype(np.float64)).astype(np.float32)


def chained(first: np.ndarray | None, then: np.ndarray | None) -> np.ndarray | None:
    """Both matrices in one."""
    return first if then is None else then if first is None else then @ first


def _read(image: bpy.types.Image) -> np.ndarray:
    flat = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return np.ascontiguousarray(pixels.from_blender(flat, *image.size)[..., :3])


def _found_out(name: str) -> Space:
    """Light is what adds up; display values of sRGB are known by their curve."""
    units = np.eye(3, dtype=np.float32)
    some = np.random.default_rng(0).random((8, 3), np.float32)
    seen = light(np.concatenate([np.zeros((1, 3), np.float32), units, units / 2, some, some * 4])[None], name)[0]
    black, matrix, halves, near, far = np.split(seen, [1, 4, 7, 15])
    to_rec709 = scene_linear().to_rec709
    expected = pixels.linear_from_srgb(some)
    if np.abs(near @ (np.eye(3) if to_rec709 is None else to_rec709.T) - expected).max() < _CLOSE:
        return Space(name, "srgb")
    adds_up = (
        np.abs(black).max() < _CLOSE
        and np.abs(halves - matrix / 2).max() < _CLOSE
        and np.abs(near - some @ matrix).max() < _CLOSE
        and np.abs(far - 4 * near).max() < 8 * _CLOSE
    )
    if not adds_up:
        return Space(name, "own")
    whole = chained(matrix.T, to_rec709)
    return Space(name, "linear", None if np.allclose(whole, np.eye(3), atol=_CLOSE) else whole)
