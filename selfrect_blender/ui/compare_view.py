# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing a comparison over the result in the Image Editor; zoom and pan are the editor's own.

The editor itself draws the result; over it goes the other picture, beside it, up to the wipe's border, or as the difference.
What is compared are names in `WindowManager.selfrect_compare`, looked up at each drawing: images may vanish at any time.
"""

from __future__ import annotations

import blf
import bpy
import gpu
from bpy.app.handlers import persistent
from bpy.props import EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty
from gpu_extras.batch import batch_for_shader

from ..scene import compare, editors, udim
from . import compare_shader
from .compare_geometry import Rect, at_tile, beside, border, handle_height, picture_rect

MODES = (
    ("SIDE", "Side by Side", "The other picture stands to the right of the result"),
    ("WIPE", "Wipe", "The other picture covers the result up to a border that can be dragged"),
    ("DIFFERENCE", "Difference", "Black where both are the same"),
)
_OFF = ("OFF", "Off", "")
_EDITOR_ALPHA = {"COLOR_ALPHA"}  # display_channels under which the editor shows what is transparent

_ENDS_TILES = ("save_pre", "undo_pre", "redo_pre")  # before, not after: then data-blocks can still be taken away

_FAR = 8  # copies to each side that a repeated picture is drawn with

_HANDLE = 9  # half its width, at a UI scale of 1
_DARK, _LIGHT = (0, 0, 0, 0.6), (1, 1, 1, 0.9)

#: the colour of the wipe's handle, set by the gizmo when Blender draws it, just before the pictures
handle: tuple[float, float, float] | None = None
_handler = None


def _redraw(_state, _context) -> None:
    editors.redraw()


class SelfrectCompare(bpy.types.PropertyGroup):
    """What is compared, and how; not saved and in no undo step."""

    mode: EnumProperty(items=(_OFF, *MODES), update=_redraw, options={"SKIP_SAVE"})
    against: EnumProperty(name="Against", items=compare.AGAINST, options={"SKIP_SAVE"})
    result: StringProperty(options={"SKIP_SAVE"})
    other: StringProperty(options={"SKIP_SAVE"})
    tile: IntProperty(description="The UDIM tile that is compared; 0: the pictures have none", options={"SKIP_SAVE"})
    wipe: FloatProperty(
        name="Wipe", description="How much of the other picture covers the result", subtype="FACTOR",
        min=0, max=1, default=0.5, update=_redraw, options={"SKIP_SAVE"},
    )  # fmt: skip
    gain: FloatProperty(
        name="Brighten", description="How many times brighter than they are differences are shown",
        min=1, soft_max=16, max=256, default=4, update=_redraw, options={"SKIP_SAVE"},
    )  # fmt: skip


def state() -> SelfrectCompare:
    """What is compared now."""
    return bpy.context.window_manager.selfrect_compare


def pictures(space: bpy.types.SpaceImageEditor) -> tuple[bpy.types.Image, bpy.types.Image] | None:
    """The result that this editor shows and what it is compared with; None where nothing is."""
    now = state()
    if now.mode == "OFF" or not compare.is_shown_with(space.image, now.result, now.other):
        return None
    shown = compare.seen(space.image.name), compare.seen(now.other)
    return shown if all(shown) else None


def rect_of(region: bpy.types.Region) -> Rect:
    """Where the compared picture lies in the region."""
    corners = (region.view2d.region_to_view(x, y) for x, y in ((0, 0), (region.width, region.height)))
    rect = picture_rect(*corners, (region.width, region.height))
    return at_tile(rect, *udim.place(state().tile)) if _is_tiled() else rect


def end() -> None:
    """Stop comparing."""
    state().mode = "OFF"
    if state().tile:
        state().tile = 0
        compare.drop_tiles()


def _is_tiled() -> bool:
    return state().tile > 0 and udim.is_tiled(bpy.data.images.get(state().result))


def _draw() -> None:
    """Called by Blender for each Image Editor, at each redraw."""
    context = bpy.context
    space, region = context.space_data, context.region
    shown = pictures(space)
    if shown is None:
        return
    result, other = shown
    if not all(image.has_data and image.size[0] for image in shown):
        return
    now, rect, scale = state(), rect_of(region), context.preferences.system.ui_scale
    place = beside(_last_column(rect), tuple(other.size)) if now.mode == "SIDE" else rect
    _draw_pictures(space, now, place, result, other, rect, scale)
    if now.mode == "WIPE":
        _draw_border(border(rect, now.wipe), rect, handle_height(rect, region.height), scale)
    _draw_names(now.mode, rect, place, result.name, other.name, scale, region)


def _last_column(rect: Rect) -> Rect:
    """The place at the right end of a tiled result, so that nothing of it is covered."""
    if not _is_tiled():
        return rect
    columns = [udim.place(tile.number)[0] for tile in bpy.data.images[state().result].tiles]
    return at_tile(rect, max(columns) - udim.place(state().tile)[0], 0)


def _draw_pictures(space, now, place: Rect, result, other, rect: Rect, scale: float) -> None:
    shader = compare_shader.shader()
    far = _FAR if space.show_repeat and now.mode != "SIDE" else 0  # the shader repeats
    uv = [(u, v) for v in (-far, far + 1) for u in (-far, far + 1)]
    corners = [(place.left + u * place.width, place.bottom + v * place.height) for u, v in uv]
    batch = batch_for_shader(shader, "TRI_STRIP", {"pos": corners, "uv": uv})
    shader.bind()
    shader.uniform_float("ModelViewProjectionMatrix", gpu.matrix.get_projection_matrix() @ gpu.matrix.get_model_view_matrix())
    shader.uniform_float("split", now.wipe if now.mode == "WIPE" else 1e6)
    shader.uniform_float("gain", now.gain)
    shader.uniform_float("checker", 8 * scale)
    shader.uniform_int("flags", [_flags(space, now.mode, result, other, rect)])
    shader.uniform_sampler("result", gpu.texture.from_image(result))
    shader.uniform_sampler("other", gpu.texture.from_image(other))
    gpu.state.blend_set("NONE")
    batch.draw(shader)


def _flags(space, mode: str, result, other, rect: Rect) -> int:
    seen = space.display_channels in _EDITOR_ALPHA
    flags = 0
    for bit, image in ((0, result), (1, other)):
        flags |= (image.alpha_mode == "PREMUL") << bit
        flags |= (seen and image.alpha_mode in {"STRAIGHT", "PREMUL"}) << (bit + 2)
    return flags | (16 if mode == "DIFFERENCE" else 0) | (32 if rect.width > result.size[0] else 0)


def _draw_border(x: float, rect: Rect, y: float, scale: float) -> None:
    """A line and, where the gizmo asks for it, the handle at height y."""
    global handle
    gpu.state.blend_set("ALPHA")
    for width, color in ((2 * scale, _DARK), (scale, _LIGHT)):
        _fill([(x - width, rect.bottom), (x + width, rect.bottom), (x - width, rect.top), (x + width, rect.top)], color)
    if handle:
        for reach, color in (((_HANDLE + 2) * scale, _DARK), (_HANDLE * scale, (*handle, 1))):
            _fill([(x - reach, y), (x, y - reach), (x, y + reach), (x + reach, y)], color)
    handle = None
    gpu.state.blend_set("NONE")


def _fill(corners: list[tuple[float, float]], color: tuple[float, ...]) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    shader.uniform_float("color", color)
    batch_for_shader(shader, "TRI_STRIP", {"pos": corners}).draw(shader)


def _draw_names(mode: str, rect: Rect, place: Rect, result: str, other: str, scale: float, region) -> None:
    """Which is which: above each picture, or at the top of what is seen of it."""
    gap = 8 * scale
    blf.size(0, 12 * scale)
    blf.color(0, 1, 1, 1, 1)
    blf.enable(0, blf.SHADOW)
    blf.shadow(0, 3, 0, 0, 0, 0.9)
    y = min(rect.top + gap, region.height - 50 * scale)
    if mode == "SIDE":
        words = ((result, rect.left + gap), (other, place.left + gap))
    elif mode == "WIPE":
        wide, result_wide = (blf.dimensions(0, name)[0] for name in (other, result))
        if wide + result_wide + 4 * gap < rect.width:
            words = ((other, rect.left + gap), (result, rect.right - gap - result_wide))
        else:  # a small picture: beside it
            words = ((other, rect.left - gap - wide), (result, rect.right + gap))
    else:
        words = ((f"{result} − {other}", rect.left + gap),)
    for word, x in words:
        blf.position(0, x, y, 0)
        blf.draw(0, word)
    blf.disable(0, blf.SHADOW)


@persistent
def _forget(*_: object) -> None:
    """Another file: nothing is compared there."""
    end()


@persistent
def _end_of_tiles(*_: object) -> None:
    """The file is saved, in which pictures of tiles have no place, or an undo took them away."""
    if state().tile:
        end()


_register, _unregister = bpy.utils.register_classes_factory((SelfrectCompare,))


def register() -> None:
    """State, handler, and an end at each new file."""
    global _handler
    _register()
    bpy.types.WindowManager.selfrect_compare = PointerProperty(type=SelfrectCompare)
    _handler = bpy.types.SpaceImageEditor.draw_handler_add(_draw, (), "WINDOW", "POST_PIXEL")
    bpy.app.handlers.load_post.append(_forget)
    for event in _ENDS_TILES:
        getattr(bpy.app.handlers, event).append(_end_of_tiles)


def unregister() -> None:
    """Take all of it back."""
    for event in _ENDS_TILES:
        getattr(bpy.app.handlers, event).remove(_end_of_tiles)
    bpy.app.handlers.load_post.remove(_forget)
    bpy.types.SpaceImageEditor.draw_handler_remove(_handler, "WINDOW")
    compare_shader.forget()
    del bpy.types.WindowManager.selfrect_compare
    _unregister()
