# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""Explore: order a sheet of variations, keep one of them by place or by a click on the sheet."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, IntProperty

from .. import explore, main_thread
from ..host import variations
from ..host.engine_source import problems
from ..scene import editors
from . import properties
from .operators import Ordering, tells_problems
from .translations import say

_keymap_items: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


class SELFRECT_OT_explore(Ordering, bpy.types.Operator):
    """Make a sheet of variations to choose from; those that are done can be kept while the others are still made"""

    bl_idname = "selfrect.explore"
    bl_label = "Explore"
    bl_options = {"REGISTER", "UNDO"}

    __annotations__ = {
        "by": EnumProperty(name="Explore", description=properties.EXPLORE_BY_WORDS, items=properties.EXPLORE_BY),
        "rows": IntProperty(name="Rows", default=3, min=1, max=8),
        "columns": IntProperty(name="Columns", default=3, min=1, max=8),
    }

    @tells_problems
    def execute(self, context):
        """Order all of them; in background mode wait for them."""
        choices = context.scene.selfrect
        given = self.properties.is_property_set
        by, rows, columns = (getattr(self, name) if given(name) else getattr(choices, f"explore_{name}") for name in _GRID)
        order = self.order(context)
        chosen = _variations(self, choices, by, rows, columns)
        exploration = explore.Exploration(order, chosen, main_thread.queue(), main_thread.converter())
        sheet = exploration.shown()
        if self.wait or bpy.app.background:
            explore.make(exploration, main_thread.queue())
            return {"FINISHED"}
        main_thread.add(exploration)
        _show(context, sheet, bpy.data.images.get(order.target_name))
        return {"FINISHED"}


_GRID = ("by", "rows", "columns")


def _variations(operator, choices: bpy.types.PropertyGroup, by: str, rows: int, columns: int) -> list[variations.Variation]:
    chosen = {
        name: getattr(operator if operator.properties.is_property_set(name) else choices, name) for name in ("structure", "detail", "seed")
    }
    if by == "SEEDS":
        return variations.seeds(chosen["seed"], rows, columns)
    return variations.grid(chosen["structure"], chosen["detail"], rows, columns)


class SELFRECT_OT_explore_keep(bpy.types.Operator):
    """Keep this variation: it becomes the result in full size, and its settings those of the panel"""

    bl_idname = "selfrect.explore_keep"
    bl_label = "Keep Variation"
    bl_options = {"REGISTER", "UNDO"}

    row: IntProperty(name="Row", description="From the top, the first is 0", min=0)
    column: IntProperty(name="Column", description="From the left, the first is 0", min=0)

    @tells_problems
    def execute(self, context):
        """Land it, show it where the sheet was."""
        exploration = explore.latest()
        if exploration is None:
            raise problems.Problem("bad_input", "There is no sheet of variations.", "Press Explore first.")
        image = exploration.keep(self.row, self.column)
        _take_over(context.scene, exploration.variation(self.row, self.column))
        editors.show(editors.viewers({exploration.image()} - {None}), image, fit=True)
        self.report({"INFO"}, say("“{name}” is the result.", name=image.name))
        return {"FINISHED"}


class SELFRECT_OT_explore_pick(bpy.types.Operator):
    """Keep the variation that is clicked on the sheet"""

    bl_idname = "selfrect.explore_pick"
    bl_label = "Keep Clicked Variation"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        """On the sheet only: elsewhere the click is not ours."""
        space = context.space_data
        return space is not None and space.type == "IMAGE_EDITOR" and explore.sheet_of(space.image) is not None

    def invoke(self, context, event):
        """A click beside the pictures, or on one that is not done, goes to whoever else wants it."""
        place = place_at(context.space_data, context.region, event.mouse_region_x, event.mouse_region_y)
        if place is None:
            return {"PASS_THROUGH"}
        bpy.ops.selfrect.explore_keep("EXEC_DEFAULT", True, row=place[0], column=place[1])
        return {"FINISHED"}


class SELFRECT_OT_explore_show(bpy.types.Operator):
    """Show the sheet of variations in the image editor"""

    bl_idname = "selfrect.explore_show"
    bl_label = "Show Sheet"
    bl_options = {"REGISTER", "UNDO"}

    @tells_problems
    def execute(self, context):
        """Here, or in the first image editor of this window."""
        exploration = explore.latest()
        if exploration is None:
            raise problems.Problem("bad_input", "There is no sheet of variations.", "Press Explore first.")
        _show(context, exploration.shown(), None)
        return {"FINISHED"}


def place_at(space: bpy.types.SpaceImageEditor, region: bpy.types.Region, x: int, y: int) -> tuple[int, int] | None:
    """(row, column) of the finished variation beneath a point of the region, in pixels."""
    exploration = explore.sheet_of(space.image)
    place = exploration.sheet.at(*region.view2d.region_to_view(x, y)) if exploration else None
    return place if place and place in exploration.done else None


def _take_over(scene: bpy.types.Scene, variation: variations.Variation) -> None:
    for name, value in variation.sliders.items():
        setattr(scene.selfrect, name, value)
    if variation.seed is not None:
        scene.selfrect.seed = variation.seed


def _show(context: bpy.types.Context, sheet: bpy.types.Image, target: bpy.types.Image | None) -> None:
    """Where the button was pressed, else where the target is viewed, else in the first image editor."""
    here = context.space_data
    if here and here.type == "IMAGE_EDITOR":
        return editors.show([here], sheet, fit=True)
    spaces = editors.viewers({target} - {None}) or [area.spaces.active for area in editors.areas("IMAGE_EDITOR")][:1]
    return editors.show(spaces, sheet, fit=True)


_register, _unregister = bpy.utils.register_classes_factory(
    (SELFRECT_OT_explore, SELFRECT_OT_explore_keep, SELFRECT_OT_explore_pick, SELFRECT_OT_explore_show)
)


def register() -> None:
    """The click is a key of the keymap, so that no tool has to run for as long as a sheet is open."""
    _register()
    keyconfig = bpy.context.window_manager.keyconfigs.addon
    for name in ("Image Editor Tool: Sample", "Image") if keyconfig else ():
        keymap = keyconfig.keymaps.new(name=name, space_type="IMAGE_EDITOR", region_type="WINDOW")
        item = keymap.keymap_items.new("selfrect.explore_pick", "LEFTMOUSE", "PRESS", head=True)
        _keymap_items.append((keymap, item))


def unregister() -> None:
    """Take keys and operators back."""
    for keymap, item in _keymap_items:
        keymap.keymap_items.remove(item)
    _keymap_items.clear()
    _unregister()
