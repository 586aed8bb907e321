# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels out of and into Blender's images. Main thread only, except for `Pixels` itself, which holds no data-block.

Blender keeps byte images as they are in the file (sRGB for colour), float images scene-linear with premultiplied alpha,
and data ("Non-Color") untouched. The engine wants display-referred sRGB with straight alpha; data goes to it as it is, and so do
pictures of other display spaces (`color_spaces`, kind "own"), as long as all of a request are of the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import bpy
import numpy as np

from ..host import pixels
from ..host.engine_source import inputs, problems
from . import color_spaces

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

    flat: (height · width · channels,) float32, bottom row first. encoding: a kind of `color_spaces`. label: the image's colour space.
    premultiplied: colour has been multiplied by alpha. opaque: alpha means nothing and is taken as 1.
    to_rec709: of linear light, see there.
    """

    flat: np.ndarray
    width: int
    height: int
    channels: int
    encoding: str
    premultiplied: bool
    opaque: bool
    label: str = ""
    to_rec709: np.ndarray | None = None

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
        """(height, width, 4) float32, top row first, straight alpha, sRGB; data and own spaces as they are.

        Light may be above 1, and below 0 where its colour lies outside of sRGB. NaN stays.
        """
        if self.encoding != "linear":
            return self.straight()
        return pixels.srgb_from_linear(color_spaces.applied(self.to_rec709, self.straight()))


def by_name(name: str, what: str) -> bpy.types.Image:
    """The image called `name`; what: "reference" or "target", for the sentence. Raises Problem bad_input."""
    image = bpy.data.images.get(name)
    if image is None:
        raise problems.Problem("bad_input", f"There is no image “{name}” for the {what}.", "Choose an image that is in this file.")
    return image


def stem(name: str) -> str:
    """An image's name without the ending that it took from its file: "bark.png" → "bark"."""
    return Path(name).stem if Path(name).suffix.lower() in _ENDINGS else name


def check(image: bpy.types.Image | None, what: str, load: bool = True, tiles: bool = False) -> None:
    """Raise Problem bad_input, with its remedy, unless the image has pixels that can be read and are of a workable size.

    load: read its file if that has not happened yet; without, such an image passes, as is right for what is asked while drawing.
    tiles: whether it may have UDIM tiles.
    """
    if image is None:
        raise problems.Problem("bad_input", f"No {what} is chosen.", f"Choose an image as the {what}.")
    if image.type in _TYPES:
        kind, reason, remedy = _TYPES[image.type]
        raise problems.Problem("bad_input", f"The {what} “{image.name}” {kind} {reason}.", remedy)
    if image.source in _SOURCES and not (tiles and image.source == "TILED"):
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


def read(image: bpy.types.Image | None, what: str) -> Pixels:
    """A copy of the image's pixels as they are now. what: "reference" or "target". Raises Problem bad_input."""
    check(image, what)
    width, height = image.size
    flat = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    is_data, space = image.colorspace_settings.is_data, color_spaces.of_buffer(image)
    has_straight_alpha = image.alpha_mode in {"CHANNEL_PACKED", "NONE"}
    return Pixels(
        flat,
        width,
        height,
        image.channels,
        encoding=space.kind,
        premultiplied=image.is_float and not is_data and not has_straight_alpha,
        opaque=image.alpha_mode == "NONE",
        label=image.colorspace_settings.name,
        to_rec709=space.to_rec709,
    )


def encoding(image: bpy.types.Image) -> str:
    """What the numbers in its buffer mean: a kind of `color_spaces`."""
    return color_spaces.of_buffer(image).kind


def alike(pictures: list[Pixels]) -> tuple[list[Pixels], str]:
    """The same pictures with numbers that can stand beside each other, and the own space that they are of, if they all are of one.

    Pictures of one own space keep their numbers, so that they come back as they were; where others are among them, all become light.
    """
    labels = {each.label for each in pictures if each.encoding != "data"}
    label = labels.pop() if len(labels) == 1 else ""
    own = label if label and color_spaces.named(label).kind == "own" else ""
    return [_in_own(each, own) if own else as_light(each) for each in pictures], own


def _in_own(source: Pixels, space: str) -> Pixels:
    if source.encoding != "linear":
        return source
    return _replaced(source, "own", lambda picture: color_spaces.values(picture, space))


def as_light(source: Pixels) -> Pixels:
    """Of an own space as light, anything else as it is. Main thread."""
    if source.encoding != "own":
        return source
    light = _replaced(source, "linear", lambda picture: color_spaces.light(picture, source.label))
    return replace(light, to_rec709=color_spaces.scene_linear().to_rec709)


def _replaced(source: Pixels, encoding: str, convert) -> Pixels:
    picture = source.straight()
    picture[..., :3] = convert(picture[..., :3])
    return replace(source, flat=pixels.to_blender(picture), channels=4, encoding=encoding, premultiplied=False, to_rec709=None)


def encode(picture: np.ndarray, is_data: bool) -> np.ndarray:
    """(H, W, 3) sRGB or data in [0, 1], top row first → the flat float32 RGBA of a float image. Any thread."""
    return pixels.to_blender(picture if is_data else pixels.linear_from_srgb(picture))


def fill(image: bpy.types.Image, flat: np.ndarray) -> None:
    """Write a new image's buffer and pack it, so that saving the .blend saves it."""
    image.pixels.foreach_set(flat)
    image.update()
    image.pack()
