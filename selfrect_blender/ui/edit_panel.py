# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel "Edit Target" of the Image Editor, and the keys of its tools."""

from __future__ import annotations

import math

import bpy

from . import edit_tool, places, reasons
from .text import draw_text

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
        draw_text(context, layout, reason, icon="INFO")
        tools = layout.column()
        tools.enabled = not reason
        _draw_patch(tools, settings)
        _draw_brushes(tools, settings)
        _draw_warp(tools, settings)
        _draw_whole(tools)
        tools.prop(settings, "wrap")


def _draw_patch(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    row = layout.row(align=True)
    row.operator("selfrect.pick_patch", text="Pick Patch", icon="SELECT_SET")
    row.prop(settings, "shape", text="", icon_only=True, expand=True)
    column = layout.column(align=True)
    column.prop(settings, "opacity")
    column.prop(settings, "feather")
    header, body = layout.panel("selfrect_scatter", default_closed=True)
    header.label(text="Scatter")
    if body is None:
        return
    row = body.row(align=True)
    row.operator("selfrect.scatter_picked", text="Scatter", icon="OUTLINER_OB_POINTCLOUD")
    row.operator("selfrect.pick_patch", text="", icon="SELECT_SET").then = "NOTE"
    column = body.column(align=True)
    for name in ("count", "seed", "turn", "smallest", "largest", "gap"):
        column.prop(settings, name)
    body.prop(settings, "mirror")


def _draw_brushes(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    layout.separator()
    layout.operator("selfrect.erase_brush", text="Erase", icon="TPAINT_HLT")
    layout.prop(settings, "radius")
    layout.operator("selfrect.stroke_brush", text="Texture Stroke", icon="GREASEPENCIL")
    column = layout.column(align=True)
    column.prop(settings, "width")
    column.prop(settings, "softness")
    column.prop(settings, "ends")


def _draw_warp(layout: bpy.types.UILayout, settings: bpy.types.PropertyGroup) -> None:
    layout.separator()
    layout.operator("selfrect.warp_grid", text="Warp", icon="MESH_GRID")
    column = layout.column(align=True)
    column.prop(settings, "columns")
    column.prop(settings, "rows")


def _draw_whole(layout: bpy.types.UILayout) -> None:
    layout.separator()
    layout.label(text="Whole Target")
    row = layout.row(align=True)
    row.operator("selfrect.transform_target", text="Mirror X").mirror_x = True
    row.operator("selfrect.transform_target", text="Mirror Y").mirror_y = True
    row = layout.row(align=True)
    row.operator("selfrect.transform_target", text="Left", icon="LOOP_BACK").angle = math.pi / 2
    row.operator("selfrect.transform_target", text="Right", icon="LOOP_FORWARDS").angle = -math.pi / 2
    layout.operator("selfrect.turn_target", text="Turn and Push…")


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
