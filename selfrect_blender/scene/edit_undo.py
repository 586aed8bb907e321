# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of pixels as steps of Blender's own undo.

Blender's undo brings back every property of an image, but not its pixels: those stay in memory as they are. So each image
carries the number of its state (`Image.selfrect_edit.state`), the pixels that lead from state to state are kept in an
`UndoTree`, and after an undo or redo the pixels follow the number. Strokes of Blender's own brushes keep their pixels
themselves, as parts of 64 × 64; what is said about them at `_mend`.
"""

from __future__ import annotations

import bpy
import numpy as np
from bpy.app.handlers import persistent
from bpy.props import IntProperty, PointerProperty

from ..edit.boxes import Box
from ..edit.undo_tree import Change, UndoTree
from . import editors

_PAUSE = 0.1  # seconds
_TILE = 64  # of Blender's own undo of strokes

_tree = UndoTree()
_states: dict[int, int] = {}  # session_uid of an image → the state that its buffer is in
_before: dict[int, tuple[np.ndarray, bool]] = {}  # while an undo is under way: pixels, and whether they were in no file
_last = 0
_brush_step_of = 0  # session_uid of the image in the latest step of the brushes' kind, if it is ours and was not undone
_refreshes = 0
_draw_again: set[int] = set()  # session_uid of images that were written


class SelfrectImageEdits(bpy.types.PropertyGroup):
    """Which pixels belong to an image, as a number that Blender's undo knows."""

    state: IntProperty(options={"HIDDEN"})
    packed: IntProperty(description="The state in the packed file", options={"HIDDEN"})


def kept(picture: np.ndarray, is_float: bool) -> np.ndarray:
    """A copy of pixels in the depth that the image has: float32, or bytes rounded as Blender does."""
    if is_float:
        return picture.copy()
    return (np.clip(picture, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def write(image: bpy.types.Image, picture: np.ndarray, changes: list[Change], size_before: tuple[int, int], message: str) -> None:
    """Write the whole picture (H, W, 4) and make it an undo step called `message`.

    changes: what was changed since the image was read. In background mode no step is pushed: scripts do that.
    """
    global _brush_step_of
    native = not bpy.app.background and _no_global_undo()
    if native and _brush_step_of != image.session_uid:  # such a step goes back to what the one before it holds
        _brush_step(image)
    _set(image, picture)
    _draw_again.clear()
    if native:
        _brush_step(image)
        _brush_step_of = image.session_uid
        return
    edits = image.selfrect_edit
    parent = _states.get(image.session_uid, edits.state)
    edits.state = _states[image.session_uid] = _new_state()
    _tree.most_steps = max(bpy.context.preferences.edit.undo_steps, 1) + 1
    _tree.add(edits.state, parent, changes, size_before, tuple(image.size))
    push(message)


def push(message: str) -> None:
    """An undo step of the kind that holds all data. In a paint mode Blender would choose the brushes' kind, which holds no property."""
    windows = bpy.context.window_manager.windows
    if windows and not bpy.app.background:
        with bpy.context.temp_override(window=bpy.context.window or windows[0], area=None, region=None, active_object=None):
            bpy.ops.ed.undo_push(message=message)


def _no_global_undo() -> bool:
    """In these modes Blender takes only steps of the mode's own kind, and of the brushes'."""
    return bpy.context.mode.startswith("EDIT") or bpy.context.mode in {"SCULPT", "PARTICLE", "SCULPT_CURVES"}


def _brush_step(image: bpy.types.Image) -> None:
    """A step of the brushes' kind with the image as it is: an inversion of no channel. It holds the whole image."""
    with bpy.context.temp_override(edit_image=image):
        bpy.ops.image.invert()


def _new_state() -> int:
    global _last
    _last = max(_last, *(image.selfrect_edit.state for image in bpy.data.images)) + 1
    return _last


def _read(image: bpy.types.Image) -> np.ndarray:
    flat = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], 4)


def _set(image: bpy.types.Image, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    if tuple(image.size) != (width, height):
        image.scale(width, height)
    image.pixels.foreach_set(picture.reshape(-1))
    image.update()
    _draw_again.add(image.session_uid)


def _refresh() -> float | None:
    """After an undo an Image Editor may miss that pixels changed, or draw once more what was there: it is told and drawn again."""
    global _refreshes
    for image in bpy.data.images:
        if image.session_uid in _draw_again:
            image.update()
    _draw_again.clear()
    for area in editors.areas("IMAGE_EDITOR"):
        area.tag_redraw()
    _refreshes -= 1
    return _PAUSE if _refreshes > 0 else None


def _float(values: np.ndarray) -> np.ndarray:
    return values if values.dtype == np.float32 else values.astype(np.float32) / np.float32(255)


def _follow(image: bpy.types.Image, picture: np.ndarray) -> None:
    """Bring the picture that the buffer shall begin with to the state that the image says, and write it."""
    way = _tree.way(_states[image.session_uid], image.selfrect_edit.state) or ()  # nothing is known of edits of too long ago
    _states[image.session_uid] = image.selfrect_edit.state
    for edit, forwards in way:
        size = edit.size_after if forwards else edit.size_before
        changes = _tree.changes(edit)
        for change in changes if forwards else reversed(changes):
            values = _float(change.after if forwards else change.before)
            if picture.shape[:2] != size[::-1]:
                picture = np.empty((size[1], size[0], 4), np.float32)
            picture[... if values.shape == picture.shape else change.box.slices] = values
    _set(image, picture)


def _mend(image: bpy.types.Image, before: np.ndarray) -> None:
    """Give back what the undo of a brush stroke took away too much.

    Blender takes the pixels before a stroke from the stroke before it, where there is one; an edit between the two would go
    with the undone stroke. It is recognised by whole tiles that became exactly what they were before the edit.
    """
    now = _read(image)
    if now.shape != before.shape or np.array_equal(now, before):
        return
    now, before = kept(now, image.is_float), kept(before, image.is_float)
    edits, mended = _tree.line(_states[image.session_uid]), False
    for change in (change for edit in edits for change in _tree.changes(edit) if edit.size_before == edit.size_after == tuple(image.size)):
        for tile in _tiles(change.box):
            inner = tile.moved(-change.box.x0, -change.box.y0).slices
            old, new, there = change.before[inner], change.after[inner], now[tile.slices]
            if np.array_equal(there, old) and not np.array_equal(old, new) and not np.array_equal(before[tile.slices], old):
                there[...], mended = new, True
    if mended:
        _set(image, _float(now))


def _tiles(box: Box):
    """The parts of a box that lie in one tile each."""
    for y in range(box.y0 // _TILE * _TILE, box.y1, _TILE):
        for x in range(box.x0 // _TILE * _TILE, box.x1, _TILE):
            yield Box(max(x, box.x0), max(y, box.y0), min(x + _TILE, box.x1), min(y + _TILE, box.y1))


@persistent
def _remember(*_: object) -> None:
    """Before an undo or redo: the pixels of images that have been edited here, and whether they are in no file yet."""
    _before.clear()
    for image in bpy.data.images:
        if image.session_uid in _states and image.has_data:
            _before[image.session_uid] = _read(image), image.is_dirty


@persistent
def _after(*_: object) -> None:
    """After an undo or redo: the pixels follow."""
    global _brush_step_of, _refreshes
    _brush_step_of = 0
    known, before = {image.session_uid for image in bpy.data.images}, dict(_before)
    _before.clear()
    for uid in set(_states) - known:
        del _states[uid]
    for image in bpy.data.images:
        uid, state = image.session_uid, image.selfrect_edit.state
        if uid not in _states and _tree.line(state):
            _states[uid] = image.selfrect_edit.packed  # it was gone and came back, read from its packed file
        if uid not in _states:
            continue
        picture, was_dirty = before.get(uid, (None, False))
        # Where a colour space was set, Blender reads the image anew from its file: then what was in memory counts.
        read_anew = picture is not None and was_dirty and not image.is_dirty
        if read_anew or _states[uid] != state:
            _follow(image, picture if read_anew else _read(image))
        elif picture is not None:
            _mend(image, picture)
    if _draw_again and not bpy.app.background:
        _refreshes = 2
        if not bpy.app.timers.is_registered(_refresh):
            bpy.app.timers.register(_refresh, first_interval=_PAUSE)


@persistent
def _pack(*_: object) -> None:
    """Before the file is saved: what was edited goes with it. Images with files of their own are left to the artist, as ever."""
    for image in bpy.data.images:
        edits = image.selfrect_edit
        if edits.state != edits.packed and image.packed_file and not image.library:
            image.pack()
            edits.packed = edits.state


@persistent
def _forget(*_: object) -> None:
    """Another file: nothing to undo."""
    global _brush_step_of
    _brush_step_of = 0
    _tree.clear()
    _states.clear()
    _before.clear()


_HANDLERS = (
    ("undo_pre", _remember),
    ("redo_pre", _remember),
    ("undo_post", _after),
    ("redo_post", _after),
    ("save_pre", _pack),
    ("load_pre", _forget),
)


def register() -> None:
    """The property and the handlers that follow it."""
    bpy.utils.register_class(SelfrectImageEdits)
    bpy.types.Image.selfrect_edit = PointerProperty(type=SelfrectImageEdits)
    for event, handler in _HANDLERS:
        getattr(bpy.app.handlers, event).append(handler)


def unregister() -> None:
    """Take them back; pixels stay as they are."""
    if bpy.app.timers.is_registered(_refresh):
        bpy.app.timers.unregister(_refresh)
    for event, handler in _HANDLERS:
        getattr(bpy.app.handlers, event).remove(handler)
    _forget()
    del bpy.types.Image.selfrect_edit
    bpy.utils.unregister_class(SelfrectImageEdits)
