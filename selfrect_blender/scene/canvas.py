# SPDX-License-Identifier: GPL-3.0-or-later
"""An image opened for an edit: its buffer is read once, changed in place, written once, and the edit is one undo step.

Arrays are as in `edit`: (H, W, 4) float32, bottom row first, in the image's own encoding (see `images.Pixels`).
"""

from __future__ import annotations

import dataclasses

import bpy
import numpy as np

from ..edit import compositing, patches
from ..edit.boxes import Box, pieces
from ..edit.undo_tree import Change
from ..host import pixels
from ..host.engine_source import problems
from . import color_spaces, edit_undo, images


class Canvas:
    """`pixels` is the whole picture as it is now; change it with the methods below, then `commit`."""

    def __init__(self, image: bpy.types.Image | None, what: str = "target"):
        """Read it. Raises Problem bad_input where it cannot be read or changed."""
        source = images.read(image, what)
        _check_editable(image, source, what)
        self.image, self.source = image, source
        self.premultiplied, self.encoding = source.premultiplied, source.encoding
        self.pixels = source.flat.reshape(source.height, source.width, 4)
        self._changes: list[Change] = []

    @property
    def width(self) -> int:
        """In pixels."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """In pixels."""
        return self.pixels.shape[0]

    @property
    def frame(self) -> Box:
        """All of it."""
        return Box(0, 0, self.width, self.height)

    def stamp(self, layer: np.ndarray, box: Box, wrap: bool = False) -> None:
        """Lay a premultiplied layer over it."""
        for place, part in pieces(box, self.width, self.height, wrap):
            with _Keeping(self, place) as there:
                compositing.over(there, layer[part.slices], self.premultiplied)

    def erase(self, strength: np.ndarray, box: Box, wrap: bool = False) -> None:
        """Take away alpha: strength (h, w) of the box in [0, 1]."""
        for place, part in pieces(box, self.width, self.height, wrap):
            with _Keeping(self, place) as there:
                compositing.erase(there, strength[part.slices], self.premultiplied)

    def replace(self, box: Box, layer: np.ndarray) -> None:
        """Put premultiplied pixels in place of those in the box."""
        with _Keeping(self, box) as there:
            there[...] = layer if self.premultiplied else compositing.divided(layer)

    def replace_all(self, picture: np.ndarray) -> None:
        """Another picture as a whole, encoded as this one is; it may have another size."""
        before = edit_undo.kept(self.pixels, self.image.is_float)
        self.pixels = np.ascontiguousarray(picture, np.float32)
        self._changes.append(Change(self.frame, before, edit_undo.kept(self.pixels, self.image.is_float)))

    def whole(self) -> np.ndarray:
        """The picture premultiplied, for functions that move pixels; a copy unless it is so already."""
        return self.pixels if self.premultiplied else compositing.multiplied(self.pixels)

    def unmultiplied(self, picture: np.ndarray) -> np.ndarray:
        """A premultiplied picture as this image has it."""
        return picture if self.premultiplied else compositing.divided(picture)

    def commit(self, message: str) -> bool:
        """Write it into the image as one undo step called `message`. False: nothing was changed."""
        if not self._changes:
            return False
        edit_undo.write(self.image, self.pixels, self._changes, (self.source.width, self.source.height), message)
        self._changes = []
        return True

    def keep(self, change: Change) -> None:
        """Remember a part that was changed."""
        self._changes.append(change)


def pick(source: images.Pixels, points: np.ndarray, encoding: str) -> patches.Patch | None:
    """The patch inside a lasso (n, 2), or a box from two corners, of what was read; for a canvas with that encoding."""
    points = np.asarray(points, np.float64).reshape(-1, 2)
    box = Box.around(points, 1).clipped(source.width, source.height)
    if box.empty:
        return None
    patch = patches.cut(seen(source, box, encoding), points - (box.x0, box.y0))
    return patch and dataclasses.replace(patch, origin=(patch.origin[0] + box.x0, patch.origin[1] + box.y0))


def seen(source: images.Pixels, box: Box, encoding: str) -> np.ndarray:
    """A box of what was read, premultiplied, as a canvas with that encoding would have it. Colour becomes data unchanged, and back."""
    crop = source.flat.reshape(source.height, source.width, source.channels)[box.slices]
    cut = dataclasses.replace(source, flat=crop.ravel(), width=box.width, height=box.height)
    cut = images.as_light(cut) if encoding in ("srgb", "linear") else cut
    part = cut.straight()[::-1]
    if (cut.encoding, encoding) == ("srgb", "linear"):
        part = color_spaces.applied(color_spaces.inverse(color_spaces.scene_linear().to_rec709), pixels.linear_from_srgb(part))
    elif (cut.encoding, encoding) == ("linear", "srgb"):
        part = pixels.srgb_from_linear(color_spaces.applied(cut.to_rec709, part))
    return compositing.multiplied(part)


class _Keeping:
    """A box of the canvas to be changed in place; what it was and became is remembered."""

    def __init__(self, canvas: Canvas, box: Box):
        self.canvas, self.box = canvas, box

    def __enter__(self) -> np.ndarray:
        self.there = self.canvas.pixels[self.box.slices]
        self.before = edit_undo.kept(self.there, self.canvas.image.is_float)
        return self.there

    def __exit__(self, kind, *_: object) -> None:
        if kind is None:
            self.canvas.keep(Change(self.box, self.before, edit_undo.kept(self.there, self.canvas.image.is_float)))


def _check_editable(image: bpy.types.Image, source: images.Pixels, what: str) -> None:
    if image.library:
        sentence = f"The {what} “{image.name}” is linked from another file and cannot be changed here."
        raise problems.Problem("bad_input", sentence, "Press New Target for a copy that can.")
    if source.channels != 4:
        sentence = f"The {what} “{image.name}” has {source.channels} channels and none for what is transparent."
        raise problems.Problem("bad_input", sentence, "Press New Target for a copy that has one.")
