# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels out of and into Blender's images. Main thread only, except for `Pixels` itself, which holds no data-block.

Blender keeps byte images as they are in the file (sRGB for colour), float images scene-linear with premultiplied alpha,
and data ("Non-Color") untouched. The engine wants display-referred sRGB with straight alpha; data goes to it as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ..host import pixels
from ..host.engine_source import inputs, problems

_SRGB = {"sRGB", "sRGB - Texture", "Utility - sRGB - Texture"}  # as Blender's and the common studio configurations call it
_LINEAR = {"Linear Rec.709", "Linear", "Linear Rec.709 (sRGB)", "Utility - Linear - sRGB"}

_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".exr", ".tga", ".bmp", ".hdr", ".jp2", ".dpx"}

_SOURCES = {
    "MOVIE": ("is a movie", "Save the frame you want as an image (Image > Save a Copy) and choose that."),
    "SEQUENCE": ("is an image sequence", "Open the one frame you want as a single image and choose that."),
    "TILED": ("has UDIM tiles", "Save the tile you want as an image of its own and choose that."),
}
_RENDERED = ("cannot be read directly", "Save it first (Image > Save As), open the file and choose that.")
_TYPES = {"RENDER_RESULT": ("is the render result, which", *_RENDERED), "COMPOSITING": ("is a viewer's image, which", *_RENDERED)}


@dataclass(frozen=True)
class Pixels:
    """A copy of an image's buffer, painted and never saved pixels included, with what is needed to understand it.

    flat: (height · width · channels,) float32, bottom row first. encoding: "srgb", "linear" or "data".
    premultiplied: colour has been multiplied by alpha. opaque: alpha means nothing and is taken as 1.
    """

    flat: np.ndarray
    width: int
    height: int
    channels: int
    encoding: str
    premultiplied: bool
    opaque: bool

    def picture(self) -> np.ndarray:
        """(height, width, 4) float32, top row first, the values as they are in the buffer; a copy. Any thread."""
        picture = pixels.from_blender(self.flat, self.width, self.height)
        if self.opaque:
            picture[..., 3] = 1
        return picture

    def straight(self) -> np.ndarray:
        """As `picture`, with colour that is not multiplied by alpha."""
        picture = self.picture()
        if self.premultiplied:
            color, alpha = picture[..., :3], picture[..., 3:]
            np.divide(color, alpha, out=color, where=(alpha > 0) & (alpha != 1))
        return picture

    def display(self) -> np.ndarray:
        """(height, width, 4) float32, top row first, straight alpha, sRGB; data as it is. Light may be above 1, NaN stays."""
        return pixels.srgb_from_linear(self.straight()) if self.encoding == "linear" else self.straight()


def by_name(name: str, what: str) -> bpy.types.Image:
    """The image called `name`; what: "reference" or "target", for the sentence. Raises Problem bad_input."""
    image = bpy.data.images.get(name)
    if image is None:
        raise problems.Problem("bad_input", f"There is no image “{name}” for the {what}.", "Choose an image that is in this file.")
    return image


def stem(name: str) -> str:
    """An image's name without the ending that it took from its file: "bark.png" → "bark"."""
    return Path(name).stem if Path(name).suffix.lower() in _ENDINGS else name


def check(image: bpy.types.Image | None, what: str, load: bool = True) -> None:
    """Raise Problem bad_input, with its remedy, unless the image has pixels that can be read and are of a workable size.

    load: read its file if that has not happened yet; without, such an image passes, as is right for what is asked while drawing.
    """
    if image is None:
        raise problems.Problem("bad_input", f"No {what} is chosen.", f"Choose an image as the {what}.")
    if image.type in _TYPES:
        kind, reason, remedy = _TYPES[image.type]
        raise problems.Problem("bad_input", f"The {what} “{image.name}” {kind} {reason}.", remedy)
    if image.source in _SOURCES:
        kind, remedy = _SOURCES[image.source]
        raise problems.Problem("bad_input", f"The {what} “{image.name}” {kind}.", remedy)
    if not load and not image.has_data:
        return
    width, height = image.size  # loads the file if that has not happened yet
    if not image.has_data or not image.channels or not width or not height:
        where = bpy.path.abspath(image.filepath, library=image.library)
        missing = f": “{where}” could not be read" if where else ""
        remedy = "Find the file (File > External Data > Find Missing Files) or choose another image."
        raise problems.Problem("bad_input", f"The {what} “{image.name}” has no pixels{missing}.", remedy)
    if width * height > inputs.LONGEST_SIDE.get(what, 8192) ** 2:  # said before gigabytes are copied; an empty array stands for them
        inputs.check_image(np.broadcast_to(np.float32(0), (height, width, 3)), what)
    _check_color_space(image, what)


def read(image: bpy.types.Image | None, what: str) -> Pixels:
    """A copy of the image's pixels as they are now. what: "reference" or "target". Raises Problem bad_input."""
    check(image, what)
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    is_data = image.colorspace_settings.is_data
    has_straight_alpha = image.alpha_mode in {"CHANNEL_PACKED", "NONE"}
    return Pixels(
        flat,
        width,
        height,
        image.channels,
        encoding=encoding(image),
        premultiplied=image.is_float and not is_data and not has_straight_alpha,
        opaque=image.alpha_mode == "NONE",
    )


def encoding(image: bpy.types.Image) -> str:
    """What the numbers in its buffer mean: "srgb", "linear" or "data"."""
    if image.colorspace_settings.is_data:
        return "data"
    return "linear" if image.is_float or image.colorspace_settings.name in _LINEAR else "srgb"


def encode(picture: np.ndarray, is_data: bool) -> np.ndarray:
    """(H, W, 3) sRGB or data in [0, 1], top row first → the flat float32 RGBA of a float image. Any thread."""
    return pixels.to_blender(picture if is_data else pixels.linear_from_srgb(picture))


def new_float_image(name: str, flat: np.ndarray, width: int, height: int, is_data: bool) -> bpy.types.Image:
    """A new opaque float image with the buffer `flat` (from `encode`), packed into the .blend.

    Its colour space is scene-linear Rec.709 or Non-Color: a float image that calls itself sRGB would be converted
    a second time when it is loaded again.
    """
    # is_data, not the colour space set afterwards: after that each undo would read the image from its packed file again
    image = bpy.data.images.new(name, width, height, alpha=False, float_buffer=True, is_data=is_data)
    fill(image, flat)
    return image


def fill(image: bpy.types.Image, flat: np.ndarray) -> None:
    """Write a new image's buffer and pack it, so that saving the .blend saves it."""
    image.pixels.foreach_set(flat)
    image.update()
    image.pack()


def _check_color_space(image: bpy.types.Image, what: str) -> None:
    settings = image.colorspace_settings
    if settings.is_data:
        return
    if not image.is_float and settings.name not in _SRGB | _LINEAR:
        raise problems.Problem(
            "bad_input",
            f"The {what} “{image.name}” has the colour space “{settings.name}”.",
            "Set it to sRGB or Non-Color in the image's properties, or save a copy in sRGB.",
        )
    space = getattr(getattr(bpy.data, "colorspace", None), "working_space", "Linear Rec.709")  # Blender 5.0 and newer
    if space not in _LINEAR:
        raise problems.Problem(
            "bad_input",
            f"This file works in the colour space “{space}”; colours can be handed over in Linear Rec.709 only.",
            "Set the working space of the file to Linear Rec.709 (Scene > Color Management).",
        )
