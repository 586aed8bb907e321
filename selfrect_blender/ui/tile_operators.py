# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""A UDIM tile of the target for the tools of Edit Target: out, and back. Scripts: `bpy.ops.selfrect.edit_tile(number=1002)`."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty

from ..host.engine_source import problems
from ..scene import images, tile_edits, udim
from .operators import tells_problems
from .text import draw_text
from .translations import say


class SELFRECT_OT_edit_tile(bpy.types.Operator):
    """Take the active UDIM tile out of the target, as an image that all tools can edit; Put Tile Back ends it"""

    bl_idname = "selfrect.edit_tile"
    bl_label = "Edit Tile"
    bl_options = {"REGISTER", "UNDO"}

    number: IntProperty(name="Tile", description="Its number; 0: the active one", min=0, options={"SKIP_SAVE"})

    @tells_problems
    def execute(self, context):
        """Take it out, let it be the target."""
        target = context.scene.selfrect.target
        images.check(target, "target", tiles=True)
        numbers = [tile.number for tile in target.tiles] if udim.is_tiled(target) else []
        if not numbers or (self.number and self.number not in numbers):
            sentence = f"The target “{target.name}” has no such UDIM tile."
            raise problems.Problem("bad_input", sentence, "Choose a target with tiles, and one of them.")
        if self.number:
            target.tiles.active_index = numbers.index(self.number)
        _choose(context, tile_edits.take_out(target))
        return {"FINISHED"}


class SELFRECT_OT_put_tile_back(bpy.types.Operator):
    """Let the UDIM tile be what was made of it; the tiled image is the target again"""

    bl_idname = "selfrect.put_tile_back"
    bl_label = "Put Tile Back"
    bl_options = {"REGISTER", "UNDO"}

    @tells_problems
    def execute(self, context):
        """Write it, choose the whole."""
        target = context.scene.selfrect.target
        images.check(target, "target", tiles=True)
        _choose(context, tile_edits.put_back(target))
        return {"FINISHED"}


def draw(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """The way out of a tiled target, or back into it; nothing where no tiles are about."""
    target = context.scene.selfrect.target
    if udim.is_tiled(target):
        words = say("The tools edit one UDIM tile at a time: take out the active one, put it back when it is done.")
        draw_text(context, layout, words, icon="INFO")
        layout.operator("selfrect.edit_tile", text=say("Edit Tile {number}", number=udim.active(target)), icon="UV", translate=False)
    elif target and target.selfrect.tile_of:
        words = say("Tile {number} of “{name}”", number=target.selfrect.tile, name=target.selfrect.tile_of.name)
        layout.label(text=words, icon="UV", translate=False)
        layout.operator("selfrect.put_tile_back", icon="LOOP_BACK")


def _choose(context: bpy.types.Context, image: bpy.types.Image) -> None:
    """The panel's target; an editor that shows the one before shows it."""
    before, context.scene.selfrect.target = context.scene.selfrect.target, image
    space = context.space_data
    if space and space.type == "IMAGE_EDITOR" and space.image in (before, None):
        space.image = image


register, unregister = bpy.utils.register_classes_factory((SELFRECT_OT_edit_tile, SELFRECT_OT_put_tile_back))
