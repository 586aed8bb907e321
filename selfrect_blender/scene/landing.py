# SPDX-License-Identifier: GPL-3.0-or-later
"""How the engine's picture becomes an image again: in the colour space that its reference had, as a float image, packed.

The packed file is made in another thread, since Blender takes half a second to write one of 4096². An image can be made of that file alone,
which Blender reads when it is first looked at: a moment's work, and exact for data and for Blender's own light.

Blender's float buffers are always its own light. What is packed is the picture in the image's colour space, and Blender converts it when
it reads the file. But where an artist paints on such an image and packs it, Blender writes its light without converting it back: the
colours would be wrong when the file is opened again. `mend` sees that, and gives such an image the colour space of what is packed.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from bpy.app.handlers import persistent

from ..edit import sampling
from ..host import exr, pixels
from . import color_spaces, images, udim
from .color_spaces import Space

_THUMBNAIL = 256  # pixels of its longer side, as Blender has them
_PACKED = "selfrect_packed"  # on an image: how long the file is that we packed


@dataclass(frozen=True, eq=False)
class Landing:
    """space: of the result. own: the picture's numbers are of that space, and no display values. light: Blender's own."""

    space: Space
    own: bool
    light: Space

    @property
    def is_data(self) -> bool:
        """Non-Color in, Non-Color out."""
        return self.space.kind == "data"


@dataclass(frozen=True, eq=False)
class Encoded:
    """flat: the buffer, RGBA, bottom row first; in the own space where only Blender can convert it. packed: the file, None: Blender's.

    Where there is a file, flat may be None. thumbnail: (h, w, 4) display values, bottom row first, of a result that is listed.
    """

    flat: np.ndarray | None
    packed: bytes | None
    has_alpha: bool
    thumbnail: np.ndarray | None = None


def of(reference: bpy.types.Image, own: str) -> Landing:
    """own: as `images.alike` found it."""
    space = color_spaces.of_label(reference)
    return Landing(space, bool(own) and space.name == own, color_spaces.scene_linear())


def buffer(landing: Landing, picture: np.ndarray) -> np.ndarray:
    """(H, W, 3|4), top row first → the flat buffer. Any thread."""
    if landing.is_data or landing.own:
        return pixels.to_blender(picture)
    return pixels.to_blender(color_spaces.applied(color_spaces.inverse(landing.light.to_rec709), pixels.linear_from_srgb(picture)))


def encoded(landing: Landing, flat: np.ndarray, size: tuple[int, int], has_alpha: bool = False) -> Encoded:
    """What is packed, for a buffer. size: (width, height). Any thread."""
    if landing.space.kind == "own" and not landing.own:
        return Encoded(flat, None, has_alpha)  # only Blender can convert it
    picture = flat.reshape(size[1], size[0], 4)[::-1]
    if not (landing.own or _is_buffer(landing)):
        picture = _values(landing, picture)
    return Encoded(flat, exr.encoded(picture if has_alpha else picture[..., :3]), has_alpha)


def shown(landing: Landing, picture: np.ndarray) -> np.ndarray:
    """The flat buffer of a provisional float image that looks as much like the result as can be told without Blender. Any thread."""
    return images.encode(picture, landing.is_data) if landing.own else buffer(landing, picture)


def land(name: str, made: Encoded, size: tuple[int, int], landing: Landing, part: udim.Part | None = None) -> bpy.types.Image:
    """The new image. part: it is a canvas of UDIM tiles."""
    if part:
        return udim.landed(part, name, _tiles(landing, made, size, part), landing.space.name, "CHANNEL_PACKED" if made.has_alpha else "")
    if landing.own or _is_buffer(landing):
        return of_file(name, made, landing)
    image = _new(name, size, made.has_alpha, landing)
    images.fill(image, made.flat)  # what Blender would read from the file is off by its own tables of curves
    _pack(image, made.packed or _converted(landing, made, size))
    return image


def of_file(name: str, made: Encoded, landing: Landing) -> bpy.types.Image:
    """A new image of nothing but the file, which Blender reads, and converts, when it is needed."""
    image = _new(name, (1, 1), made.has_alpha, landing)
    image.source = "FILE"
    _pack(image, made.packed)
    return image


def numbers(image: bpy.types.Image) -> np.ndarray:
    """(H, W, 4) straight, top row first: an image's numbers in its own colour space, as packed where it was not painted on since."""
    source = images.read(image, "result")
    picture = source.straight()
    if source.encoding != "linear":
        return picture
    if _is_as_packed(image) and not image.is_dirty:
        picture[..., :3] = color_spaces.unpacked(image.packed_file.data, image.size)
    else:
        picture[..., :3] = color_spaces.values(picture[..., :3], source.label)
    return picture


@persistent
def mend(*_: object) -> None:
    """Images that Blender packed anew hold its light now, and are to say so."""
    for image in bpy.data.images:
        if _PACKED in image and image.packed_file and not _is_as_packed(image):
            del image[_PACKED]
            image.colorspace_settings.name = color_spaces.scene_linear().name


def _is_as_packed(image: bpy.types.Image) -> bool:
    return image.packed_file is not None and image.packed_file.size == image.get(_PACKED)


def show_thumbnail(image: bpy.types.Image, thumbnail: np.ndarray) -> None:
    """Let lists show the image with it. Blender's own, made later, is too dark in 5.2, where a float image is called sRGB."""
    preview, size = image.preview_ensure(), thumbnail.shape[1::-1]
    for kind in ("icon", "image"):
        setattr(preview, f"{kind}_size", size)
        getattr(preview, f"{kind}_pixels_float").foreach_set(np.ascontiguousarray(thumbnail).reshape(-1))


def thumbnail(landing: Landing, flat: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Of a buffer: (h, w, 4) display values, bottom row first. Any thread."""
    factor = max(-(-max(size) // _THUMBNAIL), 1)
    width, height = (max(side // factor * factor, 1) for side in size)  # the rest of a block would be dark
    small = sampling.reduced(flat.reshape(size[1], size[0], 4)[:height, :width], factor)
    if not (landing.is_data or landing.own):
        small = pixels.srgb_from_linear(color_spaces.applied(landing.light.to_rec709, small))
    return np.clip(small, 0, 1)


def _is_buffer(landing: Landing) -> bool:
    """Whether the numbers of the buffer are those of the file."""
    return landing.is_data or landing.space.name == landing.light.name


def _new(name: str, size: tuple[int, int], has_alpha: bool, landing: Landing) -> bpy.types.Image:
    # is_data, not the colour space set afterwards: after that each undo would read the image from its packed file again
    image = bpy.data.images.new(name, *size, alpha=has_alpha, float_buffer=True, is_data=landing.is_data)
    if not landing.is_data and image.colorspace_settings.name != landing.space.name:
        image.colorspace_settings.name = landing.space.name  # before the pixels: it empties the buffer
    if has_alpha:
        image.alpha_mode = "CHANNEL_PACKED"
    return image


def _pack(image: bpy.types.Image, file: bytes) -> None:
    image.pack(data=file, data_len=len(file))
    if not image.colorspace_settings.is_data:
        image[_PACKED] = image.packed_file.size


def _tiles(landing: Landing, made: Encoded, size: tuple[int, int], part: udim.Part) -> dict[int, bytes]:
    """The file of each tile."""
    picture = _in_space(landing, made.flat.reshape(size[1], size[0], 4)[::-1])
    channels = 4 if made.has_alpha else 3
    return {number: exr.encoded(tile[::-1, :, :channels]) for number, tile in udim.cut(picture[::-1], part.group).items()}


def _in_space(landing: Landing, picture: np.ndarray) -> np.ndarray:
    """A buffer's picture in the space of the result. Main thread."""
    if landing.own or _is_buffer(landing):
        return picture
    if landing.space.kind != "own":
        return _values(landing, picture)
    picture = picture.copy()
    picture[..., :3] = color_spaces.values(picture[..., :3], landing.space.name)
    return picture


def _values(landing: Landing, light: np.ndarray) -> np.ndarray:
    """Blender's light in the space of the result, which is a matrix or sRGB's curve away."""
    if landing.space.kind == "srgb":
        return pixels.srgb_from_linear(color_spaces.applied(landing.light.to_rec709, light))
    there = color_spaces.chained(landing.light.to_rec709, color_spaces.inverse(landing.space.to_rec709))
    return color_spaces.applied(there, light)


def _converted(landing: Landing, made: Encoded, size: tuple[int, int]) -> bytes:
    """The same by Blender itself, for a space that only it knows."""
    picture = _in_space(landing, made.flat.reshape(size[1], size[0], 4)[::-1])
    return exr.encoded(picture if made.has_alpha else picture[..., :3])


def register() -> None:
    """Look before a file is saved, and after one was opened that was saved without us."""
    bpy.app.handlers.save_pre.append(mend)
    bpy.app.handlers.load_post.append(mend)


def unregister() -> None:
    """Look no more."""
    bpy.app.handlers.save_pre.remove(mend)
    bpy.app.handlers.load_post.remove(mend)
