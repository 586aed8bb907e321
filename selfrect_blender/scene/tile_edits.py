# SPDX-License-Identifier: GPL-3.0-or-later
"""One UDIM tile taken out of a target, edited as an image of its own, and put back.

Blender hands add-ons the buffer of the first tile only, and a tile is written by way of its file. So the tools of the mouse, which write at
each stroke, work on the tile alone; putting it back is one step. Undo brings back a tiled image's packed files, and here its pixels follow.
"""

from __future__ import annotations

import bpy
import numpy as np
from bpy.app.handlers import persistent

from ..host import exr, png
from ..host.engine_source import problems
from . import color_spaces, editors, images, targets, udim

_states: dict[int, int] = {}  # session_uid of a tiled image → the number of the state that its buffers are in


def take_out(target: bpy.types.Image) -> bpy.types.Image:
    """A new image of the active tile, as it is now, that can be edited and be the target. Raises Problem bad_input."""
    number = udim.active(target)
    tile = udim.single(target, number, "target")
    try:
        taken = targets.new_target(tile)
    finally:
        name = tile.name
        bpy.data.images.remove(tile)
    taken.name, taken.selfrect.tile, taken.selfrect.tile_of = name, number, target
    return taken


def put_back(taken: bpy.types.Image) -> bpy.types.Image:
    """Make the tile what its image is now; returns the tiled image. Strokes on its other tiles are kept. Raises Problem bad_input."""
    whole, number = taken.selfrect.tile_of, taken.selfrect.tile
    if not udim.is_tiled(whole) or number not in [tile.number for tile in whole.tiles]:
        raise problems.Problem("bad_input", f"“{taken.name}” is no tile of an image in this file.", "Press Edit Tile first.")
    if whole.library:
        raise problems.Problem("bad_input", f"“{whole.name}” is linked from another file.", "Press New Target for a copy of it.")
    if whole.is_dirty:  # the undo of what follows leads to what is packed: that has to hold the strokes
        _write(whole, {})
        editors.push_undo("Pack Tiles")
    _write(whole, {number: _file(taken, whole)})
    return whole


def _write(whole: bpy.types.Image, tiles: dict[int, bytes]) -> None:
    path = whole.filepath_raw
    udim.extend(whole, tiles, udim.ending_of(whole))
    whole.filepath_raw = path
    whole.selfrect.tile_state = 1 + max(image.selfrect.tile_state for image in bpy.data.images)
    _states[whole.session_uid] = whole.selfrect.tile_state


def _file(taken: bpy.types.Image, whole: bpy.types.Image) -> bytes:
    """The tile's file: of the kind and in the colour space of the others."""
    if not whole.is_float:
        return png.encoded(images.read(taken, "target").picture(), 8)
    picture, space = images.read(taken, "target").straight(), color_spaces.of_label(whole)
    if space.kind != "data" and space.name != color_spaces.working():
        picture[..., :3] = color_spaces.values(np.ascontiguousarray(picture), space.name)
    if whole.alpha_mode == "PREMUL":
        picture[..., :3] *= picture[..., 3:]
    return exr.encoded(picture)


@persistent
def _follow(*_: object) -> None:
    """After an undo or redo: tiled images whose packed files are other ones now are read anew."""
    for image in bpy.data.images:
        if image.session_uid in _states and image.selfrect.tile_state != _states[image.session_uid]:
            _states[image.session_uid] = image.selfrect.tile_state
            image.colorspace_settings.name = image.colorspace_settings.name  # empties the buffers; reload() looks for files first


@persistent
def _forget(*_: object) -> None:
    """Another file: nothing to undo."""
    _states.clear()


_HANDLERS = (("undo_post", _follow), ("redo_post", _follow), ("load_pre", _forget))


def register() -> None:
    """Follow undo."""
    for event, handler in _HANDLERS:
        getattr(bpy.app.handlers, event).append(handler)


def unregister() -> None:
    """Follow no more."""
    for event, handler in _HANDLERS:
        getattr(bpy.app.handlers, event).remove(handler)
    _states.clear()
