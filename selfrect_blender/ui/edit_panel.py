# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel "Edit Target" of the Image Editor, and the keys of its tools."""

from __future__ import annotations

import math

import bpy

from ..scene import udim
from . import edit_tool, places, reasons, tile_operators
from .text import draw_text
from .translations import mark

#: operator, key: with Ctrl and Alt, in the Image Editor
_KEYS = (("selfrect.pick_patch", "P"), ("selfrect.erase_brush", "E"), ("selfrect.stroke_brush", "D"), ("selfrect.warp_grid", "W"))
_registered: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


class _EditTarget:
    """Tools for the target, the settings of each beneath its button"""

    bl_label = "Edit Target"
    bl_order = places.EDIT_TARGET

    def draw(self, context: bpy.types.Context) -> None:
        """Patch, brushes, warp, the whole target."""
        layout, settings = self.layout, context.scene.selfrect_edit
        layout.use_property_split, layout.use_property_decorate = True, False
        reason = reasons.edit_target(context)
        tile_operators.draw(context, layout)
        if not udim.is_tiled(context.scene.selfrect.target):  # else the line above says the same, and the way out
            draw_text(context, layout, reason, icon="INFO")
        tools = layout.column()
        tools.enabled = not reason
        _draw_tools(tools, settings)
        for title, draw in _PARTS:
            header, body = tools.panel(f"selfrect_{draw.__name__}", default_closed=True)
            header.label(text=title)
            if body:
                draw(body, settings)


def _draw_tools(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    row = layout.row(align=True)
    row.operator("selfrect.pick_patch", text="Pick Patch", icon="SELECT_SET")
    shapes = row.row(align=True)
    shapes.use_property_split = False
    shapes.prop(settings, "shape", text="", icon_only=True, expand=True)
    column = layout.column(align=True)
    column.prop(settings, "opacity")
    column.prop(settings, "feather")
    layout.prop(settings, "wrap")
    column = layout.column(align=True)
    column.operator("selfrect.erase_brush", text="Erase", icon="TPAINT_HLT")
    column.operator("selfrect.stroke_brush", text="Texture Stroke", icon="GREASEPENCIL")
    column.operator("selfrect.warp_grid", text="Warp", icon="MESH_GRID")


def _draw_brushes(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    for names in (("radius", "width", "softness"), ("ends",), ("columns", "rows")):
        column = layout.column(align=True)
        for name in names:
            column.prop(settings, name)


def _draw_scatter(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    row = layout.row(align=True)
    row.operator("selfrect.pick_patch", text="Pick", icon="SELECT_SET").then = "NOTE"
    row.operator("selfrect.scatter_picked", text="Scatter")
    column = layout.column(align=True)
    for name in ("count", "seed", "turn", "smallest", "largest", "gap", "mirror"):
        column.prop(settings, name)


def _draw_whole(layout: bpy.types.UILayout, _settings: bpy.types.PropertyGroup) -> None:
    row = layout.row(align=True)
    row.operator("selfrect.transform_target", text="Mirror X").mirror_x = True
    row.operator("selfrect.transform_target", text="Mirror Y").mirror_y = True
    row = layout.row(align=True)
    row.operator("selfrect.transform_target", text="Left", icon="LOOP_BACK").angle = math.pi / 2
    row.operator("selfrect.transform_target", text="Right", icon="LOOP_FORWARDS").angle = -math.pi / 2
    layout.operator("selfrect.turn_target", text="Turn and Push…")


_PARTS = ((mark("Brushes and Grid"), _draw_brushes), (mark("Scatter"), _draw_scatter), (mark("Whole Target"), _draw_whole))

_register, _unregister = bpy.utils.register_classes_factory(
    places.sidebar_panels(_EditTarget, "edit_target", places=("IMAGE_EDITOR",), parent=True)
)


def register() -> None:
    """The panel and the keys; without a window there is no key configuration."""
    _register()
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is None:
        return
    keymap = configuration.keymaps.new(name="Image", space_type="IMAGE_EDITOR")
    for operator, key in _KEYS:
        _registered.append((keymap, keymap.keymap_items.new(operator, key, "PRESS", ctrl=True, alt=True)))


def unregister() -> None:
    """Take them back, and what a running tool draws."""
    edit_tool.stop_all()
    for keymap, item in _registered:
        keymap.keymap_items.remove(item)
    _registered.clear()
    _unregister()
