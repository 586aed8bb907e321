# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a result: compared with what it was made of, and repeated. Nothing in the file changes, so there is nothing to undo."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty

from ..host.engine_source import problems
from ..scene import compare, editors, images
from . import compare_view
from .compare_geometry import zoom_for
from .operators import tells_problems
from .translations import say

_keys: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


class SELFRECT_OT_compare(bpy.types.Operator):
    """Compare the result in the image editor with its target or reference; once more ends it, as Esc does"""

    bl_idname = "selfrect.compare"
    bl_label = "Compare Result"

    mode: EnumProperty(name="How", items=compare_view.MODES, default="WIPE")
    against: EnumProperty(name="Against", description="What the result is compared with", items=compare.AGAINST)
    result: StringProperty(name="Result", description="An image's name; empty: the one shown, else the panel's", options={"SKIP_SAVE"})
    other: StringProperty(name="Other", description="An image's name; empty: the result's own target or reference", options={"SKIP_SAVE"})

    @classmethod
    def description(cls, context, properties):
        """Each button tells what it shows."""
        return say(next(words for mode, _, words in compare_view.MODES if mode == properties.mode))

    @tells_problems
    def execute(self, context):
        """Begin, change or end it."""
        result, other = compare.pair(context, self.against, self.result, self.other)
        now = compare_view.state()
        wanted = (self.mode, self.against, result.name, other.name, compare.tile_of(result, other))
        if wanted == (now.mode, now.against, now.result, now.other, now.tile):
            compare_view.end()
            return {"FINISHED"}
        editor = _editor(context)
        compare.take_tiles(result, other, wanted[-1])
        editor.image = result
        now.mode, now.against, now.result, now.other, now.tile = wanted
        return {"FINISHED"}


class SELFRECT_OT_compare_end(bpy.types.Operator):
    """Show the result alone again"""

    bl_idname = "selfrect.compare_end"
    bl_label = "End Comparison"

    @classmethod
    def poll(cls, context):
        """Esc belongs to others where nothing is compared."""
        return compare_view.state().mode != "OFF"

    def execute(self, context):
        """End it."""
        compare_view.end()
        return {"FINISHED"}


class SELFRECT_OT_repeat_view(bpy.types.Operator):
    """Show the image in the image editor repeated, to see whether its edges meet; once more ends it"""

    bl_idname = "selfrect.repeat_view"
    bl_label = "Repeat View"

    image: StringProperty(name="Image", description="An image's name; empty: the one shown", options={"SKIP_SAVE"})
    times: IntProperty(name="Times", description="How many copies fit into the editor each way", min=1, soft_max=5, max=20, default=3)

    @tells_problems
    def execute(self, context):
        """Blender's own repetition, zoomed so that the copies can be seen."""
        space = _editor(context)
        if self.image:
            space.image = images.by_name(self.image, "editor")
        if space.image is None:
            raise problems.Problem("bad_input", "The image editor shows no image.", "Choose one there.")
        on = not space.show_repeat or (bool(self.image) and not context.area)
        space.show_repeat = on
        _zoom(context, space, self.times if on else 1)
        return {"FINISHED"}


def _editor(context: bpy.types.Context) -> bpy.types.SpaceImageEditor:
    """This image editor, else the first of the window. Raises Problem bad_input."""
    space = context.space_data
    if space and space.type == "IMAGE_EDITOR":
        return space
    found = editors.areas("IMAGE_EDITOR")
    if not found:
        raise problems.Problem("bad_input", "No image editor is open.", "Open one and press the button again.")
    return found[0].spaces.active


def _zoom(context: bpy.types.Context, space: bpy.types.SpaceImageEditor, times: int) -> None:
    """Centre the image, and let `times` × `times` of it fill the editor. Without a window there is nothing to zoom."""
    for window in () if bpy.app.background else context.window_manager.windows:
        for area in window.screen.areas:
            region = next((region for region in area.regions if region.type == "WINDOW"), None)
            if area.spaces.active == space and region:
                with context.temp_override(window=window, area=area, region=region):
                    bpy.ops.image.view_all()
                    bpy.ops.image.view_zoom_ratio(ratio=zoom_for(times, (region.width, region.height), tuple(space.image.size)))


_register, _unregister = bpy.utils.register_classes_factory((SELFRECT_OT_compare, SELFRECT_OT_compare_end, SELFRECT_OT_repeat_view))


def register() -> None:
    """Operators, and Esc in the Image Editor; in background mode there are no keys."""
    _register()
    keys = bpy.context.window_manager.keyconfigs.addon
    if keys:
        keymap = keys.keymaps.new("Image", space_type="IMAGE_EDITOR")
        _keys.append((keymap, keymap.keymap_items.new(SELFRECT_OT_compare_end.bl_idname, "ESC", "PRESS")))


def unregister() -> None:
    """Take both back."""
    while _keys:
        keymap, item = _keys.pop()
        keymap.keymap_items.remove(item)
    _unregister()
